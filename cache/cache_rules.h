// Which reads may be kept, and under which rule.
//
//   conf::Cache ─▶ CacheRules ── with one database's Catalog ──▶ DatabaseRules: judge(statement, who) ─▶
//   Verdict
//
// The first rule that holds for the session and takes the statement counts, whatever comes of it; then the
// statement itself must be fit to be kept. What a rule cannot change: a read that may write, lock, call
// VOLATILE functions or read temporary tables is never kept, nor is one whose tables are not known.
//
// Both are immutable, shared by threads. A verdict hangs on facts, catalog and who asks alone, so callers
// keep it with what resolve() gave.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cache/catalog.h"
#include "cache/resolve.h"
#include "conf/config.h"
#include "protocol/sql/statement_facts.h"

namespace sportello::cache {

uint64_t rule_id(std::string_view name);

// "schema.name", or a name in public; nullptr: there is none.
const Relation* relation_called(const Catalog& catalog, std::string_view name);

struct CacheRule {
  uint64_t id = 0;  // of its name: the same after a reload
  conf::CacheRule settings;
  uint64_t fingerprint = 0;  // 0: by tables
};

enum class NotCached : uint8_t {
  Allowed,
  NoRule,         // no rule takes it
  RuleIsOff,      // mode = "off"
  Hint,           // a comment asks for the server
  NotARead,       // it is no SELECT, or may do more than read
  Locks,          // FOR UPDATE, advisory locks
  Unknown,        // its tables are not known
  Volatile,       // VOLATILE functions, TABLESAMPLE
  Stable,         // STABLE functions, and the rule does not allow them
  UserDependent,  // on who asks, and the rule shares results
  SystemColumns,  // ctid, xmin, …
  Temporary,      // temporary tables
  Untracked,      // tables whose changes nobody tells, or with row security, and the rule does not allow them
  InTransaction,  // in a transaction block that the rule does not take, or that has written
  NotFollowed,    // a table whose changes the log's follower does not tell, and the rule does not allow that
  Unguarded,      // nobody tells of writes past us at the moment
};
// For people: "it calls VOLATILE functions".
std::string_view to_string(NotCached why);

struct Asker {
  std::string_view user;
  std::string_view application_name;
};

// Of the block that the session is in, if it is in one.
struct BlockState {
  bool is_open = false;
  bool is_read_committed = false;
  bool has_written = false;
};

struct Verdict {
  NotCached why = NotCached::NoRule;
  const CacheRule* rule = nullptr;  // that took the statement; nullptr: none. As long as the DatabaseRules

  bool is_allowed() const { return why == NotCached::Allowed; }
};

class CacheRules {
 public:
  explicit CacheRules(const conf::Cache& cache);

  const std::vector<CacheRule>& rules() const { return rules_; }
  // Rules that can never match, each in a sentence; found from their text alone.
  const std::vector<std::string>& problems() const { return problems_; }

 private:
  std::vector<CacheRule> rules_;
  std::vector<std::string> problems_;
};
using CacheRulesRef = std::shared_ptr<const CacheRules>;

// The rules that hold for one database, under one of its catalogs.
class DatabaseRules {
 public:
  DatabaseRules(CacheRulesRef rules, std::string_view database, const Catalog& catalog);

  Verdict judge(const sql::StatementFacts& facts, const ResolvedFacts& resolved, const Asker& asker) const;
  // Tables that rules name and that do not exist.
  const std::vector<std::string>& problems() const { return problems_; }
  // Some rule is for certain applications: who asks counts beside the user.
  bool asks_application() const;
  // All tables that rules by tables name, with their children: what the follower must hear of. Sorted.
  std::vector<Oid> tables() const;

 private:
  struct Bound {
    const CacheRule* rule;
    std::vector<Oid> tables;  // sorted; of a rule by tables
  };

  CacheRulesRef rules_;
  std::vector<Bound> bound_;  // in the order of the configuration
  std::vector<std::string> problems_;
};

// Whether an allowed statement may be answered where its session stands.
NotCached judge_block(const CacheRule& rule, const BlockState& block);

}  // namespace sportello::cache
