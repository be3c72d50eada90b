// Finds out which servers are frozen or cut off, so that nobody waits for them longer than they must. Workers
// say where requests wait without a word (NodeHealth::stuck_at); that server is probed, and if it is silent
// to the probe and on all links for server_health_timeout, it is down: its links are closed, what it was
// asked fails, who comes waits up to query_wait_timeout. It is probed on, and is back with its first answer,
// after a moment that is not the same for all. A query that runs for hours on a server that answers is left
// alone. For the control loop's thread.
#pragma once

#include <map>
#include <memory>

#include "proxy/control/node_probe.h"
#include "proxy/pool/node_health.h"
#include "proxy/runtime_config.h"

namespace sportello::proxy {

class WorkerGroup;

class HealthWatch {
 public:
  static constexpr std::chrono::milliseconds kTick{100};

  HealthWatch(EventLoop& loop, WorkerGroup& group);

  // A reload: what is known of a server is kept, how to ask it is not.
  void apply_config(RuntimeConfigRef config);

 private:
  struct Watched {
    std::unique_ptr<NodeProbe> probe;
    TimePoint began_at{};
    TimePoint next_at{};  // not probed before
    TimePoint back_at{};  // down, and has answered: up from then on
    std::string told;     // why it could not be asked, as logged last
  };

  void tick();
  void begin(const std::shared_ptr<NodeHealth>& node, Watched& watched);
  void reported(const std::shared_ptr<NodeHealth>& node, const NodeReport& report);
  NodeProbe::Target target(const NodeHealth& node) const;

  EventLoop* loop_;
  WorkerGroup* group_;
  RuntimeConfigRef config_;
  std::map<NodeHealth*, Watched> watched_;
  std::function<void()> on_tick_;
  UvHandle<uv_timer_t> tick_;
};

}  // namespace sportello::proxy
