// The rows of every SHOW, from what was gathered: configuration, counters that workers share, and a snapshot
// of each worker. Pure: any thread, no I/O; what it is given does not change meanwhile.
#pragma once

#include <chrono>
#include <map>
#include <vector>

#include "cache/result_cache.h"
#include "cache/rule_counts.h"
#include "proxy/admin/admin_command.h"
#include "proxy/admin/admin_protocol.h"
#include "proxy/admin/admin_snapshot.h"
#include "proxy/admin/admin_table.h"
#include "proxy/net/name_cache.h"
#include "proxy/pool/pool_runtime.h"
#include "proxy/runtime_config.h"
#include "proxy/stats/query_table.h"
#include "proxy/stats/stats_sampler.h"

namespace sportello::proxy {

// "Sportello 0.1.0".
std::string program_version();

struct AdminView {
  RuntimeConfigRef config;
  std::vector<std::shared_ptr<DatabaseRuntime>> databases;
  std::vector<std::shared_ptr<UserRuntime>> users;
  std::vector<std::shared_ptr<PoolRuntime>> pools;
  const StatsSampler* sampler = nullptr;
  bool suspended = false;
  uint64_t failed_logins = 0;  // whose proof was wrong
  std::vector<NameCache::Known> names;
  TimePoint now{};
  const cache::ResultCache* results = nullptr;
  std::map<uint64_t, cache::RuleTotals> rule_totals;  // by CacheRule::id
  std::vector<WorkerSnapshot> workers;                // if needs_snapshot()
  QuerySnapshot queries;                              // of all workers, for Queries
};

// Whether the workers have to be asked for this.
bool needs_snapshot(ShowTopic topic);

Result<AdminAnswer> show(ShowTopic topic, const AdminView& view);

}  // namespace sportello::proxy
