#include "protocol/sql/facts_from_tree.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/sql/expressions_from_tree.h"
#include "protocol/sql/known_functions.h"
#include "protocol/sql/lexer.h"
#include "protocol/sql/lexical_effects.h"
#include "protocol/sql/relations_from_tree.h"
#include "protocol/sql/tree.h"

namespace sportello::sql {
namespace {

std::string lower(std::string_view text) {
  std::string folded(text);
  std::transform(folded.begin(), folded.end(), folded.begin(), to_lower);
  return folded;
}

// Constants.

const Value& constant_of(const Value& node) { return member(node, "A_Const"); }

// A constant string; empty if the node is anything else.
std::string_view constant_text(const Value& node) {
  return text_member(member(constant_of(node), "sval"), "sval");
}

// What PostgreSQL takes for a boolean: true, 't', 'on', 1; neither if it is no constant.
enum class Truth : uint8_t { False, True, Unclear };

Truth truth_of_text(std::string_view text) {
  const std::string word = lower(text);
  for (std::string_view yes : {"t", "true", "y", "yes", "on", "1"}) {
    if (word == yes) return Truth::True;
  }
  for (std::string_view no : {"f", "false", "n", "no", "off", "0"}) {
    if (word == no) return Truth::False;
  }
  return Truth::Unclear;
}

Truth constant_truth(const Value& node) {
  const Value& constant = constant_of(node);
  const Value& boolean = member(constant, "boolval");
  if (boolean.IsObject()) return flag(boolean, "boolval") ? Truth::True : Truth::False;
  return truth_of_text(constant_text(node));
}

// libpg_query writes no integer that is zero or negative, so those are read where they stand.
std::string small_integer_at(std::string_view text, const Value& location) {
  if (!location.IsUint() || location.GetUint() >= text.size()) return "0";
  Lexer lexer(text.substr(location.GetUint()));
  if (lexer.next().text != "-") return "0";
  const std::string_view digits = lexer.next().text;
  int64_t number = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return std::to_string(-number);
}

// A constant as it was written in SET; other nodes (SET TIME ZONE INTERVAL ...) have none.
std::string constant_as_text(const Value& node, std::string_view text) {
  const Value& constant = constant_of(node);
  if (const Value& integer = member(constant, "ival"); integer.IsObject()) {
    const Value& number = member(integer, "ival");
    return number.IsInt64() ? std::to_string(number.GetInt64())
                            : small_integer_at(text, member(constant, "location"));
  }
  if (const Value& decimal = member(constant, "fval"); decimal.IsObject()) {
    return std::string(text_member(decimal, "fval"));
  }
  return std::string(constant_text(node));
}

// Settings.

bool is_reported(std::string_view parameter) {
  for (std::string_view name :
       {"application_name", "client_encoding", "datestyle", "default_transaction_read_only", "intervalstyle",
        "standard_conforming_strings", "timezone"}) {
    if (parameter == name) return true;
  }
  return false;
}

Effects effect_of_setting(std::string_view parameter) {
  if (is_reported(parameter)) return SetReported;
  if (parameter == "role") return SetRole;
  if (parameter == "session_authorization") return SetSessionAuthorization;
  // These are of the running transaction, whatever they are set by.
  if (parameter.starts_with("transaction_")) return SetLocal;
  return SetOther;
}

// What a node at the top of a statement makes of it, if no more need be known.
struct SimpleStatement {
  std::string_view node;
  StatementKind kind;
  Effects effects;
  const char* name_member;  // which member is StatementFacts::name, or null
};

constexpr SimpleStatement kSimpleStatements[] = {
    {"SelectStmt", StatementKind::Read, 0, nullptr},
    {"InsertStmt", StatementKind::Write, Writes, nullptr},
    {"UpdateStmt", StatementKind::Write, Writes, nullptr},
    {"DeleteStmt", StatementKind::Write, Writes, nullptr},
    {"MergeStmt", StatementKind::Write, Writes, nullptr},
    {"TruncateStmt", StatementKind::Write, Writes, nullptr},
    {"RefreshMatViewStmt", StatementKind::Write, Writes, nullptr},
    {"ConstraintsSetStmt", StatementKind::Set, SetLocal, nullptr},
    {"VariableShowStmt", StatementKind::Show, 0, "name"},
    {"PrepareStmt", StatementKind::Prepare, SqlPrepare, "name"},
    {"ExecuteStmt", StatementKind::Execute, SqlExecute, "name"},
    {"FetchStmt", StatementKind::Fetch, 0, "portalname"},
    {"ClosePortalStmt", StatementKind::CloseCursor, 0, "portalname"},
    {"ListenStmt", StatementKind::Listen, Listen, "conditionname"},
    {"NotifyStmt", StatementKind::Notify, 0, "conditionname"},
    {"LockStmt", StatementKind::Lock, 0, nullptr},
    {"LoadStmt", StatementKind::Load, Load, nullptr},
    {"VacuumStmt", StatementKind::Utility, 0, nullptr},
    {"CheckPointStmt", StatementKind::Utility, 0, nullptr},
    {"ReindexStmt", StatementKind::Utility, 0, nullptr},
    {"ClusterStmt", StatementKind::Utility, 0, nullptr},
    {"CreateTableAsStmt", StatementKind::Ddl, IsDdl | Writes, nullptr},
};

struct TransactionKind {
  std::string_view node;
  StatementKind kind;
};
constexpr TransactionKind kTransactionKinds[] = {
    {"TRANS_STMT_BEGIN", StatementKind::Begin},
    {"TRANS_STMT_START", StatementKind::Begin},
    {"TRANS_STMT_COMMIT", StatementKind::Commit},
    {"TRANS_STMT_ROLLBACK", StatementKind::Rollback},
    {"TRANS_STMT_SAVEPOINT", StatementKind::Savepoint},
    {"TRANS_STMT_RELEASE", StatementKind::Release},
    {"TRANS_STMT_ROLLBACK_TO", StatementKind::RollbackTo},
    {"TRANS_STMT_PREPARE", StatementKind::PrepareTransaction},
    {"TRANS_STMT_COMMIT_PREPARED", StatementKind::CommitPrepared},
    {"TRANS_STMT_ROLLBACK_PREPARED", StatementKind::RollbackPrepared},
};

// Gathers the facts of one statement.
class StatementWalk {
 public:
  explicit StatementWalk(std::string_view text) : text_(text) {}

