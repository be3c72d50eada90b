// Watches the servers of databases that have replicas: what each is, how far its log has come, who is the
// primary. Tells the FreshnessBoard positions, NodeRuntimes what was found, and the WorkerGroup when writes
// go elsewhere. For the control loop's thread.
//
// At rest each server is asked kRest apart. While a write has no position, or a replica lacks it, and reads
// wait for that, they are asked kHurry apart: the primary first, and the replicas when it has answered.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "proxy/control/node_source.h"
#include "proxy/net/event_loop.h"
#include "proxy/runtime_config.h"
#include "proxy/worker_group.h"

namespace sportello::proxy {

class NodeWatch {
 public:
  static constexpr std::chrono::milliseconds kTick{10};
  static constexpr std::chrono::milliseconds kRest{100};
  static constexpr std::chrono::milliseconds kHurry{1};
  static constexpr std::chrono::milliseconds kMostHurry{50};  // of a replica that makes no progress

  NodeWatch(EventLoop& loop, WorkerGroup& group);
  ~NodeWatch();
  NodeWatch(const NodeWatch&) = delete;
  NodeWatch& operator=(const NodeWatch&) = delete;

  void apply_config(RuntimeConfigRef config);

 private:
  // Where the primary was when, so that a replica's lag can be told in time.
  struct Mark {
    TimePoint at;
    uint64_t lsn;
  };
  struct Watched {
    std::shared_ptr<DatabaseRuntime> database;
    NodeSetRef set;
    std::map<const NodeRuntime*, std::unique_ptr<NodeSource>> sources;
    std::deque<Mark> marks;
    uint32_t newest_timeline = 0;
    DefaultPaths paths;
    bool has_paths = false;
    std::string conflict;  // told last
  };

  void tick();
  void look_for_databases();
  void watch(Watched& watched);
  void ask(Watched& watched);
  void answered(Watched& watched, NodeSource& source);
  void note_roles(Watched& watched);
  void note_primary(Watched& watched, NodeSource& source);
  void note_replica(Watched& watched, NodeSource& source);
  void note_paths(Watched& watched, const DefaultPaths& found);
  bool in_hurry(const Watched& watched) const;

  EventLoop* loop_;
  WorkerGroup* group_;
  RuntimeConfigRef config_;
  std::map<std::string, std::unique_ptr<Watched>> watched_;  // by the database's name
  TimePoint look_at_{};
  std::function<void()> on_tick_;
  std::function<void()> on_hurry_;
  UvHandle<uv_timer_t> tick_;   // while there are any
  UvHandle<uv_timer_t> hurry_;  // while some are in a hurry
};

}  // namespace sportello::proxy
