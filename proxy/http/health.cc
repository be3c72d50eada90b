#include "proxy/http/health.h"

#include <algorithm>

#include "protocol/sqlstate.h"
#include "proxy/admin/admin_cache.h"

namespace sportello::proxy {
namespace {

std::optional<int64_t> known(int64_t value) { return value < 0 ? std::nullopt : std::optional(value); }

// ---- pools ----

enum class Opening : uint8_t { Fine, Refused, Unavailable };

// How it went when the pool last wanted a link to the primary: of late, or now while somebody waits for it.
Opening last_opening(PoolRuntime& pool, TimePoint now) {
  const std::lock_guard lock(pool.mutex);
  if (!pool.last_failure) {
    return Opening::Fine;
  }
  const TimePoint retry_at{Clock::duration(pool.retry_at.load())};
  if (pool.waiting.load() == 0 && now - retry_at > Health::kFailureCounts) {
    return Opening::Fine;
  }
  return pool.last_failure->sqlstate == sqlstate::kCannotConnectNow ? Opening::Unavailable : Opening::Refused;
}

struct PoolsOfDatabase {
  PoolTally tally;
  StatTotals stats;
  bool unavailable = false;
  bool refused = false;
};

using Pools = std::map<const DatabaseRuntime*, PoolsOfDatabase>;

Pools pools_of(const OperatorView& view) {
  Pools pools;
  for (const auto& pool : view.shared.pools) {
    PoolsOfDatabase& sum = pools[pool->database.get()];
    for (const PoolRuntime::PerWorker& part : pool->workers) {
      if (part.has_stats.load()) {
        sum.stats.add(StatTotals::of(*part.stats));
      }
    }
    if (pool->node == 0) {
      const Opening opening = last_opening(*pool, view.shared.now);
      sum.unavailable = sum.unavailable || opening == Opening::Unavailable;
      sum.refused = sum.refused || opening == Opening::Refused;
    }
  }
  for (const auto& [pool, tally] : tally_of(view)) {
    pools[pool->database.get()].tally.add(tally);
  }
  return pools;
}

// ---- databases ----

bool is_silent(const OperatorView& view, const conf::ServerAddress& address) {
  return std::any_of(view.servers.begin(), view.servers.end(),
                     [&](const auto& server) { return server->is_at(address) && server->down.load(); });
}

std::optional<conf::ServerAddress> primary_of(const OperatorView& view, const std::string& database,
                                              const NodeSetRef& nodes) {
  if (nodes != nullptr) {
    return nodes->primary().address;
  }
  const conf::Database* entry = view.shared.config->database(database);
  return entry == nullptr ? std::nullopt : std::optional(entry->primary);
}

// Why writes cannot go there; empty: they can, as far as is known.
std::string primary_problem(const OperatorView& view, const DatabaseRuntime& database,
                            const NodeSetRef& nodes, const PoolsOfDatabase& pools) {
  const auto primary = primary_of(view, database.name, nodes);
  if (primary && is_silent(view, *primary)) {
    return "the primary does not answer";
  }
  if (nodes != nullptr && database.scope.primary_lost.load()) {
    return nodes->primary().reachable.load() ? "no server takes writes" : "the primary cannot be reached";
  }
  return pools.unavailable ? "the primary takes no connections" : "";
}

DatabaseState state_of(const OperatorView& view, DatabaseRuntime& database, const PoolsOfDatabase& pools) {
  DatabaseState state{.name = database.name,
                      .is_paused = database.paused.load(),
                      .is_disabled = database.disabled.load(),
                      .tally = pools.tally,
                      .stats = pools.stats};
  const NodeSetRef nodes = database.current_nodes();
  size_t replicas = 0;
  size_t lost = 0;
  for (size_t i = 0; nodes != nullptr && i < nodes->nodes.size(); i++) {
    const NodeRuntime& node = *nodes->nodes[i];
    state.nodes.push_back({.server = server_name(node.address),
                           .role = node_role_name(node.role.load()),
                           .is_reachable = node.reachable.load(),
                           .lag_bytes = known(node.lag_bytes.load()),
                           .lag_us = known(node.lag_us.load())});
    const NodeRole role = node.role.load();
    replicas += i > 0 && role != NodeRole::Alias ? 1 : 0;
    lost += i > 0 && role != NodeRole::Alias && (!node.reachable.load() || role != NodeRole::Replica) ? 1 : 0;
  }
  state.problem = primary_problem(view, database, nodes, pools);
  if (!state.problem.empty()) {
    state.state = HealthState::Bad;
  } else if (lost > 0) {
    state.state = HealthState::Degraded;
    state.problem = std::to_string(lost) + " of " + std::to_string(replicas) + " replicas cannot be read";
  } else if (pools.refused) {
    state.state = HealthState::Degraded;
    state.problem = "the primary refuses a login";
  }
  return state;
}

CacheState cache_state_of(const DatabaseRuntime& database, const conf::Config& conf) {
  const CacheGuarantee guarantee = guarantee_of(database, conf);
  return {.database = database.name,
          .state = guarantee.is_served() ? HealthState::Ok : HealthState::Degraded,
          .guarantee = guarantee.words(),
          .follower = follower_state_name(guarantee.follower.state),
          .follower_lag_us = known(guarantee.follower.lag_us)};
}

}  // namespace

std::string_view health_word(HealthState state) {
  constexpr std::string_view kWords[] = {"ok", "degraded", "down"};
  return kWords[static_cast<size_t>(state)];
}

Health Health::of(const OperatorView& view) {
  Health health;
  health.workers_answer = !view.workers.empty();
  Pools pools = pools_of(view);
  std::vector<std::shared_ptr<DatabaseRuntime>> databases = view.shared.databases;
  std::sort(databases.begin(), databases.end(),
            [](const auto& left, const auto& right) { return left->name < right->name; });
  for (const auto& database : databases) {
    if (view.shared.config->database(database->name) == nullptr) {
      continue;
    }
    health.databases.push_back(state_of(view, *database, pools[database.get()]));
    health.state = std::max(health.state, health.databases.back().state);
    if (view.shared.config->caches(database->name)) {
      health.caches.push_back(cache_state_of(*database, view.shared.config->conf));
      health.state = std::max(health.state, health.caches.back().state);
    }
  }
  if (!health.workers_answer) {
    health.state = HealthState::Bad;
  }
  return health;
}

}  // namespace sportello::proxy
