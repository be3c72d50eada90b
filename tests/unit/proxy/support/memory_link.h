// Sessions and server links joined in memory: what a worker does with sockets, done with strings. A test
// feeds bytes of either peer, in any cuts, and reads what came out on the other side as a Trace.
//
//    test ──▶ client() ──▶ ClientSession ──▶ to_server()     lines that the server would have read
//    to_client() ◀── ClientSession ◀── server() ◀── test     lines that the client would have read
//
// A session that asks for a link is given `next_link` at once (unless that is nullptr: then it waits), and
// gives it back as soon as it may, as in a pool of one link.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/sql/facts_cache.h"
#include "proxy/session/client_session.h"
#include "tests/unit/proxy/support/wire_trace.h"

namespace sportello::proxy {

// What PostgreSQL reports at login, and what a session begins with.
SettingsValues plain_settings();

// A database of its own: no other test's statements are known in it.
struct MemoryWorker {
  sql::ShapeCache shapes;
  sql::FactsCache facts{shapes, 7};
  StatementCache statements;
  DatabaseScope scope;
  SessionContext context;

  MemoryWorker();
};

// At rest, with plain_settings() (or others), every tracked parameter reported.
LinkState memory_link(const SettingsValues& values = plain_settings());

class MemorySession {
 public:
  explicit MemorySession(MemoryWorker& worker, LinkState* next = nullptr,
                         const SettingsValues& values = plain_settings());

  // The client sends `bytes` after those not taken yet. With `cut`, as that many bytes at a time.
  MemorySession& client(std::string_view bytes, size_t cut = SIZE_MAX);
  // Its link's server answers.
  MemorySession& server(std::string_view bytes, size_t cut = SIZE_MAX);
  // Its link dies; what is to be run again runs on `next`.
  LinkLoss dies(std::string why = "connection reset");

  // The lines since the last call.
  Trace to_server();
  Trace to_client();
  // The same, undecoded.
  std::string bytes_to_server() { return std::exchange(server_side_, {}); }
  std::string bytes_to_client() { return std::exchange(client_side_, {}); }

  ClientSession& session() { return session_; }
  bool holds_link() const { return session_.link() != nullptr; }
  const ClientStep& last_step() const { return step_; }
  const ServerStep& last_answer() const { return answer_; }
  uint32_t commands() const { return commands_; }
  size_t untaken() const { return pending_.size(); }
  size_t held() const { return server_pending_.size(); }  // of the server's

  LinkState* next_link;

 private:
  void feed_client();
  void drain(Outbox& outbox, std::string& into);

  ClientSession session_;
  WireTracer tracer_;
  Outbox to_server_;
  Outbox to_client_;
  std::string pending_;         // of the client's, not taken
  std::string server_pending_;  // of the server's, not taken
  std::string server_side_;
  std::string client_side_;
  ClientStep step_;
  ServerStep answer_;
  uint32_t commands_ = 0;
};

}  // namespace sportello::proxy
