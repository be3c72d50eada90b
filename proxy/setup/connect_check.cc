#include "proxy/setup/connect_check.h"

#include "proxy/control/catalog_watch.h"
#include "proxy/control/wal_watch.h"
#include "proxy/setup/server_survey.h"

namespace sportello::proxy {
namespace {

constexpr int kOldestVersion = 130'000;

std::string of(const std::string& database, const conf::ServerAddress& address) {
  return "database \"" + database + "\", host \"" + address.host + "\", port " +
         std::to_string(address.port) + ": ";
}

void add_problems_of_tables(const DatabaseFacts& facts, const std::string& publication,
                            std::vector<std::string>& problems) {
  for (const TableFacts& table : facts.tables) {
    if (!table.is_publishable()) continue;
    if (!table.is_covered) {
      problems.push_back("publication \"" + publication + "\" is without table " + table.name +
                         ", or with some of its rows only");
    } else if (!table.has_key) {
      problems.push_back("table " + table.name +
                         " is published without a replica identity: UPDATE and DELETE of it fail");
    }
  }
}

}  // namespace

std::vector<std::string> problems_of_server(const DatabaseFacts& facts, bool is_replica) {
  if (!facts.unreachable.empty()) return {facts.unreachable};
  std::vector<std::string> problems;
  if (facts.version < kOldestVersion) problems.emplace_back("the server is older than PostgreSQL 13");
  if (is_replica && !facts.in_recovery)
    problems.emplace_back("it is listed as a replica, but it is no standby");
  if (!is_replica && facts.in_recovery)
    problems.emplace_back("it is listed as the primary, but it is a standby");
  if (!facts.may_monitor) {
    problems.push_back("user \"" + facts.user + "\" is not a member of pg_monitor");
  }
  return problems;
}

std::vector<std::string> problems_of_followed(const DatabaseFacts& facts, const std::string& publication) {
  if (!facts.unreachable.empty()) return {};  // said already
  std::vector<std::string> problems = facts.rule_problems;
  if (facts.wal_level != "logical") {
    problems.push_back("wal_level is \"" + facts.wal_level + "\", not \"logical\"");
  }
  if (!facts.may_replicate) {
    problems.push_back("user \"" + facts.user + "\" has not the attribute REPLICATION");
  }
  if (!facts.replication_refused.empty()) {
    problems.push_back("no connection for replication: " + facts.replication_refused);
  }
  if (facts.used_slots >= facts.max_slots) {
    problems.push_back("no replication slot is left of max_replication_slots = " +
                       std::to_string(facts.max_slots));
  }
  if (facts.used_senders >= facts.max_senders) {
    problems.push_back("no sender is left of max_wal_senders = " + std::to_string(facts.max_senders));
  }
  if (!facts.has_publication) {
    problems.push_back("there is no publication \"" + publication + "\"");
    return problems;
  }
  if (!facts.publishes_all_kinds) {
    problems.push_back("publication \"" + publication +
                       "\" leaves out some of insert, update, delete, truncate");
  }
  if (facts.publishes_by_root) {
    problems.push_back("publication \"" + publication + "\" has publish_via_partition_root");
  }
  add_problems_of_tables(facts, publication, problems);
  return problems;
}

std::vector<std::string> check_servers(const RuntimeConfig& config) {
  std::vector<std::string> all;
  for (const auto& database : config.conf.databases) {
    const std::string& name = database.first;  // clang 14 captures no structured binding
    const auto& entry = database.second;
    if (name == "*") continue;
    const auto add = [&](const conf::ServerAddress& address, const std::vector<std::string>& problems) {
      for (const std::string& problem : problems) all.push_back(of(name, address) + problem);
    };
    const bool follows = needs_follower(config.conf, name);
    const PrimaryFacts primary = survey_primary(config, name, follows);
    add(primary.address, problems_of_server(primary.facts, false));
    if (follows) add(primary.address, problems_of_followed(primary.facts, config.conf.cache.publication));
    for (const conf::ServerAddress& other : primary.others) {
      add(other, problems_of_server(survey_server(config, {name, other, false}), true));
    }
    for (const conf::ServerAddress& replica : entry.replicas) {
      add(replica, problems_of_server(survey_server(config, {name, replica, false}), true));
    }
  }
  return all;
}

}  // namespace sportello::proxy
