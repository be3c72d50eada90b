// What can be said to the admin console: PgBouncer's commands, and what drivers and psql say to every server
// whether it makes sense there or not (BEGIN, SET, SELECT version(), …). admin_parser.h finds them in a text;
// nothing is carried out here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/admin/admin_table.h"

namespace sportello::proxy {

enum class AdminVerb : uint8_t {
  // PgBouncer's.
  Show,
  FlushCache,  // ours: `flush`, and `argument` of it
  Explain,     // ours: `statement`, of `user` in the database `argument` (empty: the only one)
  Reload,
  Pause,
  Resume,
  Disable,
  Enable,
  Kill,
  KillClient,
  Reconnect,
  WaitClose,
  Suspend,
  Shutdown,
  SetConfig,  // of a setting of ours
  // PostgreSQL's: the block that drivers open, and what changes nothing here.
  Begin,
  Commit,
  Rollback,
  Savepoint,   // SAVEPOINT and RELEASE
  RollbackTo,  // the block is no longer failed
  Deallocate,  // of the statement `argument`; empty: of all
  Ignored,     // SET of a parameter that drivers set, RESET, DISCARD, …: answered with `tag`
  Select,      // of what drivers ask: `select`
};

enum class ShowTopic : uint8_t {
  ActiveSockets,
  Cache,
  CacheRules,
  Clients,
  Config,
  Databases,
  DnsHosts,
  DnsZones,
  Fds,
  Help,
  Lists,
  Mem,
  Nodes,
  PeerPools,
  Peers,
  Pools,
  Queries,
  Routes,
  Servers,
  Sockets,
  State,
  Stats,
  StatsAverages,
  StatsTotals,
  Tables,
  Totals,
  Users,
  Version,
};

enum class ShutdownWish : uint8_t { Now, WaitForServers, WaitForClients };

enum class FlushWish : uint8_t { All, Rule, Table };

// One column of a SELECT, or the parameter of a SHOW that is PostgreSQL's.
struct SelectItem {
  enum class Source : uint8_t { Literal, Null, Version, User, Database, Schema, ProcessId };
  AdminColumn column;
  Source source = Source::Literal;
  std::string literal = {};
};

struct AdminCommand {
  AdminVerb verb = AdminVerb::Ignored;
  ShowTopic topic = ShowTopic::Version;       // of Show
  ShutdownWish shutdown = ShutdownWish::Now;  // of Shutdown
  FlushWish flush = FlushWish::All;           // of FlushCache
  std::string argument = {};   // a database ("": all), a setting, a statement's name, a rule, a table
  std::string user = {};       // of Explain
  std::string statement = {};  // of Explain
  std::string value = {};      // of SetConfig
  uint32_t client = 0;         // of KillClient: SHOW CLIENTS' id
  std::vector<SelectItem> select = {};  // of Select
  std::string tag = {};                 // what CommandComplete says
};

// Whether it looks only, or changes nothing: what a user of stats_users may do, too.
bool is_harmless(const AdminCommand& command);

}  // namespace sportello::proxy