  StatementFacts run(const Value& statement) {
    facts_.effects = 0;
    facts_.only_known_functions = true;
    walk(statement);
    facts_.kind = top(statement);
    if (facts_.kind == StatementKind::Read) {
      if (into_) {
        facts_.kind = StatementKind::Ddl;
        facts_.effects |= IsDdl | Writes;
      } else if (facts_.has(Writes)) {
        facts_.kind = StatementKind::Write;
      }
    }
    if (mentions_temp_schema_ && facts_.has(IsDdl)) facts_.effects |= TempObject;
    notes_.finish();
    relations(relations_of(statement));
    facts_.locks_rows = facts_.has(RowLock);
    facts_.locks_tables |= facts_.kind == StatementKind::Lock;
    facts_.reads_only = only_reads();
    return std::move(facts_);
  }

 private:
  void relations(StatementRelations found) {
    bool unlisted = found.writes_unlisted;
    bool unknown_code = notes_.unknown_code();
    facts_.reads = std::move(found.reads);
    if (only_explained_) {  // it asks about all that it names, and runs nothing
      append(facts_.reads, std::move(found.writes));
      sort_once(facts_.reads);
      unlisted = unknown_code = false;
    } else {
      facts_.writes = std::move(found.writes);
      facts_.ddl_targets = std::move(found.ddl_targets);
      facts_.cascades = found.cascades;
    }
    facts_.reads_unknown = found.reads_unlisted || unknown_code;
    facts_.writes_unknown = unlisted || unknown_code;
    facts_.unknown_by_calls_only =
        unknown_code && !notes_.unknown_operators() && !found.reads_unlisted && !unlisted;
    facts_.reads_catalog |=
        std::any_of(facts_.reads.begin(), facts_.reads.end(), [](const RelationName& read) {
          return read.schema == "pg_catalog" || read.schema == "information_schema" ||
                 (read.schema.empty() && read.name.starts_with("pg_"));
        });
    names_all_ = !found.reads_unlisted && !unlisted;
  }

