// Which databases have their log followed: those with cache rules, if writes past us are told by it
// (invalidation = "wal"). Each has a WalFollower at its primary, wherever that is now, as long as the
// configuration wants it and has a login for it (monitor_user). Databases that only clients name ("*") are
// let go of when nobody is connected. For the control loop's thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "proxy/control/wal_follower.h"
#include "proxy/net/event_loop.h"
#include "proxy/pool/pool_runtime.h"
#include "proxy/runtime_config.h"

namespace sportello::proxy {

// The log guards what is kept of this database.
bool needs_follower(const conf::Config& config, const std::string& database);

class WalWatch {
 public:
  WalWatch(EventLoop& loop, PoolDirectory& directory);
  WalWatch(const WalWatch&) = delete;
  WalWatch& operator=(const WalWatch&) = delete;

  void apply_config(RuntimeConfigRef config);

 private:
  struct Watched {
    std::shared_ptr<DatabaseRuntime> database;
    TimePoint used_at{};                    // somebody was connected
    std::unique_ptr<WalFollower> follower;  // after the database, into which it publishes
  };

  void tick();
  void look_for_databases();
  std::optional<WalFollowerSettings> settings_for(DatabaseRuntime& database) const;
  void watch(const std::shared_ptr<DatabaseRuntime>& database);

  EventLoop* loop_;
  PoolDirectory* directory_;
  RuntimeConfigRef config_;
  std::map<std::string, Watched> watched_;  // by the database's name
  TimePoint look_at_{};
  std::function<void()> on_tick_;
  UvHandle<uv_timer_t> tick_;  // while the configuration wants one
};

}  // namespace sportello::proxy
