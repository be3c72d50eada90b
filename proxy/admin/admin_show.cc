#include "proxy/admin/admin_show.h"

#include <algorithm>
#include <ctime>
#include <map>
#include <set>

#include "conf/setting_table.h"
#include "protocol/sqlstate.h"
#include "proxy/admin/admin_cache.h"
#include "proxy/admin/admin_columns.h"
#include "proxy/admin/admin_queries.h"
#include "proxy/admin/admin_words.h"
#include "proxy/pool/server_link.h"
#include "proxy/router/route_counts.h"
#include "proxy/session/client_connection.h"
#include "proxy/worker.h"

namespace sportello::proxy {
namespace {

constexpr std::string_view kConsole = "sportello";

AdminValue or_null(const std::string& text) { return text.empty() ? std::nullopt : AdminValue(text); }

// As PgBouncer prints a moment: "2024-02-29 23:59:59 CET".
std::string time_text(SocketSnapshot::WallTime at) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(at);
  std::tm parts{};
  localtime_r(&seconds, &parts);
  char text[64];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %Z", &parts)};
}

std::string pointer_text(uint64_t id) {
  char text[24];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(id));
  return text;
}

struct Wait {
  int64_t seconds;
  int64_t microseconds;
};
Wait parts_of(std::chrono::microseconds wait) { return {wait.count() / 1'000'000, wait.count() % 1'000'000}; }

// ---- sockets ----

enum class Which : uint8_t { Clients, Servers, Sockets, ActiveSockets };

AdminRow socket_row(const SocketSnapshot& socket, bool is_client, const std::string& state) {
  const Wait wait = parts_of(socket.wait);
  AdminTable one;
  // An id fits an int4, whatever it is made of.
  const uint32_t id = static_cast<uint32_t>(is_client ? socket.id : socket.id >> 4U) & 0x7fffffffU;
  one.add(is_client ? "C" : "S", socket.user, socket.database, socket.replication, state,
          socket.remote.address, socket.remote.port, socket.local.address, socket.local.port,
          time_text(socket.connected_at), time_text(socket.request_at), wait.seconds, wait.microseconds,
          socket.close_needed, pointer_text(socket.id),
          socket.link_id == 0 ? "" : pointer_text(socket.link_id), static_cast<int32_t>(socket.process_id),
          socket.tls, socket.application_name, socket.prepared_statements, id);
  return std::move(one.rows.front());
}

void add_sockets(AdminTable& table, const std::vector<SocketSnapshot>& sockets, bool is_client, Which which) {
  for (const SocketSnapshot& socket : sockets) {
    const bool all = which == Which::Sockets || which == Which::ActiveSockets;
    if (is_client && !all && socket.state == "login") {
      continue;
    }
    if (which == Which::ActiveSockets && socket.unsent_bytes == 0) {
      continue;
    }
    AdminRow row =
        socket_row(socket, is_client, all ? (is_client ? "cl_" : "sv_") + socket.state : socket.state);
    if (which == Which::Clients) {
      row.emplace_back(socket.pinned);
    }
    if (all) {
      // Of PgBouncer's own buffers; of ours, what the peer has not taken yet.
      row.insert(row.end(), 6, AdminValue("0"));
      row.emplace_back(std::to_string(socket.unsent_bytes));
    }
    table.rows.push_back(std::move(row));
  }
}

void show_sockets(AdminTable& table, const AdminView& view, Which which) {
  for (const WorkerSnapshot& worker : view.workers) {
    if (which != Which::Servers) {
      add_sockets(table, worker.clients, true, which);
    }
  }
  for (const WorkerSnapshot& worker : view.workers) {
    if (which != Which::Clients) {
      add_sockets(table, worker.servers, false, which);
    }
  }
}

// ---- databases, users, pools ----

// Who is at the console, by user: like PgBouncer's, it is listed as a database with one pool, whose clients
// they all are.
std::map<std::string, int> console_clients(const AdminView& view) {
  std::map<std::string, int> clients;
  for (const WorkerSnapshot& worker : view.workers) {
    for (const SocketSnapshot& client : worker.clients) {
      if (client.database == kConsole && client.state != "login") {
        clients[client.user]++;
      }
    }
  }
  return clients;
}

std::optional<int> connections_of(const AdminView& view, const std::string& database, bool clients) {
  for (const auto& each : view.databases) {
    if (each->name == database) {
      return clients ? each->clients.used() : each->links.used();
    }
  }
  return 0;
}