  bool only_reads() const {
    switch (facts_.kind) {
      case StatementKind::Read:
      case StatementKind::Show:
      case StatementKind::Prepare:
      case StatementKind::Declare:
      case StatementKind::Explain:
      case StatementKind::Copy:
        break;
      default:
        return false;
    }
    constexpr Effects kHarmless = UnknownFunction | CopyOut | SqlPrepare | HoldCursor;
    return names_all_ && facts_.writes.empty() && (facts_.effects & ~kHarmless) == 0 &&
           (only_explained_ || (!facts_.volatile_functions && !notes_.unknown_operators()));
  }

  // What counts at any depth. The list of what is still to be seen takes the place of recursion, so that a
  // deep tree needs no stack of ours.
  void walk(const Value& statement) {
    std::vector<const Value*> pending{&statement};
    while (!pending.empty()) {
      const Value& value = *pending.back();
      pending.pop_back();
      if (value.IsArray()) {
        for (const Value& item : value.GetArray()) pending.push_back(&item);
      } else if (value.IsObject()) {
        for (const auto& entry : value.GetObject()) {
          note(string_of(entry.name), entry.value);
          if (entry.value.IsObject() || entry.value.IsArray() || entry.value.IsString()) {
            pending.push_back(&entry.value);
          }
        }
      } else if (value.IsString() && string_of(value).starts_with("pg_temp")) {
        mentions_temp_schema_ = true;
      }
    }
  }

  void note(std::string_view name, const Value& value) {
    notes_.note(name, value);
    if (name == "FuncCall") {
      function_call(value);
    } else if (name == "intoClause") {
      into_ = true;
    } else if (name == "lockingClause") {
      facts_.effects |= RowLock;
    } else if (name == "relpersistence") {
      if (string_of(value) == "t") facts_.effects |= TempObject;
    } else if (name == "InsertStmt" || name == "UpdateStmt" || name == "DeleteStmt" || name == "MergeStmt") {
      facts_.effects |= Writes;
      // UPDATE pg_settings is set_config() by a rule of that view.
      if (text_member(member(value, "relation"), "relname") == "pg_settings") facts_.effects |= SetOther;
    } else if (name == "ExecuteStmt") {
      facts_.effects |= SqlExecute;
    }
  }

  // The statement itself.
  StatementKind top(const Value& statement) {
    if (!statement.IsObject() || statement.MemberCount() != 1) return unknown();
    const std::string_view node = string_of(statement.MemberBegin()->name);
    const Value& body = statement.MemberBegin()->value;
    for (const SimpleStatement& simple : kSimpleStatements) {
      if (simple.node != node) continue;
      facts_.effects |= simple.effects;
      if (simple.name_member != nullptr) facts_.name = text_member(body, simple.name_member);
      if (simple.kind == StatementKind::Show) facts_.name = lower(facts_.name);
      return simple.kind;
    }
    if (node == "TransactionStmt") return transaction(body);
    if (node == "VariableSetStmt") return set(body);
    if (node == "DeallocateStmt") return deallocate(body);
    if (node == "DeclareCursorStmt") return declare(body);
    if (node == "UnlistenStmt") return unlisten(body);
    if (node == "CopyStmt") return copy(body);
    if (node == "ExplainStmt") return explain(body);
    if (node == "CallStmt") return call(body);
    if (node == "DoStmt") return do_block(body);
    if (node == "DiscardStmt") return discard(body);
    // The grammar has no other statements but those that define, change and drop things.
    facts_.effects |= IsDdl;
    if (node == "ViewStmt") facts_.effects |= CreatesView;
    facts_.name = emptied_database(node, body);
    if (!facts_.name.empty()) facts_.effects |= EmptiesDatabase;
    return StatementKind::Ddl;
  }

