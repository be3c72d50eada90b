// "sportello setup-sql": the SQL that a DBA runs, per database, so that its log can be followed: the role,
// the publication with the tables of the rules, replica identities where they are missing; as comments the
// settings that need a restart. May be run again.
//
// A table is never published without a replica identity: the application's UPDATE and DELETE would fail.
#pragma once

#include <string>

#include "proxy/runtime_config.h"
#include "proxy/setup/database_facts.h"

namespace sportello::proxy {

struct SetupWish {
  std::string database;  // as clients name it
  std::string dbname;    // as the server does
  std::string user;      // whom we log in as
  std::string publication;
};
// For one database; without facts of the server (unreachable), from what the rules name alone.
std::string setup_sql(const SetupWish& wish, const DatabaseFacts& facts, const conf::Cache& cache);

// For all databases whose log is followed; asks their primaries.
std::string setup_sql_of(const RuntimeConfig& config);

}  // namespace sportello::proxy
