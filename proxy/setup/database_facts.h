// What a server says of itself and of one database, as far as the result cache's follower and the watches of
// replicas need it: asked by server_survey.h, judged by connect_check.h, made into SQL by setup_sql.h. Plain
// values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sportello::proxy {

// A table that rules name or that their statements read, behind views and with all children.
struct TableFacts {
  uint32_t oid = 0;
  std::string name;        // "schema.name", quoted where SQL needs it
  char kind = 'r';         // as pg_class.relkind
  char persistence = 'p';  // as pg_class.relpersistence
  char identity = 'd';     // as pg_class.relreplident
  bool has_key =
      false;  // a row can be told by its replica identity, so that UPDATE and DELETE may be published
  std::string key_columns;  // of the primary key: "(id, year)"; empty: there is none
  bool is_covered = false;  // the publication tells every change of it

  // Rows of its own, in the log.
  bool is_publishable() const { return (kind == 'r') && persistence == 'p'; }
};

struct DatabaseFacts {
  std::string unreachable;  // why; empty: what follows is known
  int version = 0;          // as server_version_num
  bool in_recovery = false;
  std::string user;
  bool may_replicate = false;  // REPLICATION, or superuser
  bool may_monitor = false;    // a member of pg_monitor, or superuser
  std::string wal_level;
  int max_slots = 0, used_slots = 0;
  int max_senders = 0, used_senders = 0;
  bool has_publication = false;
  bool publishes_all_kinds = false;  // INSERT, UPDATE, DELETE, TRUNCATE
  bool publishes_by_root = false;    // publish_via_partition_root

  std::vector<TableFacts> tables;
  std::vector<std::string> rule_problems;  // what rules name that is not there, or is not understood
  std::string replication_refused;  // a replication connection failed so; empty: it works, or was not tried
};

}  // namespace sportello::proxy