  // The one that a statement wants for itself; empty: none.
  static std::string_view emptied_database(std::string_view node, const Value& body) {
    if (node == "DropdbStmt" || node == "AlterDatabaseStmt") return text_member(body, "dbname");
    if (node == "RenameStmt" && text_member(body, "renameType") == "OBJECT_DATABASE") {
      return text_member(body, "subname");
    }
    std::string_view as_template;
    if (node == "CreatedbStmt") {
      for_each_item(member(body, "options"), [&](const Value& option) {
        const Value& element = member(option, "DefElem");
        if (text_member(element, "defname") == "template") {
          as_template = text_member(member(member(element, "arg"), "String"), "sval");
        }
      });
    }
    return as_template;
  }

  StatementKind unknown() {
    facts_.effects |= Effect::Unknown;
    return StatementKind::Unknown;
  }

  StatementKind transaction(const Value& body) {
    facts_.effects |= TransactionControl;
    facts_.name = text_member(body, "savepoint_name");
    facts_.chain = flag(body, "chain");
    for_each_item(member(body, "options"), [&](const Value& option) {
      const Value& element = member(option, "DefElem");
      const std::string_view what = text_member(element, "defname");
      const std::string value = constant_as_text(member(element, "arg"), text_);
      // Of several the last one counts, as in PostgreSQL.
      if (what == "transaction_read_only") {
        facts_.block.access = value == "1" ? BlockMode::Access::ReadOnly : BlockMode::Access::ReadWrite;
      } else if (what == "transaction_isolation") {
        facts_.block.isolation = value == "read committed" || value == "read uncommitted"
                                     ? BlockMode::Isolation::ReadCommitted
                                     : BlockMode::Isolation::Stricter;
      }
    });
    facts_.block.by_start = text_member(body, "kind") == "TRANS_STMT_START";
    for (const TransactionKind& entry : kTransactionKinds) {
      if (entry.node == text_member(body, "kind")) return entry.kind;
    }
    return unknown();
  }

  StatementKind set(const Value& body) {
    const std::string_view how = text_member(body, "kind");
    if (how == "VAR_RESET_ALL") {
      facts_.effects |= ResetAll;
      return StatementKind::Set;
    }
    if (how == "VAR_SET_MULTI") {  // SET TRANSACTION ..., SET SESSION CHARACTERISTICS AS TRANSACTION ...
      facts_.effects |= text_member(body, "name").starts_with("TRANSACTION") ? SetLocal : SetOther;
      return StatementKind::Set;
    }
    facts_.name = lower(text_member(body, "name"));
    facts_.effects |= flag(body, "is_local") ? Effects{SetLocal} : effect_of_setting(facts_.name);
    facts_.set_to_default = how == "VAR_RESET" || how == "VAR_SET_DEFAULT";
    if (how == "VAR_SET_VALUE") {
      facts_.literal_dependent = true;
      for_each_item(member(body, "args"), [&](const Value& argument) {
        if (!facts_.set_value.empty()) facts_.set_value += ", ";
        facts_.set_value += constant_as_text(argument, text_);
      });
      if (facts_.name == "role" && facts_.set_value == "none") facts_.set_to_default = true;
    }
    return StatementKind::Set;
  }

  StatementKind deallocate(const Value& body) {
    facts_.name = text_member(body, "name");
    facts_.effects |= facts_.name.empty() ? DeallocateAll : SqlDeallocate;
    return StatementKind::Deallocate;
  }

  StatementKind declare(const Value& body) {
    constexpr int kCursorOptionHold = 0x20;  // CURSOR_OPT_HOLD in PostgreSQL's parsenodes.h
    const Value& options = member(body, "options");
    if (options.IsInt() && (options.GetInt() & kCursorOptionHold) != 0) facts_.effects |= HoldCursor;
    facts_.name = text_member(body, "portalname");
    return StatementKind::Declare;
  }

