#include "proxy/setup/setup_sql.h"

#include <algorithm>

#include "proxy/control/wal_watch.h"
#include "proxy/setup/server_survey.h"

namespace sportello::proxy {
namespace {

constexpr int kColumnLists = 150'000;  // first version that can publish some columns only

std::string quoted(std::string_view text, char quote) {
  std::string out(1, quote);
  for (const char c : text) out.append(c == quote ? 2 : 1, c);
  return out + quote;
}

// A comment, however many lines the text has.
std::string comment(std::string_view text) {
  std::string out = "-- ";
  for (const char c : text) {
    out.push_back(c);
    if (c == '\n') out += "-- ";
  }
  return out + "\n";
}

// psql takes a backslash for its own at the start of a line, and in \connect what stands behind it.
std::string role_sql(const SetupWish& wish) {
  const std::string name = quoted(wish.user, '\'');
  const std::string role = quoted(wish.user, '"');
  return "SELECT format('CREATE ROLE %I LOGIN', " + name +
         ")\n WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = " + name + ") \\gexec\nALTER ROLE " +
         role + " REPLICATION;\nGRANT pg_monitor TO " + role + ";\n";
}

std::string settings_comments(const DatabaseFacts& facts) {
  std::string out;
  if (facts.wal_level != "logical") {
    out += comment("wal_level is \"" + facts.wal_level + "\". The server must be restarted after:") +
           comment("ALTER SYSTEM SET wal_level = 'logical';");
  }
  if (facts.used_slots >= facts.max_slots) {
    out += comment("No slot is left. The server must be restarted after:") +
           comment("ALTER SYSTEM SET max_replication_slots = " + std::to_string(facts.max_slots + 5) + ";");
  }
  if (facts.used_senders >= facts.max_senders) {
    out += comment("No sender is left. The server must be restarted after:") +
           comment("ALTER SYSTEM SET max_wal_senders = " + std::to_string(facts.max_senders + 5) + ";");
  }
  return out;
}

std::string identity_sql(const DatabaseFacts& facts) {
  std::string out;
  for (const TableFacts& table : facts.tables) {
    if (!table.is_publishable() || table.has_key) continue;
    out +=
        comment(
            table.name +
            " has no primary key, so the log needs its whole old rows: each UPDATE and DELETE of it writes\n"
            "more of it. Without this they would fail as soon as the table is published.") +
        "ALTER TABLE " + table.name + " REPLICA IDENTITY FULL;\n";
  }
  return out;
}

// Keys alone travel where the server can leave the rest out: the rows are of no interest.
std::string published(const TableFacts& table, int version) {
  const bool by_key = version >= kColumnLists && table.identity == 'd' && !table.key_columns.empty();
  return "ONLY " + table.name + (by_key ? " " + table.key_columns : "");
}

std::string publication_sql(const SetupWish& wish, const DatabaseFacts& facts) {
  std::string list;
  for (const TableFacts& table : facts.tables) {
    if (table.is_publishable()) list += (list.empty() ? "\n  " : ",\n  ") + published(table, facts.version);
  }
  if (list.empty()) return comment("No rule reads a table whose changes are in the log.");
  const std::string name = quoted(wish.publication, '"');
  if (facts.has_publication) {
    return "ALTER PUBLICATION " + name + " SET TABLE" + list + ";\nALTER PUBLICATION " + name +
           " SET (publish = 'insert, update, delete, truncate', publish_via_partition_root = false);\n";
  }
  return "CREATE PUBLICATION " + name + " FOR TABLE" + list + ";\n";
}

std::string known_sql(const SetupWish& wish, const DatabaseFacts& facts) {
  std::string out = settings_comments(facts);
  for (const std::string& problem : facts.rule_problems) out += comment(problem);
  for (const TableFacts& table : facts.tables) {
    if (!table.is_publishable() && table.kind != 'p') {
      out += comment(table.name + " is no ordinary table in the log: its changes cannot be published.");
    }
  }
  return out + "BEGIN;\n" + identity_sql(facts) + publication_sql(wish, facts) + "COMMIT;\n";
}

// Names as the rules have them, so nothing is sure: all of it is for somebody to look at.
std::string unknown_sql(const SetupWish& wish, const DatabaseFacts& facts, const conf::Cache& cache) {
  std::string out = comment(
      "The server could not be asked (" + facts.unreachable +
      "), so what follows is not complete:\ntables behind views and partitions are not in it, and each "
      "needs a primary key, or\nALTER TABLE ... REPLICA IDENTITY FULL, before it is published: "
      "else UPDATE and DELETE of it fail.");
  std::string list;
  for (const conf::CacheRule& rule : cache.rules) {
    const auto& names = rule.databases;
    if (!names.empty() && std::find(names.begin(), names.end(), wish.database) == names.end()) continue;
    for (const std::string& table : rule.tables) list += (list.empty() ? " " : ", ") + table;
    if (rule.tables.empty()) out += comment("Add the tables that rule \"" + rule.name + "\" reads.");
  }
  return out + comment("CREATE PUBLICATION " + quoted(wish.publication, '"') + " FOR TABLE" + list + ";");
}

}  // namespace

std::string setup_sql(const SetupWish& wish, const DatabaseFacts& facts, const conf::Cache& cache) {
  std::string out = comment("Database \"" + wish.database + "\". For psql, as a superuser.");
  out += "\\connect " + quoted(wish.dbname, '"') + "\n" + role_sql(wish);
  out += facts.unreachable.empty() ? known_sql(wish, facts) : unknown_sql(wish, facts, cache);
  return out;
}

std::string setup_sql_of(const RuntimeConfig& config) {
  std::string out;
  for (const auto& database : config.conf.databases) {
    const std::string& name = database.first;
    if (name == "*" || !needs_follower(config.conf, name)) continue;
    const auto login = monitor_login(config, name);
    if (!login) {
      out += comment("Database \"" + name + "\": nobody to log in as; set monitor_user.");
      continue;
    }
    SetupWish wish{
        .database = name, .dbname = name, .user = "", .publication = config.conf.cache.publication};
    for (const auto& [key, value] : login->keywords) {
      if (key == "user") wish.user = value;
      if (key == "dbname") wish.dbname = value;
    }
    const PrimaryFacts primary = survey_primary(config, name, true);
    out += setup_sql(wish, primary.facts, config.conf.cache) + "\n";
  }
  return out.empty() ? comment("No database has cache rules that the log guards.") : out;
}

}  // namespace sportello::proxy
