// "sportello --check --connect": what is missing on the servers of a configuration, each in a sentence that
// names the database. What it asks is server_survey.h's; deciding is here, without I/O.
#pragma once

#include <string>
#include <vector>

#include "proxy/runtime_config.h"
#include "proxy/setup/database_facts.h"

namespace sportello::proxy {

// Of a database's primary whose log is followed; `publication` is the configuration's.
std::vector<std::string> problems_of_followed(const DatabaseFacts& facts, const std::string& publication);
// Of any server: is it what the configuration says?
std::vector<std::string> problems_of_server(const DatabaseFacts& facts, bool is_replica);

// Asks all servers.
std::vector<std::string> check_servers(const RuntimeConfig& config);

}  // namespace sportello::proxy
