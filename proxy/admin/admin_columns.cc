#include "proxy/admin/admin_columns.h"

#include <initializer_list>

#include "proxy/admin/admin_explain.h"

namespace sportello::proxy {
namespace {

constexpr AdminType kText = AdminType::Text;
constexpr AdminType kInt4 = AdminType::Int4;
constexpr AdminType kInt8 = AdminType::Int8;
constexpr AdminType kNumeric = AdminType::Numeric;

AdminColumns operator+(AdminColumns front, const AdminColumns& back) {
  front.insert(front.end(), back.begin(), back.end());
  return front;
}

AdminColumns of_type(AdminType type, std::initializer_list<const char*> names) {
  AdminColumns columns;
  for (const char* name : names) {
    columns.push_back({name, type});
  }
  return columns;
}

const AdminColumns kSockets = {
    {"type", kText},
    {"user", kText},
    {"database", kText},
    {"replication", kText},
    {"state", kText},
    {"addr", kText},
    {"port", kInt4},
    {"local_addr", kText},
    {"local_port", kInt4},
    {"connect_time", kText},
    {"request_time", kText},
    {"wait", kInt4},
    {"wait_us", kInt4},
    {"close_needed", kInt4},
    {"ptr", kText},
    {"link", kText},
    {"remote_pid", kInt4},
    {"tls", kText},
    {"application_name", kText},
    {"prepared_statements", kInt4},
    {"id", kInt4},
};

const AdminColumns kSocketBuffers = of_type(
    kInt4, {"recv_pos", "pkt_pos", "pkt_remain", "send_pos", "send_remain", "pkt_avail", "send_avail"});

const AdminColumns kPinned = {{"pinned", kText}};

const AdminColumns kDatabases = {
    {"name", kText},
    {"host", kText},
    {"port", kInt4},
    {"database", kText},
    {"force_user", kText},
    {"pool_size", kInt4},
    {"min_pool_size", kInt4},
    {"reserve_pool_size", kInt4},
    {"server_lifetime", kInt4},
    {"pool_mode", kText},
    {"load_balance_hosts", kText},
    {"max_connections", kInt4},
    {"current_connections", kInt4},
    {"max_client_connections", kInt4},
    {"current_client_connections", kInt4},
    {"paused", kInt4},
    {"disabled", kInt4},
};

const AdminColumns kPools =
    of_type(kText, {"database", "user"}) +
    of_type(kInt4, {"cl_active", "cl_waiting", "cl_active_cancel_req", "cl_waiting_cancel_req", "sv_active",
                    "sv_active_cancel", "sv_being_canceled", "sv_idle", "sv_used", "sv_tested", "sv_login",
                    "maxwait", "maxwait_us"}) +
    of_type(kText, {"pool_mode", "load_balance_hosts"});

const AdminColumns kUsers = of_type(kText, {"name", "pool_size", "reserve_pool_size", "pool_mode"}) +
                            of_type(kInt4, {"max_user_connections", "current_connections",
                                            "max_user_client_connections", "current_client_connections"});

const AdminColumns kStatsTotals = of_type(
    kNumeric, {"total_server_assignment_count", "total_xact_count", "total_query_count", "total_received",
               "total_sent", "total_xact_time", "total_query_time", "total_wait_time",
               "total_client_parse_count", "total_server_parse_count", "total_bind_count"});
const AdminColumns kStatsAverages =
    of_type(kNumeric, {"avg_server_assignment_count", "avg_xact_count", "avg_query_count", "avg_recv",
                       "avg_sent", "avg_xact_time", "avg_query_time", "avg_wait_time",
                       "avg_client_parse_count", "avg_server_parse_count", "avg_bind_count"});
const AdminColumns kStatsPlain =
    of_type(kNumeric, {"server_assignment_count", "xact_count", "query_count", "bytes_received", "bytes_sent",
                       "xact_time", "query_time", "wait_time"});
const AdminColumns kDatabase = {{"database", kText}};

const AdminColumns kOfTopic[] = {
    kSockets + kSocketBuffers,  // ActiveSockets
    of_type(kText, {"database", "invalidation", "guarantee", "follower", "applied"}) +
        of_type(kInt8, {"lag_bytes", "lag_us", "commits", "fences", "reconnects"}) +
        of_type(kText, {"last_error"}) +
        of_type(kInt8, {"results", "memory_bytes", "max_memory_bytes", "evictions", "flights_now", "flights",
                        "joined"}),  // Cache
    of_type(kText, {"rule", "mode"}) + of_type(kInt8, {"ttl_ms", "hits", "misses", "joined"}) +
        of_type(kNumeric, {"hit_rate"}) +
        of_type(kInt8, {"stored", "not_stored", "refused", "not_cached", "bytes", "invalidated",
                        "shadow_hits", "shadow_differences"}) +
        of_type(kText, {"reasons"}),                             // CacheRules
    kSockets + kPinned,                                          // Clients
    of_type(kText, {"key", "value", "default", "changeable"}),   // Config
    kDatabases,                                                  // Databases
    {{"hostname", kText}, {"ttl", kInt8}, {"addrs", kText}},     // DnsHosts
    {{"zonename", kText}, {"serial", kInt8}, {"count", kInt4}},  // DnsZones
    {},                                                          // Fds
    {},                                                          // Help
    {{"list", kText}, {"items", kInt4}},                         // Lists
    of_type(kText, {"name"}) + of_type(kInt4, {"size", "used", "free"}) +
        of_type(kInt8, {"memtotal"}),  // Mem
    of_type(kText, {"database", "host", "addr"}) + of_type(kInt4, {"port"}) +
        of_type(kText, {"role", "reachable", "position"}) + of_type(kInt4, {"timeline"}) +
        of_type(kInt8, {"lag_bytes", "lag_us"}) + of_type(kInt4, {"weight", "in_flight"}) +
        of_type(kInt8, {"reads", "retried", "reached", "newest"}),  // Nodes
    of_type(kInt4, {"peer_id", "cl_active_cancel_req", "cl_waiting_cancel_req", "sv_active_cancel",
                    "sv_login"}),                                                  // PeerPools
    {{"peer_id", kInt4}, {"host", kText}, {"port", kInt4}, {"pool_size", kInt4}},  // Peers
    kPools,                                                                        // Pools
    of_type(kText, {"database", "fingerprint", "query"}) +
        of_type(kInt8,
                {"calls", "total_time", "mean_time", "max_time", "rows", "primary", "replica", "cache"}) +
        of_type(kNumeric, {"hit_rate"}) + of_type(kInt8, {"errors"}),    // Queries
    of_type(kText, {"database", "reason"}) + of_type(kInt8, {"count"}),  // Routes
    kSockets,                                                            // Servers
    kSockets + kSocketBuffers,                                           // Sockets
    of_type(kText, {"key", "value"}),                                    // State
    kDatabase + kStatsTotals + kStatsAverages,                           // Stats
    kDatabase + kStatsPlain +
        of_type(kNumeric,
                {"avg_client_parse_count", "avg_server_parse_count", "avg_bind_count"}),  // StatsAverages
    kDatabase + kStatsPlain +
        of_type(kNumeric, {"client_parse_count", "server_parse_count", "bind_count"}),  // StatsTotals
    of_type(kText, {"database", "table"}) + of_type(kInt8, {"oid", "epoch", "fences", "last_write"}) +
        of_type(kText, {"floor"}),           // Tables
    {{"name", kText}, {"value", kNumeric}},  // Totals
    kUsers,                                  // Users
    of_type(kText, {"version"}),             // Version
};
static_assert(std::size(kOfTopic) == static_cast<size_t>(ShowTopic::Version) + 1);

}  // namespace

const AdminColumns& show_columns(ShowTopic topic) { return kOfTopic[static_cast<size_t>(topic)]; }

AdminColumns result_columns(const AdminCommand& command) {
  if (command.verb == AdminVerb::Show) {
    return show_columns(command.topic);
  }
  if (command.verb == AdminVerb::Explain) {
    return explain_columns();
  }
  AdminColumns columns;
  for (const SelectItem& item : command.select) {
    columns.push_back(item.column);
  }
  return columns;
}

}  // namespace sportello::proxy
