// Watches the servers of databases that have several, or a cache: where their names lead, what each is, how
// far its log has come, who is the primary. Tells the FreshnessBoard positions, NodeRuntimes what was found,
// and the WorkerGroup when there are other servers or writes go elsewhere. For the control loop's thread.
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
#include "proxy/net/name_resolver.h"
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
    TimePoint since{};  // its first server is the first
    LastPrimary last_primary;
    DefaultPaths paths;
    bool has_paths = false;
    std::string conflict;  // told last
  };

  // Of a name of servers.
  struct Lookup {
    NameResolver::Ticket ticket;
    bool is_busy = false;
    bool was_answered = false;  // once at least, be it that there is no such name
    std::string complained;     // of what, last
  };

  void tick();
  void look_now();
  void look_for_databases();
  void set_pace();
  void look_up_names();
  void name_answered(const std::string& host, const NameAnswer& answer);
  // Nobody knows yet where that name leads.
  bool is_unresolved(const conf::ServerAddress& address) const;
  void watch(Watched& watched);
  // Its first server is the primary, or is known not to be.
  void settle(DatabaseRuntime& database);
  // And so, when it answers, whether processes of its are gone.
  static bool asks_primary(const Watched& watched);
  bool awaits_servers(const Watched& watched) const;
  void settle_if_all_asked(Watched& watched);
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
  std::map<std::string, Lookup> lookups_;                    // by the host
  TimePoint look_at_{};
  std::function<void()> on_tick_;
  std::function<void()> on_hurry_;
  std::chrono::milliseconds pace_{0};  // of tick_
  UvHandle<uv_timer_t> tick_;
  UvHandle<uv_timer_t> hurry_;  // while some are in a hurry
};

}  // namespace sportello::proxy