  StatementKind unlisten(const Value& body) {
    facts_.name = text_member(body, "conditionname");
    facts_.effects |= facts_.name.empty() ? UnlistenAll : Unlisten;
    return StatementKind::Unlisten;
  }

  StatementKind copy(const Value& body) {
    const bool through_client = !member(body, "filename").IsString() && !flag(body, "is_program");
    if (flag(body, "is_from")) {
      facts_.effects |= through_client ? CopyIn | Writes : Effects{Writes};
    } else if (through_client) {
      facts_.effects |= CopyOut;
    }
    return StatementKind::Copy;
  }

  StatementKind explain(const Value& body) {
    bool analyze = false;
    for_each_item(member(body, "options"), [&](const Value& option) {
      const Value& element = member(option, "DefElem");
      const Value& argument = member(element, "arg");
      if (!argument.IsNull()) facts_.literal_dependent = true;
      if (text_member(element, "defname") != "analyze") return;
      const Value& integer = member(argument, "Integer");
      const bool is_zero = integer.IsObject() && !member(integer, "ival").IsInt();
      const bool is_no = truth_of_text(text_member(member(argument, "String"), "sval")) == Truth::False;
      analyze = argument.IsNull() || !(is_zero || is_no);
    });
    StatementFacts inner = StatementWalk(text_).run(member(body, "query"));
    facts_.effects |= inner.effects;
    facts_.name = inner.name;  // of EXPLAIN EXECUTE name
    if (!analyze) {
      only_explained_ = true;
      facts_.effects &= ~(Writes | IsDdl);
      into_ = false;
      return StatementKind::Explain;
    }
    return inner.kind == StatementKind::Read ? StatementKind::Explain : inner.kind;
  }

  StatementKind call(const Value& body) {
    function_call(member(body, "funccall"));
    run_code();
    return StatementKind::Call;
  }

  StatementKind do_block(const Value& body) {
    run_code();
    facts_.literal_dependent = true;
    std::string_view language = "plpgsql";
    std::string_view text;
    for_each_item(member(body, "args"), [&](const Value& argument) {
      const Value& element = member(argument, "DefElem");
      const std::string_view value = text_member(member(member(element, "arg"), "String"), "sval");
      (text_member(element, "defname") == "language" ? language : text) = value;
    });
    if (lower(language) != "plpgsql" || !block_looks_harmless_to_session(text)) {
      facts_.effects |= Effect::Unknown;
    }
    return StatementKind::Do;
  }

  StatementKind discard(const Value& body) {
    const std::string_view target = text_member(body, "target");
    facts_.effects |= target == "DISCARD_PLANS"       ? DiscardPlans
                      : target == "DISCARD_SEQUENCES" ? DiscardSequences
                      : target == "DISCARD_TEMP"      ? DiscardTemp
                                                      : DiscardAll;
    return StatementKind::Discard;
  }

  // Code that we do not see: it may write anywhere.
  void run_code() {
    facts_.effects |= CallOrDo | Writes;
    facts_.only_known_functions = false;
  }

  void function_call(const Value& call) {
    NameParts name = name_parts(member(call, "funcname"));
    const std::string& last = name.last;
    const bool built_in = name.count == 1 || name.qualifier == "pg_catalog";
    const Effects effects = session_effect_of_function(last);
    if (!built_in || !is_known_not_volatile(last)) {
      facts_.only_known_functions = false;
      if (effects == 0 && !(built_in && is_known_volatile(last))) facts_.effects |= UnknownFunction;
    }
    facts_.effects |= last == "set_config" ? set_config(call) : effects;
    facts_.functions.push_back(name.qualifier.empty() ? last : name.qualifier + '.' + last);
  }

