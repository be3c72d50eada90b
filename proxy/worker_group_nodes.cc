// The part of WorkerGroup that says which servers a database has, and which pool is at which.
#include <algorithm>

#include "proxy/log.h"
#include "proxy/pool/node_plan.h"
#include "proxy/worker_group.h"

namespace sportello::proxy {

PoolSettingsRef WorkerGroup::pool_settings(const RuntimeConfig& config, const PoolRuntime& pool) {
  std::shared_ptr<PoolSettings> settings = config.pool_settings(pool.database->name, pool.user->name);
  settings->nodes = pool.database->current_nodes();
  if (settings->nodes != nullptr && pool.node < settings->nodes->nodes.size()) {
    settings->server = settings->nodes->nodes[pool.node];
    settings->address = settings->server->address;
    if (const conf::Database* entry = config.database(pool.database->name);
        entry != nullptr && settings->address.user.empty()) {
      // Whom the clients are at the primary they are at its replicas.
      settings->address.user = entry->primary.user;
      if (settings->address.password.empty()) {
        settings->address.password = entry->primary.password;
      }
    }
    settings->server_connect_timeout =
        settings->address.connect_timeout.value_or(config.conf.server_connect_timeout);
  }
  settings->node = nodes_.node(settings->address);
  return settings;
}

bool WorkerGroup::note_nodes(const RuntimeConfig& config, DatabaseRuntime& database) {
  static const NodeAddresses nobody_asks;
  const conf::Database* entry = config.database(database.name);
  const std::lock_guard lock(database.mutex);
  const NodeSetRef before = database.nodes;
  const bool routes = entry != nullptr && entry->routing != conf::Routing::Off;
  // Of servers that cannot be asked nothing is known that could be wrong, and a link may go to any address.
  const bool asked = entry != nullptr && !config.monitor_user(*entry, entry->primary).empty();
  std::vector<conf::ServerAddress> planned;
  if (entry != nullptr) {
    planned = planned_nodes(*entry, routes, asked ? node_addresses_ : nobody_asks);
  }
  if (planned.size() < 2 && (entry == nullptr || !config.caches(database.name))) {
    database.nodes.reset();
    database.scope.primary_unknown.store(false);
    return before != nullptr;
  }
  auto set = std::make_shared<NodeSet>();
  set->routing = routes && planned.size() > 1 ? entry->routing : conf::Routing::Off;
  set->max_lag = entry->max_replica_lag;
  set->nodes = placed_nodes(before != nullptr ? before->nodes : NodeList(), planned,
                            [&](const conf::ServerAddress& address) {
                              return std::make_shared<NodeRuntime>(address, database.scope.board.add_node());
                            });
  if (before != nullptr && *before == *set) {
    return false;
  }
  const NodeRuntime& first = set->primary();
  if (set->nodes.size() < 2 || !asked) {
    database.scope.primary_unknown.store(false);
  } else if (first.role.load() == NodeRole::Unknown &&
             (before == nullptr || before->nodes.front().get() != &first)) {
    database.scope.primary_unknown.store(true);
    servers_changed();
  }
  database.nodes = std::move(set);
  if (!database.scope.tracks_writes.exchange(true)) {
    // What was written until now is on no replica for certain.
    cache::raise_last_write(database.scope.tables.all(), database.scope.board.note_write());
  }
  return true;
}

void WorkerGroup::renote_nodes(const std::shared_ptr<DatabaseRuntime>& database) {
  const NodeSetRef before = database->current_nodes();
  if (!note_nodes(*config(), *database)) {
    return;
  }
  nodes_changed(*database);
  const NodeSetRef now = database->current_nodes();
  for (size_t i = 0; before != nullptr && i < before->nodes.size(); i++) {
    const auto& node = before->nodes[i];
    const bool is_left =
        now == nullptr || std::find(now->nodes.begin(), now->nodes.end(), node) == now->nodes.end();
    if (is_left) {
      log_info("database \"{}\": {} is no server of it any more", printable(database->name),
               server_name(node->address));
    }
  }
}

std::optional<conf::ServerAddress> WorkerGroup::primary_of(const std::string& database) {
  for (const auto& known : directory_.databases()) {
    const NodeSetRef nodes = known->name == database ? known->current_nodes() : nullptr;
    if (nodes != nullptr) {
      return nodes->primary().address;
    }
  }
  return std::nullopt;
}

void WorkerGroup::make_primary(const std::shared_ptr<DatabaseRuntime>& database,
                               const std::shared_ptr<NodeRuntime>& node) {
  {
    const std::lock_guard lock(database->mutex);
    if (database->nodes == nullptr) {
      return;
    }
    auto set = std::make_shared<NodeSet>(*database->nodes);
    const auto at = std::find(set->nodes.begin(), set->nodes.end(), node);
    if (at == set->nodes.end() || at == set->nodes.begin()) {
      return;
    }
    std::iter_swap(set->nodes.begin(), at);
    database->nodes = std::move(set);
  }
  nodes_changed(*database);
}

void WorkerGroup::nodes_changed(const DatabaseRuntime& database) {
  refresh_settings(*config(), &database);
  post_all([](Worker& worker) { worker.apply_config(worker.config()); });
  post_serve_all();
}

}  // namespace sportello::proxy