void add_database(AdminTable& table, const AdminView& view, const std::string& name,
                  const conf::Database& entry) {
  const conf::Config& conf = view.config->conf;
  const auto runtime = std::find_if(view.databases.begin(), view.databases.end(),
                                    [&](const auto& each) { return each->name == name; });
  const bool known = runtime != view.databases.end();
  const auto lifetime =
      std::chrono::duration_cast<std::chrono::seconds>(entry.server_lifetime.value_or(conf.server_lifetime));
  std::string hosts = entry.primary.host;
  for (const conf::ServerAddress& candidate : entry.candidates) {
    hosts += "," + candidate.host;
  }
  table.add(name, hosts, entry.primary.port, entry.primary.dbname.empty() ? name : entry.primary.dbname,
            or_null(entry.primary.user), entry.pool_size.value_or(conf.default_pool_size),
            entry.min_pool_size.value_or(conf.min_pool_size),
            entry.reserve_pool_size.value_or(conf.reserve_pool_size), lifetime.count(),
            entry.pool_mode ? AdminValue(conf::to_string(*entry.pool_mode)) : std::nullopt, std::nullopt,
            entry.max_db_connections.value_or(conf.max_db_connections), *connections_of(view, name, false),
            entry.max_db_client_connections.value_or(conf.max_db_client_connections),
            *connections_of(view, name, true), known && (*runtime)->paused.load(),
            known && (*runtime)->disabled.load());
}

void show_databases(AdminTable& table, const AdminView& view) {
  std::set<std::string> names;
  for (const auto& [name, entry] : view.config->conf.databases) {
    if (name != "*") {
      names.insert(name);
    }
  }
  for (const auto& database : view.databases) {
    names.insert(database->name);
  }
  for (const std::string& name : names) {
    if (const conf::Database* entry = view.config->database(name)) {
      add_database(table, view, name, *entry);
    }
  }
  const conf::Config& conf = view.config->conf;
  const auto lifetime = std::chrono::duration_cast<std::chrono::seconds>(conf.server_lifetime);
  int clients = 0;
  for (const auto& [user, count] : console_clients(view)) {
    clients += count;
  }
  table.add(kConsole, std::nullopt, conf.listen_port, kConsole, kConsole, 2, conf.min_pool_size,
            conf.reserve_pool_size, lifetime.count(), "statement", std::nullopt, conf.max_db_connections, 0,
            conf.max_db_client_connections, clients, 0, 0);
}

void show_users(AdminTable& table, const AdminView& view) {
  const conf::Config& conf = view.config->conf;
  std::set<std::string> names{std::string(kConsole)};
  std::map<std::string, int> at_console = console_clients(view);
  for (const auto& [name, count] : at_console) {
    names.insert(name);
  }
  for (const auto& [name, secret] : view.config->secrets) {
    names.insert(name);
  }
  for (const auto& [name, entry] : conf.users) {
    names.insert(name);
  }
  std::map<std::string, std::shared_ptr<UserRuntime>> running;
  for (const auto& user : view.users) {
    names.insert(user->name);
    running[user->name] = user;
  }
  const conf::User none;
  for (const std::string& name : names) {
    const conf::User* found = view.config->user(name);
    const conf::User& user = found != nullptr ? *found : none;
    const auto at = running.find(name);
    const bool known = at != running.end();
    table.add(name, user.pool_size, user.reserve_pool_size,
              user.pool_mode ? AdminValue(conf::to_string(*user.pool_mode)) : std::nullopt,
              user.max_user_connections.value_or(conf.max_user_connections),
              known ? at->second->links.used() : 0,
              user.max_user_client_connections.value_or(conf.max_user_client_connections),
              (known ? at->second->clients.used() : 0) + at_console[name]);
  }
}

struct PoolCounts {
  std::map<std::string, int, std::less<>> clients;  // by state
  std::map<std::string, int, std::less<>> servers;
  std::chrono::microseconds longest_wait{0};

  static int of(const std::map<std::string, int, std::less<>>& counts, std::string_view state) {
    const auto found = counts.find(state);
    return found == counts.end() ? 0 : found->second;
  }
};

