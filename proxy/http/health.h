// How the databases and the cache are, from what is known of them at one moment; nobody is asked anything
// here. A server of which nothing has been heard is not unhealthy: without replicas and without a cache,
// servers are only asked when a client wants them.
//
//   database   ok         its primary answers, as far as anybody has asked
//              degraded   that, but a replica does not, or a user's login was refused by the server lately
//              down       its primary does not answer: writes wait (replicas may still answer reads)
//   cache      ok, or degraded: nothing is served, as the catalog or the log is not known
//   overall    unhealthy if a database is down or a worker does not answer; else degraded if something is
//
// Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "proxy/http/operator_view.h"

namespace sportello::proxy {

enum class HealthState : uint8_t { Ok, Degraded, Bad };

struct NodeState {
  std::string server;  // "host:port"
  std::string_view role;
  bool is_reachable = false;
  std::optional<int64_t> lag_bytes;
  std::optional<int64_t> lag_us;
};

struct DatabaseState {
  std::string name;
  HealthState state = HealthState::Ok;
  std::string problem;  // empty: none
  bool is_paused = false;
  bool is_disabled = false;
  std::vector<NodeState> nodes;  // of a database with replicas or a cache
  PoolTally tally;               // all users and servers together
  StatTotals stats;
};

struct CacheState {
  std::string database;
  HealthState state = HealthState::Ok;
  std::string_view guarantee;
  std::string_view follower;
  std::optional<int64_t> follower_lag_us;
};

struct Health {
  // How long a failure to connect counts if nobody has tried again.
  static constexpr std::chrono::seconds kFailureCounts{30};

  HealthState state = HealthState::Ok;
  bool workers_answer = true;
  std::vector<DatabaseState> databases;  // by name
  std::vector<CacheState> caches;

  // `view` without tallies: the workers did not answer in time.
  static Health of(const OperatorView& view);
};

// "ok", "degraded", "down".
std::string_view health_word(HealthState state);

}  // namespace sportello::proxy
