// Looks users up in a database's own catalog (auth_query), for logins of users that auth_file does not know.
// A conversation of ours with PostgreSQL: libpq, on the control loop, as auth_user, with search_path =
// pg_catalog. Answers are kept for auth_cache_ttl. Any thread may ask; the answer comes on the control
// thread, unless the program ends before.
//
// The settings are those of the configuration that comes with the question, so a reload is in force at once.
// This is the list of places to ask (auth_source.h), and their bound: with a "*" entry clients that have not
// logged in choose the names of databases, so each place that is not asked any more is forgotten, and while
// too many are in use others are refused.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "proxy/control/auth_source.h"
#include "proxy/control/auth_target.h"
#include "proxy/net/event_loop.h"
#include "proxy/runtime_config.h"
#include "proxy/session/client_startup.h"

namespace sportello::proxy {

class AuthQuery {
 public:
  AuthQuery(EventLoop& loop, PrimaryOf primary_of);

  using Answer = std::function<void(SecretLookup)>;

  // False: the configuration names nobody to ask (no auth_user for this database).
  bool look_up(const RuntimeConfigRef& config, const std::string& database, const std::string& user,
               Answer answer);

 private:
  AuthSource* source(const AuthTarget& target);
  bool forget_least_used();
  void reap();

  EventLoop* loop_;
  const PrimaryOf primary_of_;  // any thread
  std::map<AuthTarget, std::unique_ptr<AuthSource>> sources_;
  std::function<void()> on_tick_;
  UvHandle<uv_timer_t> tick_;  // while there are sources
};

}  // namespace sportello::proxy