void show_pools(AdminTable& table, const AdminView& view) {
  const std::pair<std::string, std::string> console{kConsole, kConsole};
  std::map<std::pair<std::string, std::string>, PoolCounts> counts{{console, {}}};
  for (const auto& pool : view.pools) {
    counts[{pool->database->name, pool->user->name}];
  }
  for (const WorkerSnapshot& worker : view.workers) {
    for (const SocketSnapshot& client : worker.clients) {
      if (client.state == "login" && client.link_id == 0 && client.wait.count() == 0) {
        continue;
      }
      const bool waits = client.wait.count() > 0 || client.state == "waiting";
      PoolCounts& pool =
          counts[client.database == kConsole ? console : std::pair(client.database, client.pool_user)];
      pool.clients[waits ? "waiting" : "active"]++;
      pool.longest_wait = std::max(pool.longest_wait, client.wait);
    }
    for (const SocketSnapshot& server : worker.servers) {
      counts[{server.database, server.pool_user}].servers[server.state]++;
    }
  }
  for (const auto& [name, pool] : counts) {
    const Wait wait = parts_of(pool.longest_wait);
    const auto servers = [&pool = pool](std::string_view state) {
      return PoolCounts::of(pool.servers, state);
    };
    const bool is_console = name.first == kConsole;
    table.add(
        name.first, name.second, PoolCounts::of(pool.clients, "active"),
        PoolCounts::of(pool.clients, "waiting"), 0, 0, servers("active"), 0, servers("being_canceled"),
        servers("idle"), servers("used"), servers("tested"), servers("new"), wait.seconds, wait.microseconds,
        is_console ? "statement"
                   : std::string(conf::to_string(view.config->client_settings(name.first, name.second).mode)),
        std::nullopt);
  }
}

// ---- numbers ----

AdminRow numbers(const StatTotals& totals) {
  AdminRow row;
  for (const uint64_t value : totals.values()) {
    row.emplace_back(std::to_string(value));
  }
  return row;
}

void show_stats(AdminTable& table, const AdminView& view, bool totals, bool averages) {
  for (const auto& [database, sums] : totals_of(view.pools)) {
    AdminRow row{database};
    if (totals) {
      const AdminRow values = numbers(sums);
      row.insert(row.end(), values.begin(), values.end());
    }
    if (averages) {
      const AdminRow values = numbers(view.sampler->averages(database, sums, view.now));
      row.insert(row.end(), values.begin(), values.end());
    }
    table.rows.push_back(std::move(row));
  }
}

void show_totals(AdminTable& table, const AdminView& view) {
  constexpr std::array<std::string_view, kStatCount> kNames = {"server_assignment_count",
                                                               "xact_count",
                                                               "query_count",
                                                               "client_bytes",
                                                               "server_bytes",
                                                               "xact_time",
                                                               "query_time",
                                                               "wait_time",
                                                               "ps_client_parse_count",
                                                               "ps_server_parse_count",
                                                               "ps_bind_count"};
  StatTotals sum;
  for (const auto& [database, totals] : totals_of(view.pools)) {
    sum.add(totals);
  }
  const StatTotals averages = view.sampler->averages(sum, view.now);
  for (size_t i = 0; i < kStatCount; i++) {
    table.add("total_" + std::string(kNames[i]), sum.values()[i]);
  }
  for (size_t i = 0; i < kStatCount; i++) {
    table.add("avg_" + std::string(kNames[i]), averages.values()[i]);
  }
}

struct SocketCounts {
  size_t clients = 0;
  size_t logging_in = 0;
  size_t servers = 0;
};

SocketCounts count_sockets(const AdminView& view) {
  SocketCounts counts;
  for (const WorkerSnapshot& worker : view.workers) {
    counts.clients += worker.clients.size();
    counts.servers += worker.servers.size();
    counts.logging_in +=
        static_cast<size_t>(std::count_if(worker.clients.begin(), worker.clients.end(),
                                          [](const auto& client) { return client.state == "login"; }));
  }
  return counts;
}

// Databases and users count the console's own, as the lists that they are the length of do.
void show_lists(AdminTable& table, const AdminView& view) {
  const SocketCounts sockets = count_sockets(view);
  AdminTable databases;
  AdminTable users;
  AdminTable pools;
  show_databases(databases, view);
  show_users(users, view);
  show_pools(pools, view);
  table.add("databases", databases.rows.size());
  table.add("users", users.rows.size());
  table.add("peers", 0);
  table.add("pools", pools.rows.size());
  table.add("peer_pools", 0);
  table.add("free_clients", 0);
  table.add("used_clients", sockets.clients);
  table.add("login_clients", sockets.logging_in);
  table.add("free_servers", 0);
  table.add("used_servers", sockets.servers);
  table.add("dns_names", view.names.size());
  for (const char* none : {"dns_zones", "dns_queries", "dns_pending"}) {
    table.add(none, 0);
  }
}