  // set_config(name, value, is_local)
  Effects set_config(const Value& call) {
    facts_.literal_dependent = true;
    const Value& arguments = member(call, "args");
    if (!arguments.IsArray() || arguments.Size() != 3) return SetOther;
    switch (constant_truth(arguments[2])) {
      case Truth::True:
        return SetLocal;
      case Truth::Unclear:
        return SetOther;
      case Truth::False:
        break;
    }
    return effect_of_setting(lower(constant_text(arguments[0])));
  }

  std::string_view text_;
  StatementFacts facts_;
  ExpressionNotes notes_{facts_};
  bool only_explained_ = false;  // EXPLAIN without ANALYZE
  bool names_all_ = false;       // nothing but functions can read or write what facts_ do not list
  bool into_ = false;
  bool mentions_temp_schema_ = false;
};

// One statement more of a text of several.
void add(StatementFacts& all, StatementFacts one) {
  const auto is_unknown = [](const StatementFacts& facts) {
    return facts.reads_unknown || facts.writes_unknown;
  };
  all.unknown_by_calls_only = (!is_unknown(all) || all.unknown_by_calls_only) &&
                              (!is_unknown(one) || one.unknown_by_calls_only) &&
                              (is_unknown(all) || is_unknown(one));
  all.stable_by_settings = (!all.stable_functions || all.stable_by_settings) &&
                           (!one.stable_functions || one.stable_by_settings) &&
                           (all.stable_functions || one.stable_functions);
  all.kind = StatementKind::Multi;
  all.multi = true;
  all.effects |= one.effects;
  all.only_known_functions &= one.only_known_functions;
  all.literal_dependent |= one.literal_dependent;
  all.set_to_default |= one.set_to_default;
  all.block = {};
  all.chain = false;
  all.reads_unknown |= one.reads_unknown;
  all.writes_unknown |= one.writes_unknown;
  all.cascades |= one.cascades;
  all.locks_rows |= one.locks_rows;
  all.locks_tables |= one.locks_tables;
  all.reads_only &= one.reads_only;
  all.stable_functions |= one.stable_functions;
  all.hangs_on_transaction |= one.hangs_on_transaction;
  all.asks_server |= one.asks_server;
  all.user_dependent |= one.user_dependent;
  all.volatile_functions |= one.volatile_functions;
  all.table_sample |= one.table_sample;
  all.system_columns |= one.system_columns;
  all.reads_catalog |= one.reads_catalog;
  all.name.clear();
  all.set_value.clear();
  append(all.functions, std::move(one.functions));
  append(all.calls, std::move(one.calls));
  append(all.reads, std::move(one.reads));
  append(all.writes, std::move(one.writes));
  append(all.ddl_targets, std::move(one.ddl_targets));
  append(all.types, std::move(one.types));
}

StatementFacts empty_facts() {
  StatementFacts facts{.kind = StatementKind::Empty, .effects = 0, .only_known_functions = true};
  facts.reads_unknown = facts.writes_unknown = false;
  facts.reads_only = true;
  return facts;
}

}  // namespace

StatementFacts facts_from_tree(char* json, std::string_view text) {
  char scratch[16 * 1024];
  rapidjson::MemoryPoolAllocator<> pool(scratch, sizeof scratch);
  rapidjson::Document tree(&pool, 4096);
  // Iterative, as rapidjson's other way recurses once a level.
  tree.ParseInsitu<rapidjson::kParseIterativeFlag>(json);
  if (tree.HasParseError() || !tree.IsObject()) return {};

  StatementFacts facts = empty_facts();
  for_each_item(member(tree, "stmts"), [&](const Value& statement) {
    StatementFacts one = StatementWalk(text).run(member(statement, "stmt"));
    if (facts.kind == StatementKind::Empty) {
      facts = std::move(one);
    } else {
      add(facts, std::move(one));
    }
  });
  sort_once(facts.functions);
  if (!facts.multi) return facts;
  for (auto* names : {&facts.reads, &facts.writes, &facts.ddl_targets, &facts.types}) sort_once(*names);
  sort_once(facts.calls);
  return facts;
}

}  // namespace sportello::sql
