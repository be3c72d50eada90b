#include "cache/cache_rules.h"

#include <algorithm>
#include <charconv>

#include "cache/relation_closure.h"
#include "protocol/sql/statement_parser.h"
#include "protocol/xxhash.h"

namespace sportello::cache {
namespace {

bool holds_for(const std::vector<std::string>& names, std::string_view name) {
  return names.empty() || std::find(names.begin(), names.end(), name) != names.end();
}

bool is_subset(const std::vector<Oid>& some, const std::vector<Oid>& all) {
  return std::includes(all.begin(), all.end(), some.begin(), some.end());
}

// Why no statement of this text can be kept, or nothing.
std::string_view problem_of(const sql::StatementFacts& facts) {
  if (facts.kind == sql::StatementKind::Unknown) return "its query is not understood";
  if (facts.multi) return "its query is more than one statement";
  if (facts.kind != sql::StatementKind::Read || facts.has(sql::Effect::Writes))
    return "its query does not only read";
  if (facts.locks_rows || facts.locks_tables) return "its query takes locks";
  if (facts.volatile_functions || facts.table_sample) return "its query gives another result each time";
  if (facts.system_columns) return "its query reads system columns";
  return {};
}

uint64_t fingerprint_in(const std::string& hexadecimal) {
  uint64_t value = 0;
  std::from_chars(hexadecimal.data(), hexadecimal.data() + hexadecimal.size(), value, 16);
  return value;
}

std::string prefix_of(const conf::CacheRule& rule) { return "cache rule \"" + rule.name + "\": "; }

// What no rule can allow, then what this one does not.
NotCached fitness(const conf::CacheRule& rule, const sql::StatementFacts& facts,
                  const ResolvedFacts& resolved) {
  if (facts.hint == sql::RouteHint::Primary || facts.hint == sql::RouteHint::NoCache) return NotCached::Hint;
  if (facts.kind != sql::StatementKind::Read || facts.multi) return NotCached::NotARead;
  if (facts.locks_rows || facts.locks_tables) return NotCached::Locks;
  if (resolved.volatile_functions || resolved.table_sample) return NotCached::Volatile;
  if (!facts.reads_only) return NotCached::NotARead;
  if (!resolved.known || resolved.reads_unknown) return NotCached::Unknown;
  if (resolved.writes_unknown || !resolved.writes.empty()) return NotCached::NotARead;
  if (resolved.system_columns) return NotCached::SystemColumns;
  if (resolved.temporary) return NotCached::Temporary;
  if (resolved.stable_beyond_settings && !rule.stable_functions) return NotCached::Stable;
  if (resolved.user_dependent && rule.shared) return NotCached::UserDependent;
  const bool untracked = resolved.row_security || resolved.unlogged || resolved.foreign || resolved.catalog ||
                         resolved.materialized;
  if (untracked && !rule.untracked_tables) return NotCached::Untracked;
  return NotCached::Allowed;
}

}  // namespace

std::string_view to_string(NotCached why) {
  switch (why) {
    case NotCached::Allowed:
      return "it may be cached";
    case NotCached::NoRule:
      return "no rule takes it";
    case NotCached::RuleIsOff:
      return "its rule is off";
    case NotCached::Hint:
      return "a comment asks for the server";
    case NotCached::NotARead:
      return "it may do more than read";
    case NotCached::Locks:
      return "it takes locks";
    case NotCached::Unknown:
      return "its tables are not known";
    case NotCached::Volatile:
      return "it calls VOLATILE functions or samples a table";
    case NotCached::Stable:
      return "it calls STABLE functions, and stable_functions is off";
    case NotCached::UserDependent:
      return "its result hangs on the user, and its rule is shared";
    case NotCached::SystemColumns:
      return "it reads system columns";
    case NotCached::Temporary:
      return "it reads temporary tables";
    case NotCached::Untracked:
      return "it reads tables whose changes are not told, and untracked_tables is off";
    case NotCached::InTransaction:
      return "it is asked within a transaction";
    case NotCached::NotFollowed:
      return "it reads tables that the publication does not have, and untracked_tables is off";
    case NotCached::Unguarded:
      return "the log is not followed at the moment";
  }
  return "";
}

uint64_t rule_id(std::string_view name) { return hash_bytes(name); }

const Relation* relation_called(const Catalog& catalog, std::string_view name) {
  const size_t dot = name.find('.');
  if (dot == std::string_view::npos) return catalog.relation(catalog.schema("public"), name);
  return catalog.relation(catalog.schema(name.substr(0, dot)), name.substr(dot + 1));
}

CacheRules::CacheRules(const conf::Cache& cache) {
  for (const conf::CacheRule& settings : cache.rules) {
    CacheRule rule{rule_id(settings.name), settings, 0};
    if (!settings.fingerprint.empty()) rule.fingerprint = fingerprint_in(settings.fingerprint);
    if (!settings.query.empty()) {
      std::string scratch;
      const sql::Shape shape = sql::measure_shape(settings.query, true, scratch);
      rule.fingerprint = shape.fingerprint;
      const std::string_view problem = problem_of(sql::parse_statement(settings.query, shape));
      if (!problem.empty()) problems_.push_back(prefix_of(settings) + std::string(problem));
    }
    const auto same = std::find_if(rules_.begin(), rules_.end(), [&rule](const CacheRule& before) {
      const conf::CacheRule& its = before.settings;
      return rule.fingerprint != 0 && before.fingerprint == rule.fingerprint && its.databases.empty() &&
             its.users.empty() && its.applications.empty();
    });
    if (same != rules_.end())
      problems_.push_back(prefix_of(settings) + "\"" + same->settings.name +
                          "\" takes all statements of its shape before it");
    rules_.push_back(std::move(rule));
  }
}

DatabaseRules::DatabaseRules(CacheRulesRef rules, std::string_view database, const Catalog& catalog)
    : rules_(std::move(rules)) {
  for (const CacheRule& rule : rules_->rules()) {
    if (!holds_for(rule.settings.databases, database)) continue;
    std::vector<Oid> named;
    for (const std::string& table : rule.settings.tables) {
      const Relation* const relation = relation_called(catalog, table);
      if (relation != nullptr) {
        named.push_back(relation->oid);
      } else {
        problems_.push_back(prefix_of(rule.settings) + "there is no table " + table + " in database \"" +
                            std::string(database) + "\"");
      }
    }
    bound_.push_back({&rule, closure_of_reads(catalog, named).tables});
  }
}

Verdict DatabaseRules::judge(const sql::StatementFacts& facts, const ResolvedFacts& resolved,
                             const Asker& asker) const {
  for (const Bound& bound : bound_) {
    const conf::CacheRule& settings = bound.rule->settings;
    if (!holds_for(settings.users, asker.user) || !holds_for(settings.applications, asker.application_name))
      continue;
    const bool takes = settings.tables.empty()
                           ? bound.rule->fingerprint == facts.fingerprint
                           : !resolved.reads.empty() && is_subset(resolved.reads, bound.tables);
    if (!takes) continue;
    if (settings.mode == conf::CacheMode::Off) return {NotCached::RuleIsOff, bound.rule};
    return {fitness(settings, facts, resolved), bound.rule};
  }
  return {};
}

bool DatabaseRules::asks_application() const {
  return std::any_of(bound_.begin(), bound_.end(),
                     [](const Bound& bound) { return !bound.rule->settings.applications.empty(); });
}

std::vector<Oid> DatabaseRules::tables() const {
  std::vector<Oid> tables;
  for (const Bound& bound : bound_) tables.insert(tables.end(), bound.tables.begin(), bound.tables.end());
  std::sort(tables.begin(), tables.end());
  tables.erase(std::unique(tables.begin(), tables.end()), tables.end());
  return tables;
}

NotCached judge_block(const CacheRule& rule, const BlockState& block) {
  if (!block.is_open) return NotCached::Allowed;
  const bool is_taken = rule.settings.in_transaction == conf::CacheInTransaction::ReadCommitted;
  return is_taken && block.is_read_committed && !block.has_written ? NotCached::Allowed
                                                                   : NotCached::InTransaction;
}

}  // namespace sportello::cache
