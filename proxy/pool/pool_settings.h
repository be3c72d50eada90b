// What the configuration says of one pool, with the overrides of its database and user applied; made by
// RuntimeConfig::pool_settings, immutable, replaced as a whole at reload. Durations of zero switch a limit
// off. What it says to the clients, who may be several users' where the entry names whom to log in as, is
// ClientSettings.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "cache/cache_rules.h"
#include "conf/config.h"
#include "proxy/pool/node.h"
#include "proxy/pool/node_health.h"

namespace sportello::proxy {

struct PoolSettings {
  using Milliseconds = std::chrono::milliseconds;

  std::shared_ptr<NodeHealth> node;     // of `address`; nullptr: not watched
  NodeSetRef nodes;                     // of its database, if it has replicas that may be read
  std::shared_ptr<NodeRuntime> server;  // of those, the one that this pool is at
  cache::CacheRulesRef cache_rules;     // nullptr: nothing of its database is kept
  bool cache_follows_log = false;  // what is kept is good while the log is followed, unless a rule says so
  int pool_size = 25;
  int min_pool_size = 0;
  bool keeps_minimum = false;  // also while it has no clients
  int reserve_pool_size = 0;
  Milliseconds reserve_pool_timeout{0};
  int max_db_connections = 0;    // 0: no limit
  int max_user_connections = 0;  // 0: no limit
  size_t max_prepared_statements = 200;

  Milliseconds cancel_wait_timeout{0};
  Milliseconds server_lifetime{0};
  Milliseconds server_idle_timeout{0};
  Milliseconds server_connect_timeout{0};
  Milliseconds server_login_retry{0};
  Milliseconds server_check_delay{0};
  Milliseconds server_health_interval{0};
  std::string server_check_query;
  std::string server_reset_query;
  bool server_reset_query_always = false;
  bool server_fast_close = false;
  std::string connect_query;

  conf::ServerAddress address;  // where to, and as whom if it says so
};

using PoolSettingsRef = std::shared_ptr<const PoolSettings>;

// What it says to one user's clients of a database; made by RuntimeConfig::client_settings.
struct ClientSettings {
  using Milliseconds = std::chrono::milliseconds;

  conf::PoolMode mode = conf::PoolMode::Transaction;
  Milliseconds query_timeout{0};
  Milliseconds query_wait_timeout{0};
  Milliseconds transaction_timeout{0};
  Milliseconds idle_transaction_timeout{0};
  Milliseconds client_idle_timeout{0};
  conf::Freshness freshness = conf::Freshness::Table;  // of what they read on replicas
};

}  // namespace sportello::proxy
