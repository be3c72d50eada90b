// What the watches of databases (catalog_watch.h, wal_watch.h, node_watch.h) ask of each in the same way.
#pragma once

#include <optional>

#include "proxy/control/own_login.h"
#include "proxy/pool/pool_runtime.h"

namespace sportello::proxy {

// Not to be connected to, whatever is wanted of it (WorkerGroup::leave_database).
inline bool is_left_alone(const DatabaseRuntime& database, TimePoint now) {
  return now.time_since_epoch().count() < database.left_alone_until.load(std::memory_order_relaxed);
}

// The configuration names it, or somebody is connected.
inline bool is_in_use(const RuntimeConfig& config, const DatabaseRuntime& database, TimePoint now) {
  return !is_left_alone(database, now) &&
         (config.conf.databases.contains(database.name) || database.clients.used() > 0);
}

// At its primary, wherever that is now. Nothing: nobody is named (own_login.h).
inline std::optional<OwnLogin> monitor_login_at_primary(const RuntimeConfig& config,
                                                        DatabaseRuntime& database) {
  const NodeSetRef nodes = database.current_nodes();
  return nodes != nullptr ? monitor_login_at(config, database.name, nodes->primary().address, false)
                          : monitor_login(config, database.name);
}

}  // namespace sportello::proxy
