// The whole way from any bytes to facts. The first byte says standard_conforming_strings. Beyond not
// crashing: what PostgreSQL's grammar takes for a session setting must never come out as harmless, and what
// it takes for a write never as a read (S68). The latter is judged without the walks under test: a node's
// name between quotes in the JSON of the tree can be nothing else, as quotes inside of strings are escaped
// there.
#include <pg_query.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/invariant.h"
#include "protocol/sql/lexical_effects.h"
#include "protocol/sql/statement_parser.h"

using namespace sportello::sql;

namespace {

bool has(std::string_view json, std::string_view piece) { return json.find(piece) != std::string_view::npos; }

// The strings behind each `"member":"`, but for those with escapes.
std::vector<std::string_view> strings_of(std::string_view json, std::string_view member) {
  std::vector<std::string_view> all;
  for (size_t at = json.find(member); at != std::string_view::npos; at = json.find(member, at)) {
    at += member.size();
    const std::string_view rest = json.substr(at);
    const std::string_view value = rest.substr(0, rest.find('"'));
    if (!has(value, "\\")) all.push_back(value);
  }
  return all;
}

bool names(const std::vector<RelationName>& relations, std::string_view name) {
  return std::any_of(relations.begin(), relations.end(),
                     [&](const RelationName& relation) { return relation.name == name; });
}

void compare_with_tree(std::string_view json, const StatementFacts& facts) {
  const bool explained = has(json, "{\"ExplainStmt\":{");  // run or not: EXPLAIN (ANALYZE ...) decides
  constexpr std::string_view kWriting[] = {"{\"InsertStmt\":{", "{\"UpdateStmt\":{", "{\"DeleteStmt\":{",
                                           "{\"MergeStmt\":{",  "\"intoClause\":{",  "\"lockingClause\":["};
  for (const std::string_view node : kWriting) {
    if (!has(json, node)) continue;
    sportello::invariant(explained || !facts.reads_only, "what writes or locks is no read");
    sportello::invariant(!facts.replay_safe(), "what writes or locks is not run twice");
    sportello::invariant(explained || node == kWriting[5] || !facts.writes.empty(), "a write has its target");
  }
  constexpr std::string_view kTops[] = {"TruncateStmt", "CallStmt",          "DoStmt",
                                        "ExecuteStmt",  "LockStmt",          "DropStmt",
                                        "CreateStmt",   "CreateTableAsStmt", "RefreshMatViewStmt"};
  for (const std::string_view top : kTops) {
    if (!has(json, "\"stmt\":{\"" + std::string(top) + "\":{")) continue;
    sportello::invariant(!facts.reads_only, "only queries are reads");
  }
  // Every relation named is listed, or could be a CTE's name or an alias in FOR UPDATE OF.
  if (has(json, "\"lockedRels\":[")) return;
  const std::vector<std::string_view> ctes = strings_of(json, "\"ctename\":\"");
  for (const std::string_view name : strings_of(json, "\"relname\":\"")) {
    sportello::invariant(names(facts.reads, name) || names(facts.writes, name) ||
                             std::find(ctes.begin(), ctes.end(), name) != ctes.end(),
                         "no relation is overlooked");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const bool standard_conforming_strings = data[0] % 2 == 0;
  const std::vector<char> bytes(data + 1, data + size);
  const std::string_view text(bytes.data(), bytes.size());

  std::string scratch;
  const Shape shape = measure_shape(text, standard_conforming_strings, scratch);
  const StatementFacts facts = parse_statement(text, shape, standard_conforming_strings);
  sportello::invariant(facts.fingerprint == shape.fingerprint, "facts carry the fingerprint of their text");
  sportello::invariant(!facts.multi || facts.name.empty(), "a name belongs to a lone statement");
  sportello::invariant(!facts.replay_safe() || facts.effects == 0, "what is replayed has no effect");
  if (facts.kind != StatementKind::Unknown && looks_harmless_to_session(text, standard_conforming_strings)) {
    sportello::invariant(!facts.has(kPins & ~Effects{SessionFunction}),
                         "words alone never say harmless where the grammar says pinned");
  }
  if (facts.kind == StatementKind::Unknown) {
    sportello::invariant(facts.reads_unknown && facts.writes_unknown && !facts.reads_only,
                         "what is not understood may do anything");
  } else if (shape.nesting + shape.deepening <= kInlineDepth) {
    const std::string terminated(text);
    PgQueryParseResult parse = pg_query_parse(terminated.c_str());
    sportello::invariant(parse.error == nullptr, "what is understood, the grammar takes");
    compare_with_tree(parse.parse_tree, facts);
    pg_query_free_parse_result(parse);
  }
  return 0;
}
