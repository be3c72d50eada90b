#include "protocol/sql/relations_from_tree.h"

#include <algorithm>
#include <deque>
#include <utility>

namespace sportello::sql {
namespace {

// The CTE names that can be seen from some place: those of one WITH, or of one step of it, and all around it.
struct Scope {
  const Scope* around;
  std::vector<std::string_view> names;
};

bool is_cte(const Scope* scope, std::string_view name) {
  for (; scope != nullptr; scope = scope->around) {
    if (std::find(scope->names.begin(), scope->names.end(), name) != scope->names.end()) return true;
  }
  return false;
}

// What a statement does to a relation that is named in it.
enum class Role : uint8_t { Read, Write, ReadAndWrite, Define };

// DDL of relations alone: whatever it names outside of queries is defined anew, and it touches nothing else.
constexpr std::string_view kRelationDdl[] = {
    "AlterPolicyStmt", "AlterSeqStmt", "CreateForeignTableStmt", "CreatePolicyStmt",
    "CreateSeqStmt",   "CreateStmt",   "CreateTrigStmt",         "IndexStmt",
    "RuleStmt",        "ViewStmt",
};

// Statements that change no relation but those that the walk lists, so that nothing more need be asked.
constexpr std::string_view kListsAll[] = {
    "CheckPointStmt",     "ClosePortalStmt", "ClusterStmt",       "CommentStmt",      "ConstraintsSetStmt",
    "CreateStatsStmt",    "AlterStatsStmt",  "CreateTableAsStmt", "DeallocateStmt",   "DeclareCursorStmt",
    "DeleteStmt",         "DiscardStmt",     "ExplainStmt",       "FetchStmt",        "InsertStmt",
    "ListenStmt",         "LockStmt",        "MergeStmt",         "NotifyStmt",       "PrepareStmt",
    "RefreshMatViewStmt", "ReindexStmt",     "SelectStmt",        "TruncateStmt",     "UnlistenStmt",
    "UpdateStmt",         "VacuumStmt",      "VariableSetStmt",   "VariableShowStmt",
};

template <size_t N>
bool is_in(const std::string_view (&names)[N], std::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

bool is_query(std::string_view node) {
  return node == "SelectStmt" || node == "InsertStmt" || node == "UpdateStmt" || node == "DeleteStmt" ||
         node == "MergeStmt";
}

// Those that DROP and ALTER name as relations.
bool is_relation(std::string_view object_type) {
  constexpr std::string_view kTypes[] = {"OBJECT_TABLE",    "OBJECT_VIEW",          "OBJECT_MATVIEW",
                                         "OBJECT_SEQUENCE", "OBJECT_FOREIGN_TABLE", "OBJECT_INDEX"};
  return is_in(kTypes, object_type);
}

class RelationWalk {
 public:
  StatementRelations run(const Value& statement) {
    if (!statement.IsObject() || statement.MemberCount() != 1) {
      out_.writes_unlisted = out_.reads_unlisted = true;
      return std::move(out_);
    }
    const std::string_view node = string_of(statement.MemberBegin()->name);
    push(statement, nullptr, top(node, statement.MemberBegin()->value));
    walk();
    sort_once(out_.reads);
    sort_once(out_.writes);
    sort_once(out_.ddl_targets);
    return std::move(out_);
  }

 private:
  struct Pending {
    const Value* value;
    const Scope* scope;
    Role role;
  };

  void push(const Value& value, const Scope* scope, Role role) {
    if (value.IsObject() || value.IsArray()) pending_.push_back({&value, scope, role});
  }

  void walk() {
    while (!pending_.empty()) {
      const Pending here = pending_.back();
      pending_.pop_back();
      if (here.value->IsArray()) {
        for (const Value& item : here.value->GetArray()) push(item, here.scope, here.role);
      } else if (member(*here.value, "relname").IsString()) {
        add(relation_name(*here.value), here.scope, here.role);
      } else {
        object(*here.value, here.scope, here.role);
      }
    }
  }

  // A wrapped node or a node's body. A body of a statement with WITH opens a scope for all that is in it.
  void object(const Value& value, const Scope* scope, Role role) {
    const Value& with = member(value, "withClause");
    if (with.IsObject()) scope = with_clause(with, scope);
    for (const auto& entry : value.GetObject()) {
      const std::string_view name = string_of(entry.name);
      if (name == "withClause" || name == "lockedRels") continue;  // FOR UPDATE OF names an alias
      if (is_query(name)) {
        query(name, entry.value, scope);
      } else if (name == "intoClause" || name == "into") {
        push(member(entry.value, "rel"), scope, Role::Define);
      } else if (name == "ExecuteStmt") {
        out_.writes_unlisted = out_.reads_unlisted = true;
        push(entry.value, scope, Role::Read);
      } else {
        if (name == "behavior" && string_of(entry.value) == "DROP_CASCADE") out_.cascades = true;
        push(entry.value, scope, role);
      }
    }
  }

  // The body of a wrapped SelectStmt, or of one with a target.
  void query(std::string_view node, const Value& body, const Scope* scope) {
    if (node == "SelectStmt") return push(body, scope, Role::Read);
    const bool reads_target = node != "InsertStmt" || member(body, "onConflictClause").IsObject();
    if (const Value& target = member(body, "relation"); target.IsObject()) {
      add(relation_name(target), nullptr, reads_target ? Role::ReadAndWrite : Role::Write);
    }
    const Value& with = member(body, "withClause");
    if (with.IsObject()) scope = with_clause(with, scope);
    for (const auto& entry : body.GetObject()) {
      const std::string_view name = string_of(entry.name);
      if (name != "withClause" && name != "relation") push(entry.value, scope, Role::Read);
    }
  }

  // The scope of what stands behind the WITH. Each CTE sees those before it; with RECURSIVE, all of them.
  const Scope* with_clause(const Value& with, const Scope* scope) {
    const bool recursive = flag(with, "recursive");
    if (recursive) {
      scopes_.push_back({scope, {}});
      for_each_item(member(with, "ctes"), [&](const Value& item) {
        scopes_.back().names.push_back(text_member(member(item, "CommonTableExpr"), "ctename"));
      });
      scope = &scopes_.back();
    }
    for_each_item(member(with, "ctes"), [&](const Value& item) {
      push(item, scope, Role::Read);
      if (recursive) return;
      scopes_.push_back({scope, {text_member(member(item, "CommonTableExpr"), "ctename")}});
      scope = &scopes_.back();
    });
    return scope;
  }

  RelationName relation_name(const Value& range) {
    // Ours or another's database: the text does not tell.
    if (member(range, "catalogname").IsString()) out_.writes_unlisted = out_.reads_unlisted = true;
    return {std::string(text_member(range, "schemaname")), std::string(text_member(range, "relname"))};
  }

  void add(RelationName name, const Scope* scope, Role role) {
    switch (role) {
      case Role::Read:
        if (!name.schema.empty() || !is_cte(scope, name.name)) out_.reads.push_back(std::move(name));
        return;
      case Role::Write:
        out_.writes.push_back(std::move(name));
        return;
      case Role::ReadAndWrite:
        out_.reads.push_back(name);
        out_.writes.push_back(std::move(name));
        return;
      case Role::Define:
        out_.writes.push_back(name);
        out_.ddl_targets.push_back(std::move(name));
        return;
    }
  }

  // What the statement itself does to the relations named in it outside of queries.
  Role top(std::string_view node, const Value& body) {
    if (node == "TruncateStmt") return Role::Write;
    if (node == "RefreshMatViewStmt") return Role::ReadAndWrite;
    if (node == "CopyStmt") return copy(body);
    if (node == "FetchStmt") out_.reads_unlisted = true;
    if (is_in(kListsAll, node)) return Role::Read;
    if (node == "TransactionStmt") {
      // What was prepared is no longer known.
      out_.writes_unlisted = text_member(body, "kind") == "TRANS_STMT_COMMIT_PREPARED";
      return Role::Read;
    }
    if (is_in(kRelationDdl, node)) return Role::Define;
    if (node == "AlterTableStmt") {
      out_.writes_unlisted = text_member(body, "objtype") == "OBJECT_TYPE";
      return Role::Define;
    }
    if (node == "DropStmt") return drop(body);
    if (node == "RenameStmt") return rename(body);
    if (node == "AlterObjectSchemaStmt") return new_schema(body);
    if (node == "GrantStmt" && text_member(body, "targtype") == "ACL_TARGET_OBJECT") {
      const std::string_view of = text_member(body, "objtype");
      out_.writes_unlisted = of != "OBJECT_TABLE" && of != "OBJECT_SEQUENCE" && of != "OBJECT_COLUMN";
      return Role::Define;
    }
    out_.writes_unlisted = out_.reads_unlisted = true;
    return Role::Define;
  }

  Role copy(const Value& body) {
    // A program does what it likes, and what a file holds was not always read or written by us.
    out_.writes_unlisted = member(body, "filename").IsString() || flag(body, "is_program");
    return flag(body, "is_from") ? Role::Write : Role::Read;
  }

  Role drop(const Value& body) {
    const std::string_view type = text_member(body, "removeType");
    constexpr std::string_view kOfRelations[] = {"OBJECT_TRIGGER", "OBJECT_RULE", "OBJECT_POLICY"};
    const bool of_relation = is_in(kOfRelations, type);
    if (!of_relation && !is_relation(type)) {
      out_.writes_unlisted = true;
      return Role::Define;
    }
    for_each_item(member(body, "objects"), [&](const Value& object) {
      std::vector<std::string> parts;
      for_each_item(member(member(object, "List"), "items"), [&](const Value& part) {
        parts.emplace_back(text_member(member(part, "String"), "sval"));
      });
      if (of_relation && !parts.empty()) parts.pop_back();  // the trigger's own name
      if (parts.empty() || parts.size() > 2) {
        out_.writes_unlisted = true;
      } else {
        add({parts.size() == 2 ? parts[0] : "", parts.back()}, nullptr, Role::Define);
      }
    });
    return Role::Define;
  }

  Role rename(const Value& body) {
    const std::string_view type = text_member(body, "renameType");
    const Value& relation = member(body, "relation");
    if (!relation.IsObject() || type == "OBJECT_ATTRIBUTE") {
      out_.writes_unlisted = true;
    } else if (is_relation(type)) {
      add({std::string(text_member(relation, "schemaname")), std::string(text_member(body, "newname"))},
          nullptr, Role::Define);
    }
    return Role::Define;
  }

  Role new_schema(const Value& body) {
    const Value& relation = member(body, "relation");
    if (!relation.IsObject()) {
      out_.writes_unlisted = true;
    } else {
      add({std::string(text_member(body, "newschema")), std::string(text_member(relation, "relname"))},
          nullptr, Role::Define);
    }
    return Role::Define;
  }

  StatementRelations out_;
  std::vector<Pending> pending_;
  std::deque<Scope> scopes_;  // stay where they are
};

}  // namespace

StatementRelations relations_of(const Value& statement) { return RelationWalk().run(statement); }

}  // namespace sportello::sql
