#include "proxy/http/metrics_page.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "proxy/router/route_counts.h"

namespace sportello::proxy {
namespace {

using Type = MetricsText::Type;

constexpr double kMicro = 1e-6;

double seconds(std::chrono::microseconds time) { return static_cast<double>(time.count()) * kMicro; }

double wall_seconds(std::chrono::system_clock::time_point at) {
  return seconds(std::chrono::duration_cast<std::chrono::microseconds>(at.time_since_epoch()));
}

// ---- pools ----

// What the pools of one database and user have done, at the primary or at its replicas: named so, and not by
// server, as pools change their server with a promotion, and a counter must not jump.
struct PoolLine {
  std::string database;
  std::string user;
  bool is_primary = true;
  StatTotals stats;
  uint64_t opened = 0;
  uint64_t failures = 0;
  uint64_t retried = 0;
  PoolTally tally;

  std::string_view role() const { return is_primary ? "primary" : "replica"; }
};

using PoolLines = std::vector<PoolLine>;

PoolLines lines_of(const OperatorView& view) {
  std::map<std::tuple<std::string, std::string, bool>, PoolLine> lines;
  const auto line_of = [&](const PoolRuntime& pool) -> PoolLine& {
    const bool is_replica = pool.node != 0;
    PoolLine& line = lines[{pool.database->name, pool.user->name, is_replica}];
    line.database = pool.database->name;
    line.user = pool.user->name;
    line.is_primary = !is_replica;
    return line;
  };
  const auto read = [](const std::atomic<uint64_t>& counter) {
    return counter.load(std::memory_order_relaxed);
  };
  for (const auto& pool : view.shared.pools) {
    PoolLine& line = line_of(*pool);
    for (const PoolRuntime::PerWorker& part : pool->workers) {
      if (part.has_stats.load()) {
        line.stats.add(StatTotals::of(*part.stats));
        line.opened += read(part.stats->links_opened);
        line.failures += read(part.stats->link_failures);
        line.retried += read(part.stats->retried_reads);
      }
    }
  }
  for (const auto& [pool, tally] : tally_of(view)) {
    line_of(*pool).tally.add(tally);
  }
  PoolLines all;
  for (auto& [key, line] : lines) {
    all.push_back(std::move(line));
  }
  return all;
}

struct StatFamily {
  Stat stat;
  bool is_time;
  const char* name;
  const char* help;
};

constexpr StatFamily kStats[] = {
    {Stat::Transactions, false, "sportello_transactions_total",
     "Transactions, those that were answered from memory or without a server included."},
    {Stat::Queries, false, "sportello_queries_total",
     "Queries, and batches of the extended protocol, likewise."},
    {Stat::ClientBytes, false, "sportello_client_received_bytes_total", "Bytes received from clients."},
    {Stat::ServerBytes, false, "sportello_server_received_bytes_total", "Bytes received from servers."},
    {Stat::TransactionTime, true, "sportello_transaction_seconds_total",
     "Time that transactions have held a server connection."},
    {Stat::QueryTime, true, "sportello_query_seconds_total", "Time that servers took to answer queries."},
    {Stat::WaitTime, true, "sportello_wait_seconds_total",
     "Time that clients have waited for a server connection."},
    {Stat::ServerAssignments, false, "sportello_server_assignments_total",
     "Times that a client was given a server connection."},
    {Stat::ClientParses, false, "sportello_client_parses_total", "Statements that clients have prepared."},
    {Stat::ServerParses, false, "sportello_server_parses_total", "Statements that were prepared on servers."},
    {Stat::Binds, false, "sportello_binds_total",
     "Executions of prepared statements that clients asked for."},
};

struct CountFamily {
  uint64_t PoolLine::*count;
  const char* name;
  const char* help;
};

constexpr CountFamily kCounts[] = {
    {&PoolLine::opened, "sportello_server_connections_opened_total", "Server connections that were opened."},
    {&PoolLine::failures, "sportello_server_connection_failures_total",
     "Server connections that could not be opened."},
    {&PoolLine::retried, "sportello_retried_reads_total",
     "Reads that ran again on another server connection, unseen by the client."},
};

struct StateFamily {
  int PoolTally::*count;
  const char* state;
};

constexpr StateFamily kClientStates[] = {{&PoolTally::clients_active, "active"},
                                         {&PoolTally::clients_idle, "idle"},
                                         {&PoolTally::clients_waiting, "waiting"}};
constexpr StateFamily kLinkStates[] = {{&PoolTally::links_active, "active"},
                                       {&PoolTally::links_idle, "idle"},
                                       {&PoolTally::links_tested, "tested"},
                                       {&PoolTally::links_being_canceled, "being_canceled"},
                                       {&PoolTally::links_login, "login"}};

void write_pools(MetricsText& out, const PoolLines& lines, const RuntimeConfig& config) {
  out.family(
      "sportello_pool_clients", Type::Gauge,
      "Clients that have logged in: active ones hold a server connection, waiting ones wait for one or for "
      "an answer that another asks for.");
  for (const PoolLine& line : lines) {
    for (const auto& [count, state] : kClientStates) {
      if (line.is_primary) {
        out.sample({{"database", line.database}, {"user", line.user}, {"state", state}}, line.tally.*count);
      }
    }
  }
  out.family("sportello_pool_longest_wait_seconds", Type::Gauge,
             "How long the client that has waited longest waits by now.");
  for (const PoolLine& line : lines) {
    if (line.is_primary) {
      out.sample({{"database", line.database}, {"user", line.user}}, seconds(line.tally.longest_wait));
    }
  }
  out.family("sportello_pool_server_connections", Type::Gauge, "Server connections.");
  for (const PoolLine& line : lines) {
    for (const auto& [count, state] : kLinkStates) {
      out.sample({{"database", line.database}, {"user", line.user}, {"role", line.role()}, {"state", state}},
                 line.tally.*count);
    }
  }
  out.family("sportello_pool_size", Type::Gauge,
             "How many server connections a pool may have, without its reserve.");
  for (const PoolLine& line : lines) {
    if (line.is_primary) {
      out.sample({{"database", line.database}, {"user", line.user}},
                 config.pool_settings(line.database, line.user)->pool_size);
    }
  }
  for (const StatFamily& family : kStats) {
    out.family(family.name, Type::Counter, family.help);
    for (const PoolLine& line : lines) {
      const MetricsText::Labels labels = {
          {"database", line.database}, {"user", line.user}, {"role", line.role()}};
      if (family.is_time) {
        out.sample(labels, static_cast<double>(line.stats[family.stat]) * kMicro);
      } else {
        out.sample(labels, line.stats[family.stat]);
      }
    }
  }
  for (const CountFamily& family : kCounts) {
    out.family(family.name, Type::Counter, family.help);
    for (const PoolLine& line : lines) {
      out.sample({{"database", line.database}, {"user", line.user}, {"role", line.role()}},
                 line.*family.count);
    }
  }
}

// ---- databases ----

using Databases = std::vector<std::shared_ptr<DatabaseRuntime>>;

// `value` of each; a database that the configuration no longer has is told of as long as it is there.
template <typename Value>
void write_each(MetricsText& out, const Databases& databases, const char* name, const char* help,
                const Value& value) {
  out.family(name, Type::Gauge, help);
  for (const auto& database : databases) {
    out.sample({{"database", database->name}}, value(*database));
  }
}

void write_databases(MetricsText& out, const Databases& databases, const RuntimeConfig& config) {
  write_each(out, databases, "sportello_database_client_connections", "Clients of the database.",
             [](const DatabaseRuntime& database) { return database.clients.used(); });
  write_each(out, databases, "sportello_database_server_connections",
             "Server connections of the database, those being opened included.",
             [](const DatabaseRuntime& database) { return database.links.used(); });
  const auto limit = [&](std::optional<int> conf::Database::*own, int of_all) {
    return [&config, own, of_all](const DatabaseRuntime& database) {
      const conf::Database* entry = config.database(database.name);
      return entry == nullptr ? of_all : (entry->*own).value_or(of_all);
    };
  };
  write_each(out, databases, "sportello_database_max_server_connections",
             "max_db_connections; 0 is no limit.",
             limit(&conf::Database::max_db_connections, config.conf.max_db_connections));
  write_each(out, databases, "sportello_database_max_client_connections",
             "max_db_client_connections; 0 is no limit.",
             limit(&conf::Database::max_db_client_connections, config.conf.max_db_client_connections));
  write_each(out, databases, "sportello_database_paused", "1: PAUSE holds its clients back.",
             [](const DatabaseRuntime& database) { return database.paused.load() ? 1 : 0; });
  write_each(out, databases, "sportello_database_disabled", "1: DISABLE refuses new clients.",
             [](const DatabaseRuntime& database) { return database.disabled.load() ? 1 : 0; });
}

// ---- servers ----

struct NodeLine {
  std::string database;
  std::string server;  // "host:port"
  std::shared_ptr<NodeRuntime> node;
};

template <typename Value>
void write_each(MetricsText& out, const std::vector<NodeLine>& nodes, const char* name, const char* help,
                const Value& value) {
  out.family(name, std::string_view(name).ends_with("_total") ? Type::Counter : Type::Gauge, help);
  for (const NodeLine& line : nodes) {
    if (const auto known = value(*line.node)) {
      out.sample({{"database", line.database}, {"node", line.server}}, *known);
    }
  }
}

std::optional<double> lag_of(const std::atomic<int64_t>& lag, double unit) {
  const int64_t value = lag.load();
  return value < 0 ? std::nullopt : std::optional(static_cast<double>(value) * unit);
}

void write_nodes(MetricsText& out, const Databases& databases) {
  // A server that the configuration names twice for a database is told of once: a line that is there twice
  // spoils the page.
  std::vector<NodeLine> nodes;
  for (const auto& database : databases) {
    const NodeSetRef set = database->current_nodes();
    std::set<std::string> seen;
    for (size_t i = 0; set != nullptr && i < set->nodes.size(); i++) {
      const conf::ServerAddress& address = set->nodes[i]->address;
      std::string server = server_name(address);
      if (seen.insert(server).second) {
        nodes.push_back({database->name, std::move(server), set->nodes[i]});
      }
    }
  }
  out.family("sportello_node_role", Type::Gauge,
             "1 for what the server was found to be when it answered last.");
  for (const NodeLine& line : nodes) {
    for (const NodeRole role : {NodeRole::Unknown, NodeRole::Primary, NodeRole::Replica,
                                NodeRole::SecondPrimary, NodeRole::Alias}) {
      out.sample({{"database", line.database}, {"node", line.server}, {"role", node_role_name(role)}},
                 line.node->role.load() == role ? 1 : 0);
    }
  }
  write_each(out, nodes, "sportello_node_reachable", "1: the server answered when it was asked last.",
             [](const NodeRuntime& node) { return std::optional(node.reachable.load() ? 1 : 0); });
  write_each(out, nodes, "sportello_node_lag_bytes",
             "How much of the log the server lacks, where that is known.",
             [](const NodeRuntime& node) { return lag_of(node.lag_bytes, 1); });
  write_each(out, nodes, "sportello_node_lag_seconds", "Since when it lacks something, where that is known.",
             [](const NodeRuntime& node) { return lag_of(node.lag_us, kMicro); });
  write_each(out, nodes, "sportello_node_wal_position_bytes",
             "How far its log is: written on a primary, replayed on a replica.", [](const NodeRuntime& node) {
               return node.role.load() == NodeRole::Unknown ? std::nullopt : std::optional(node.lsn.load());
             });
  write_each(out, nodes, "sportello_node_timeline", "Its timeline.", [](const NodeRuntime& node) {
    return node.role.load() == NodeRole::Unknown ? std::nullopt : std::optional(node.timeline.load());
  });
  write_each(out, nodes, "sportello_node_weight", "Its share of the reads, as configured.",
             [](const NodeRuntime& node) { return std::optional(node.address.weight); });
  write_each(out, nodes, "sportello_node_reads_in_flight",
             "Reads that are there or wait for a connection to it.",
             [](const NodeRuntime& node) { return std::optional(node.in_flight.load()); });
  write_each(out, nodes, "sportello_node_reads_total", "Reads that were sent to it as a replica.",
             [](const NodeRuntime& node) { return std::optional(node.reads.load()); });
  write_each(out, nodes, "sportello_node_reads_retried_total",
             "Of these, those that ran again on the primary.",
             [](const NodeRuntime& node) { return std::optional(node.retried.load()); });
}

void write_servers(MetricsText& out, const OperatorView& view) {
  out.family("sportello_server_down", Type::Gauge,
             "1: the server left requests and probes unanswered, and nobody is sent there.");
  for (const auto& server : view.servers) {
    out.sample({{"node", server->host + ":" + std::to_string(server->port)}}, server->down.load() ? 1 : 0);
  }
}

void write_routes(MetricsText& out, const Databases& databases) {
  out.family("sportello_routed_requests_total", Type::Counter,
             "Requests of databases with replicas, by where they went and why.");
  for (const auto& database : databases) {
    for (size_t i = 0; database->current_nodes() != nullptr && i < kRouteReasons; i++) {
      const auto reason = static_cast<RouteReason>(i);
      out.sample({{"database", database->name}, {"reason", route_reason_words(reason)}},
                 database->scope.routes.of(reason));
    }
  }
}

// ---- the program ----

template <typename Number>
void write_one(MetricsText& out, const char* name, const char* help, Number value) {
  out.family(name, std::string_view(name).ends_with("_total") ? Type::Counter : Type::Gauge, help);
  out.sample({}, value);
}

void write_program(MetricsText& out, const OperatorView& view) {
  out.family("sportello_info", Type::Gauge, "Which version runs.");
  out.sample({{"version", SPORTELLO_VERSION}}, 1);
  write_one(out, "process_start_time_seconds", "When the program was started, since 1970.",
            wall_seconds(view.started_at));
  write_one(out, "process_cpu_seconds_total", "Processor time that it has used.", view.process.cpu_seconds);
  if (view.process.resident_bytes >= 0) {
    write_one(out, "process_resident_memory_bytes", "Memory that it has in use.",
              view.process.resident_bytes);
  }
  write_one(out, "sportello_workers", "Threads that serve clients.", view.workers.size());
  write_one(out, "sportello_draining", "1: it takes no new clients and ends when the last has gone.",
            view.draining ? 1 : 0);
  write_one(out, "sportello_suspended", "1: SUSPEND holds everybody.", view.shared.suspended ? 1 : 0);
  WorkerTally sum;
  for (const WorkerTally& worker : view.workers) {
    sum.clients += worker.clients;
    sum.logging_in += worker.logging_in;
    sum.consoles += worker.consoles;
    sum.client_buffer_bytes += worker.client_buffer_bytes;
    sum.server_buffer_bytes += worker.server_buffer_bytes;
    sum.query_shapes += worker.query_shapes;
    sum.dropped_query_shapes += worker.dropped_query_shapes;
  }
  write_one(out, "sportello_clients", "Connections of clients, of whatever state.", sum.clients);
  write_one(out, "sportello_clients_logging_in", "Of these, those that have not logged in.", sum.logging_in);
  write_one(out, "sportello_clients_at_console", "Of these, those at the admin console.", sum.consoles);
  out.family(
      "sportello_buffer_bytes", Type::Gauge,
      "Memory for what peers have sent that cannot be passed on yet, and for what they have not taken.");
  out.sample({{"peer", "client"}}, sum.client_buffer_bytes);
  out.sample({{"peer", "server"}}, sum.server_buffer_bytes);
  write_one(out, "sportello_login_failures_total", "Logins whose proof was wrong.",
            view.shared.failed_logins);
  write_one(out, "sportello_query_shapes", "Shapes of statements that SHOW QUERIES knows, each worker's own.",
            sum.query_shapes);
  write_one(out, "sportello_query_shapes_dropped_total", "Shapes that made room there for others.",
            sum.dropped_query_shapes);
  write_one(out, "sportello_max_clients", "max_client_conn.", view.shared.config->conf.max_client_conn);
  write_one(out, "sportello_databases", "Databases that are configured or in use.",
            view.shared.databases.size());
  write_one(out, "sportello_users", "Users who have logged in.", view.shared.users.size());
  write_one(out, "sportello_pools", "Pools: a database, a user and a server each.", view.shared.pools.size());
  write_one(out, "sportello_dns_names", "Names of servers that are kept with their addresses.",
            view.shared.names.size());
}

// The first by name, and how many are left out.
template <typename Items>
size_t keep_first(Items& items) {
  const size_t left_out = items.size() - std::min(items.size(), MetricsPage::kMost);
  items.resize(items.size() - left_out);
  return left_out;
}

}  // namespace

std::map<std::shared_ptr<PoolRuntime>, PoolTally> tally_of(const OperatorView& view) {
  std::map<std::shared_ptr<PoolRuntime>, PoolTally> sums;
  for (const WorkerTally& worker : view.workers) {
    for (const auto& [pool, tally] : worker.pools) {
      sums[pool].add(tally);
    }
  }
  return sums;
}

std::string MetricsPage::of(const OperatorView& view) {
  MetricsText out;
  Databases databases = view.shared.databases;
  std::sort(databases.begin(), databases.end(),
            [](const auto& left, const auto& right) { return left->name < right->name; });
  PoolLines pools = lines_of(view);
  const size_t databases_left = keep_first(databases);
  const size_t pools_left = keep_first(pools);
  write_program(out, view);
  out.family("sportello_left_out", Type::Gauge,
             "How many databases and pools are not on this page, as it would be too long.");
  out.sample({{"of", "databases"}}, databases_left);
  out.sample({{"of", "pools"}}, pools_left);
  write_databases(out, databases, *view.shared.config);
  write_pools(out, pools, *view.shared.config);
  write_servers(out, view);
  write_nodes(out, databases);
  write_routes(out, databases);
  write_cache_metrics(out, view, databases);
  return out.text();
}

}  // namespace sportello::proxy
