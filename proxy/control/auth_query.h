// Looks users up in a database's own catalog (auth_query), for logins of users that auth_file does not know.
// A conversation of ours with PostgreSQL: libpq, on the control loop, as auth_user, with search_path =
// pg_catalog. Answers are kept for auth_cache_ttl. Any thread may ask; the answer comes on the control
// thread.
#pragma once

#include <functional>
#include <string>

#include "proxy/net/event_loop.h"
#include "proxy/runtime_config.h"
#include "proxy/session/client_startup.h"

namespace sportello::proxy {

class AuthQuery {
 public:
  explicit AuthQuery(EventLoop& loop);

  using Answer = std::function<void(SecretLookup)>;

  // False: the configuration names nobody to ask (no auth_user for this database).
  bool look_up(const RuntimeConfigRef& config, const std::string& database, const std::string& user,
               Answer answer);
};

}  // namespace sportello::proxy
