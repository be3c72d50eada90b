// One place where users are looked up: a connection to the server of an AuthTarget, opened when somebody asks
// and kept for a while, the cache of its answers, and those who wait. A user is asked for once, however many
// wait for the answer. All wait in one line for one connection, so a server that hangs or is gone fails all
// of them together, at the deadline of the first; then it is left alone for a second (a wrong password is not
// tried more often than that), and who asks meanwhile is told the same. For the control loop's thread.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "proxy/control/auth_cache.h"
#include "proxy/control/auth_target.h"
#include "proxy/net/pq_connection.h"
#include "proxy/session/client_startup.h"

namespace sportello::proxy {

class AuthSource {
 public:
  using Answer = std::function<void(SecretLookup)>;

  AuthSource(EventLoop& loop, AuthTarget target);

  // Perhaps answered at once.
  void look_up(const std::string& user, std::chrono::milliseconds ttl, Answer answer);

  bool is_busy() const { return !waiting_.empty(); }
  bool is_connected() const { return connection_.state() != PqConnection::State::Closed; }
  TimePoint last_asked_at() const { return last_asked_at_; }
  // Until somebody asks again. When not busy.
  void disconnect() { connection_.close(); }

 private:
  void go_on();
  void connected(const Result<void>& result);
  void ask();
  void answered(const std::string& user, Result<PqRows> result);
  void answer_all(const std::string& user, const SecretLookup& found);
  void fail_all(const std::string& why);

  EventLoop* loop_;
  AuthTarget target_;
  AuthCache cache_;
  std::unordered_map<std::string, std::vector<Answer>> waiting_;  // by user
  std::deque<std::string> line_;  // the users of waiting_; the first is being asked for
  size_t waiters_ = 0;            // in all of waiting_
  TimePoint last_asked_at_{};
  TimePoint left_alone_until_{};
  std::string last_failure_;  // what left_alone_until_ is about
  PqConnection connection_;   // last: its answers use the rest
};

}  // namespace sportello::proxy
