// One user of the portal: thinks, sends a request, reads the answer, thinks again.
//
//              due                   connected             last statement answered
//   Thinking ───────▶ Connecting ─────────────▶ Running ──────────────────────────▶ Thinking
//      │                   │                     ▲   │  error in a transaction
//      │ due, connected    │ refused             │   └─────────────▶ RollingBack ──▶ Thinking
//      └───────────────────┼─────────────────────┘                        │
//                          └──────────▶ Thinking ◀────────────────────────┘
//
// The latency of a request counts from when it came due, so a driver or a server that is late hides nothing;
// with a new connection it includes connecting and logging in. A refused or lost connection is a failed
// request: the next one connects again. All of a driver's clients live on one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tests/portal/load/load_statistics.h"
#include "tests/portal/load/parameter_source.h"
#include "tests/portal/load/pq_handles.h"
#include "tests/portal/load/reactor.h"
#include "tests/portal/load/request_file.h"
#include "tests/portal/load/request_run.h"
#include "tests/portal/load/statement_sender.h"

namespace sportello::portal {

// What all clients of a run share.
struct ClientWorld {
  Reactor& reactor;
  const std::string& conninfo;
  const std::vector<Request>& requests;
  bool reconnect;  // a connection for each request
  // Told when a request is over; an empty failure is success.
  std::function<void(uint32_t client, size_t request, Clock::time_point due, std::optional<Failure> failure)>
      done;
};

class LoadClient {
 public:
  enum class State : uint8_t {
    Thinking,     // nothing is owed; connected or not
    Connecting,   // libpq logs in; the request waits
    Running,      // a statement's answer is owed
    RollingBack,  // the request has failed; ROLLBACK's answer is owed
  };

  LoadClient(ClientWorld& world, uint32_t number, Protocol protocol, const PortalFacts& facts, uint64_t seed);

  State state() const { return state_; }
  Clock::time_point due() const { return due_; }
  ParameterSource& chance() { return source_; }

  // Only while Thinking.
  void begin(size_t request, Clock::time_point due);
  // The socket is ready.
  void ready();
  // The request fails and its connection with it; not while Thinking.
  void give_up(Failure failure);

 private:
  void connect();
  void go_on_connecting();
  void start_running();
  void send_next();
  void flush();
  void watch(bool also_writable);
  void read_answers();
  void statement_answered();
  void fail(Failure failure);
  void finish();
  void disconnect();

  ClientWorld& world_;
  uint32_t number_;
  ParameterSource source_;
  StatementSender sender_;
  PqConnection connection_;
  bool wants_to_write_ = false;  // the reactor waits for that, too
  State state_ = State::Thinking;
  // Of the running request.
  size_t request_ = 0;
  Clock::time_point due_;
  std::optional<RequestRun> run_;
  bool preparing_ = false;          // the answer owed is that of a preparation
  PqResult answer_;                 // the last result of the statement so far
  std::optional<Failure> failure_;  // what it will end with
};

}  // namespace sportello::portal
