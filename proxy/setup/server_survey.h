// Asks a server what connect_check.h and setup_sql.h want to know, over connections of our own, and returns
// when it has the answers or knows why not: for the command line, on a loop of its own that runs meanwhile.
#pragma once

#include "proxy/runtime_config.h"
#include "proxy/setup/database_facts.h"

namespace sportello::proxy {

struct SurveyWish {
  std::string database;  // as clients name it
  conf::ServerAddress address;
  bool for_rules = false;  // the tables of the rules and the publication, too; else only the server itself
};
DatabaseFacts survey_server(const RuntimeConfig& config, const SurveyWish& wish);

// Of the servers in a database's `primary`, the first that is no standby, else the first of all.
struct PrimaryFacts {
  conf::ServerAddress address;
  DatabaseFacts facts;
  std::vector<conf::ServerAddress> others;
};
PrimaryFacts survey_primary(const RuntimeConfig& config, const std::string& database, bool for_rules);

}  // namespace sportello::proxy