// The objects themselves, and the buffers of those clients and links that have any now; what they hold
// besides (settings, statements) is not counted.
void show_mem(AdminTable& table, const AdminView& view) {
  const SocketCounts sockets = count_sockets(view);
  const auto add = [&](const char* name, size_t size, size_t used) {
    table.add(name, size, used, 0, size * used);
  };
  add("client_connection", sizeof(ClientConnection), sockets.clients);
  add("client_session", sizeof(ClientSession), sockets.clients - sockets.logging_in);
  add("server_link", sizeof(ServerLink), sockets.servers);
  add("pool", sizeof(PoolRuntime), view.pools.size());
  add("read_buffer", view.config->conf.pkt_buf, view.workers.size());
  const auto add_buffers = [&](const char* name, std::vector<SocketSnapshot> WorkerSnapshot::*whose) {
    size_t used = 0;
    size_t bytes = 0;
    for (const WorkerSnapshot& worker : view.workers) {
      for (const SocketSnapshot& socket : worker.*whose) {
        used += socket.buffer_bytes > 0 ? 1 : 0;
        bytes += socket.buffer_bytes;
      }
    }
    table.add(name, used == 0 ? 0 : bytes / used, used, 0, bytes);
  };
  add_buffers("client_buffers", &WorkerSnapshot::clients);
  add_buffers("server_buffers", &WorkerSnapshot::servers);
}

void show_config(AdminTable& table, const AdminView& view) {
  for (const conf::SettingView& setting : conf::describe(view.config->conf)) {
    table.add(setting.name, setting.value, setting.default_value, setting.changeable ? "yes" : "no");
  }
}

void show_dns_hosts(AdminTable& table, const AdminView& view) {
  for (const NameCache::Known& name : view.names) {
    std::string addresses;
    for (const std::string& address : name.addresses) {
      addresses += (addresses.empty() ? "" : ",") + address;
    }
    table.add(name.host, std::chrono::duration_cast<std::chrono::seconds>(name.ttl).count(), addresses);
  }
}

// ---- freshness and routes ----

void show_nodes(AdminTable& table, const AdminView& view) {
  for (const auto& database : view.databases) {
    const NodeSetRef set = database->current_nodes();
    for (size_t i = 0; set != nullptr && i < set->nodes.size(); i++) {
      const NodeRuntime& node = *set->nodes[i];
      const bool heard = node.role.load() != NodeRole::Unknown;
      const auto known = [](int64_t lag) { return lag < 0 ? std::nullopt : AdminValue(std::to_string(lag)); };
      table.add(database->name, node.address.host, or_null(node.address.hostaddr), node.address.port,
                std::string(node_role_name(node.role.load())), node.reachable.load() ? "yes" : "no",
                heard ? AdminValue(to_string(Lsn{node.lsn.load()})) : std::nullopt,
                static_cast<int>(node.timeline.load()), known(node.lag_bytes.load()),
                known(node.lag_us.load()), node.address.weight, node.in_flight.load(), node.reads.load(),
                node.retried.load(), i == 0 ? database->scope.board.sequence() : node.position->reached(),
                database->scope.board.sequence());
    }
  }
}

void show_routes(AdminTable& table, const AdminView& view) {
  for (const auto& database : view.databases) {
    if (database->current_nodes() == nullptr) {
      continue;
    }
    for (size_t i = 0; i < kRouteReasons; i++) {
      const auto reason = static_cast<RouteReason>(i);
      table.add(database->name, std::string(route_reason_words(reason)), database->scope.routes.of(reason));
    }
  }
}

