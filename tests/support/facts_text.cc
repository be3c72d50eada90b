#include "tests/support/facts_text.h"

#include <vector>

namespace sportello::testing {
namespace {

constexpr std::string_view kKinds[] = {"Empty",
                                       "Read",
                                       "Write",
                                       "Ddl",
                                       "Begin",
                                       "Commit",
                                       "Rollback",
                                       "Savepoint",
                                       "Release",
                                       "RollbackTo",
                                       "PrepareTransaction",
                                       "CommitPrepared",
                                       "RollbackPrepared",
                                       "Set",
                                       "Show",
                                       "Prepare",
                                       "Execute",
                                       "Deallocate",
                                       "Declare",
                                       "Fetch",
                                       "CloseCursor",
                                       "Listen",
                                       "Unlisten",
                                       "Notify",
                                       "Copy",
                                       "Lock",
                                       "Explain",
                                       "Call",
                                       "Do",
                                       "Load",
                                       "Discard",
                                       "Utility",
                                       "Multi",
                                       "Unknown"};

void add_list(std::string& line, char mark, const std::vector<std::string>& names) {
  if (names.empty()) return;
  line += ' ';
  line += mark;
  char before = '(';
  for (const std::string& name : names) {
    line += before;
    line += name;
    before = ' ';
  }
  line += ')';
}

std::vector<std::string> texts(const std::vector<sql::RelationName>& names) {
  std::vector<std::string> all;
  for (const sql::RelationName& name : names) all.push_back(name_text(name));
  return all;
}

}  // namespace

std::string_view kind_name(sql::StatementKind kind) { return kKinds[static_cast<size_t>(kind)]; }

std::string name_text(const sql::RelationName& name) {
  return name.schema.empty() ? name.name : name.schema + "." + name.name;
}

std::string facts_text(const sql::StatementFacts& facts) {
  std::string line(kind_name(facts.kind));
  add_list(line, 'r', texts(facts.reads));
  add_list(line, 'w', texts(facts.writes));
  add_list(line, 'd', texts(facts.ddl_targets));
  add_list(line, 'f', facts.functions);
  add_list(line, 't', texts(facts.types));
  add_list(line, '.', facts.fields);
  const auto add = [&line](bool set, std::string_view word) {
    if (set) line.append(" ").append(word);
  };
  add(facts.reads_only, "ro");
  add(facts.reads_unknown && facts.writes_unknown, "unknown");
  add(facts.reads_unknown && !facts.writes_unknown, "reads-unknown");
  add(!facts.reads_unknown && facts.writes_unknown, "writes-unknown");
  add(facts.unknown_by_calls_only, "by-calls");
  add(facts.cascades, "cascades");
  add(facts.locks_rows, "locks-rows");
  add(facts.locks_tables, "locks-tables");
  add(facts.stable_functions && !facts.stable_by_settings, "stable");
  add(facts.stable_by_settings, "settings");
  add(facts.asks_server, "server");
  add(facts.user_dependent, "user");
  add(facts.volatile_functions, "volatile");
  add(facts.table_sample, "sample");
  add(facts.system_columns, "system-columns");
  add(facts.reads_catalog, "catalog");
  add(facts.hint == sql::RouteHint::Primary, "primary!");
  add(facts.hint == sql::RouteHint::NoCache, "nocache!");
  add(facts.hint == sql::RouteHint::Replica, "replica!");
  return line;
}

}  // namespace sportello::testing
