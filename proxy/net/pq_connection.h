// A connection of our own to PostgreSQL, by libpq in its non-blocking mode on an event loop: for what the
// control plane asks servers (auth_query, their role and positions, the log), never for a client's
// statements. The one file that knows libpq. One thing at a time: connect(), then one query() after the
// other; each is answered once, by its deadline at the latest, unless the connection is destroyed before.
//
//   Closed ─ connect ─▶ Resolving ─▶ Connecting ─▶ Idle ◀─▶ Busy        any failure of the wire ─▶ Closed
//                                                   └─ stream ─▶ Streaming, to the end
//
// An answer may come before the call that asks has returned, and may destroy the connection or ask the next.
// A query that the server refuses leaves it Idle; one that is late, or answers with more rows than asked for,
// closes it. The names of hosts are resolved before libpq sees them, as PQconnectStart would block on them
// (libpq-connect.html#LIBPQ-PQCONNECTSTARTPARAMS). For the loop's thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/result.h"
#include "proxy/net/event_loop.h"
#include "proxy/net/name_resolver.h"
#include "proxy/net/pq_rows.h"

struct pg_conn;
struct pg_result;

namespace sportello::proxy {

struct PqQuery {
  std::string sql;
  std::vector<std::string> parameters;  // $1 …, as text
  size_t most_rows = 1;
  bool simple = false;  // by the simple protocol, which is all that a replication connection knows
};

class PqConnection {
 public:
  enum class State : uint8_t { Closed, Resolving, Connecting, Idle, Busy, Streaming };
  // libpq's connection keywords (libpq-connect.html#LIBPQ-PARAMKEYWORDS). A host that is a name
  // is looked up, unless there is a hostaddr.
  using Keywords = std::vector<std::pair<std::string, std::string>>;
  using Connected = std::function<void(Result<void>)>;
  using Answered = std::function<void(Result<PqRows>)>;
  // The payload of one CopyData. An error ends the stream; it must not destroy the connection.
  using Streamed = std::function<Result<void>(std::string_view)>;
  using Lost = std::function<void(const std::string& why)>;

  explicit PqConnection(EventLoop& loop);
  ~PqConnection();
  PqConnection(const PqConnection&) = delete;
  PqConnection& operator=(const PqConnection&) = delete;

  // When Closed. The deadline is for all of it: resolving, TLS and login, over all addresses.
  void connect(Keywords keywords, std::chrono::milliseconds deadline, Connected done);
  // When Idle.
  void query(const PqQuery& query, std::chrono::milliseconds deadline, Answered done);
  // When Idle: a command that is answered with CopyBoth (START_REPLICATION). From then on what the server
  // sends goes to `each`, until the stream ends, for whatever reason: that is told once.
  void stream(const std::string& command, std::chrono::milliseconds deadline, Streamed each, Lost lost);
  // When Streaming: one CopyData. False: the connection is broken, and `lost` will be called.
  bool send(std::string_view payload);
  void close();

  State state() const { return state_; }
  // Of the last failure: the server's SQLSTATE, or empty if no server said it.
  const std::string& server_sqlstate() const { return server_sqlstate_; }
  // The last connect() failed since the server asked for a password and we had none.
  bool lacked_password() const { return lacked_password_; }

 private:
  void resolve(const std::string& host);
  void resolved(const NameAnswer& answer);
  void begin_connect();
  void poll_connect();
  void poll_query();
  void poll_idle();
  void poll_stream();
  bool take_stream(std::string& why);
  void end_stream(const std::string& why);
  bool take_result(pg_result* result);
  void watch(int events);
  void start_deadline(std::chrono::milliseconds deadline);
  void on_event();
  void on_deadline();
  std::string message() const;
  void fail(std::string why);
  void answer(Result<PqRows> result);

  EventLoop* loop_;
  State state_ = State::Closed;
  Keywords keywords_;
  NameResolver::Ticket lookup_;
  pg_conn* conn_ = nullptr;
  UvHandle<uv_poll_t> poll_;
  UvHandle<uv_timer_t> deadline_;
  Connected connected_;
  Answered answered_;
  Streamed streamed_;
  Lost lost_;
  bool stream_began_ = false;
  PqRows rows_;                 // of the query in hand, as they come
  std::optional<Error> error_;  // of the query in hand
  size_t most_rows_ = 0;
  std::string server_sqlstate_;
  bool lacked_password_ = false;
};

}  // namespace sportello::proxy
