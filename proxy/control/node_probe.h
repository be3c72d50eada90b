// Asks one server how it is, over a connection of our own that is kept from one question to the next. If we
// have no login there, or it fails, only whether the server says anything at all is found out: a connection,
// and an answer to SSLRequest. One question at a time; each is answered once, by its deadline at the latest,
// unless the probe is destroyed before. What is not clear counts as an answer: silence is what is looked for.
// For the control loop's thread.
//
//   ask ─▶ query over the PqConnection ── failed, or the login takes long ─▶ greet ─▶ report
//     └── no login ─────────────────────────────────────────────────────────────┘
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "proxy/control/own_login.h"
#include "proxy/net/pq_connection.h"
#include "proxy/pool/server_connector.h"

namespace sportello::proxy {

struct NodeReport {
  bool answered = false;            // within the deadline, be it with an error
  std::optional<bool> in_recovery;  // it is a replica; nothing: we could not ask
  std::string why = {};             // what kept us from asking, for the log
};

class NodeProbe final : private ServerConnector::Owner, private Transport::Handler {
 public:
  struct Target {
    std::optional<OwnLogin> login;
    ServerTarget server;
  };
  using Done = std::function<void(const NodeReport&)>;

  NodeProbe(EventLoop& loop, Target target);
  ~NodeProbe();
  NodeProbe(const NodeProbe&) = delete;
  NodeProbe& operator=(const NodeProbe&) = delete;

  // When not busy. Never answered before it has returned.
  void ask(std::chrono::milliseconds deadline, Done done);
  bool is_busy() const { return static_cast<bool>(done_); }
  const std::optional<OwnLogin>& login() const { return target_.login; }

 private:
  void connector_done(Result<ServerConnected> result) override;
  void on_readable() override;
  void on_drained() override {}

  void begin();
  void wake_in(std::chrono::milliseconds time);
  void woken();
  void connected(const Result<void>& result);
  void query();
  void answered(const Result<PqRows>& result);
  void greet();
  std::chrono::milliseconds left() const;
  void report(const NodeReport& report);

  EventLoop* loop_;
  Target target_;
  TimePoint deadline_at_{};
  Done done_;
  std::string why_;
  UvHandle<uv_timer_t> timer_;
  std::unique_ptr<ServerConnector> connector_;
  std::unique_ptr<Transport> transport_;
  PqConnection connection_;  // last: its answers use the rest
};

}  // namespace sportello::proxy