void show_tables(AdminTable& table, const AdminView& view) {
  for (const auto& database : view.databases) {
    const DatabaseScope& scope = database->scope;
    if (!scope.tracks_writes.load()) {
      continue;
    }
    const cache::CatalogRef catalog = scope.catalog.entry().catalog;
    const auto add = [&](const AdminValue& name, cache::Oid oid, const cache::TableState& state) {
      const std::optional<Lsn> floor = scope.board.position_of(state.last_write.load());
      table.add(database->name, name, oid, state.epoch.load(), state.fences.load(), state.last_write.load(),
                state.last_write.load() == 0 ? std::nullopt
                : floor                      ? AdminValue(to_string(*floor))
                                             : AdminValue("pending"));
    };
    add("(all)", 0, scope.tables.all());
    scope.tables.for_each([&](cache::Oid oid, const cache::TableState& state) {
      const bool known = catalog != nullptr && catalog->relation(oid) != nullptr;
      add(known ? AdminValue(catalog->name_of(oid)) : std::nullopt, oid, state);
    });
  }
}

void show_state(AdminTable& table, const AdminView& view) {
  const bool paused =
      !view.databases.empty() && std::all_of(view.databases.begin(), view.databases.end(),
                                             [](const auto& database) { return database->paused.load(); });
  table.add("active", paused || view.suspended ? "no" : "yes");
  table.add("paused", paused ? "yes" : "no");
  table.add("suspended", view.suspended ? "yes" : "no");
}

}  // namespace

std::string program_version() { return std::string("Sportello ") + SPORTELLO_VERSION; }

bool needs_snapshot(ShowTopic topic) {
  switch (topic) {
    case ShowTopic::ActiveSockets:
    case ShowTopic::Clients:
    case ShowTopic::Databases:
    case ShowTopic::Lists:
    case ShowTopic::Mem:
    case ShowTopic::Pools:
    case ShowTopic::Servers:
    case ShowTopic::Sockets:
    case ShowTopic::Users:
      return true;
    default:
      return false;
  }
}

Result<AdminAnswer> show(ShowTopic topic, const AdminView& view) {
  AdminTable table{.columns = show_columns(topic)};
  switch (topic) {
    case ShowTopic::ActiveSockets:
      show_sockets(table, view, Which::ActiveSockets);
      break;
    case ShowTopic::Cache:
      show_cache(table, view);
      break;
    case ShowTopic::CacheRules:
      show_cache_rules(table, view);
      break;
    case ShowTopic::Clients:
      show_sockets(table, view, Which::Clients);
      break;
    case ShowTopic::Config:
      show_config(table, view);
      break;
    case ShowTopic::Databases:
      show_databases(table, view);
      break;
    case ShowTopic::DnsHosts:
      show_dns_hosts(table, view);
      break;
    case ShowTopic::DnsZones:
    case ShowTopic::PeerPools:
    case ShowTopic::Peers:
      break;  // the system's resolver tells nothing of zones; there are no peers
    case ShowTopic::Fds:
      return Error{
          sqlstate::kFeatureNotSupported,
          "SHOW FDS serves PgBouncer's online restart, which is not done here", "",
          "Start the new process with so_reuseport and end the old one with SHUTDOWN WAIT_FOR_CLIENTS."};
    case ShowTopic::Help:
      return AdminAnswer{.notice = "Console usage", .detail = "\n" + admin_help()};
    case ShowTopic::Lists:
      show_lists(table, view);
      break;
    case ShowTopic::Mem:
      show_mem(table, view);
      break;
    case ShowTopic::Nodes:
      show_nodes(table, view);
      break;
    case ShowTopic::Routes:
      show_routes(table, view);
      break;
    case ShowTopic::Tables:
      show_tables(table, view);
      break;
    case ShowTopic::Pools:
      show_pools(table, view);
      break;
    case ShowTopic::Queries:
      show_queries(table, view);
      break;
    case ShowTopic::Servers:
      show_sockets(table, view, Which::Servers);
      break;
    case ShowTopic::Sockets:
      show_sockets(table, view, Which::Sockets);
      break;
    case ShowTopic::State:
      show_state(table, view);
      break;
    case ShowTopic::Stats:
      show_stats(table, view, true, true);
      break;
    case ShowTopic::StatsAverages:
      show_stats(table, view, false, true);
      break;
    case ShowTopic::StatsTotals:
      show_stats(table, view, true, false);
      break;
    case ShowTopic::Totals:
      show_totals(table, view);
      break;
    case ShowTopic::Users:
      show_users(table, view);
      break;
    case ShowTopic::Version:
      table.add(program_version());
      break;
  }
  return AdminAnswer{.table = std::move(table)};
}

}  // namespace sportello::proxy
