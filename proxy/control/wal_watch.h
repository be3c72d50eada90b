// Which databases have their log followed: those with cache rules, if writes past us are told by it
// (invalidation = "wal"). Each has a WalFollower at its primary, wherever that is now. For the control loop's
// thread.
#pragma once

#include "proxy/control/database_watches.h"
#include "proxy/control/wal_follower.h"

namespace sportello::proxy {

// The log guards what is kept of this database.
bool needs_follower(const conf::Config& config, const std::string& database);

class WalWatch {
 public:
  WalWatch(EventLoop& loop, PoolDirectory& directory);

  void apply_config(const RuntimeConfigRef& config);

 private:
  std::unique_ptr<WalFollower> renewed(std::unique_ptr<WalFollower> follower,
                                       DatabaseRuntime& database) const;

  EventLoop* loop_;
  RuntimeConfigRef config_;
  DatabaseWatches<WalFollower> watches_;
};

}  // namespace sportello::proxy
