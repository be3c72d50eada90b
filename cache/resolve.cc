#include "cache/resolve.h"

#include <algorithm>

#include "cache/relation_closure.h"
#include "protocol/sql/known_functions.h"

namespace sportello::cache {
namespace {

constexpr size_t kMostReasons = 16;

bool is_temporary_schema(std::string_view schema) {
  return schema == "pg_temp" || schema.starts_with("pg_temp_");
}

template <typename Name>
std::string text_of(const Name& name) {
  return name.schema.empty() ? name.name : name.schema + "." + name.name;
}

class Resolver {
 public:
  Resolver(const Catalog& catalog, const sql::StatementFacts& facts, const NameScope& scope)
      : catalog_(catalog), facts_(facts), scope_(scope) {}

  ResolvedFacts resolve() {
    answer_.known = true;
    if (facts_.kind == sql::StatementKind::Unknown) {
      not_known("the statement is not understood");
    }
    if (!facts_.unknown_by_calls_only) {
      unknown(facts_.reads_unknown, facts_.writes_unknown, "the text does not say what the statement does");
    }
    traits_.add(catalog_.unnamed_calls());
    resolve_calls();
    resolve_fields();
    resolve_types();
    resolve_reads();
    resolve_writes();
    return finish();
  }

 private:
  void reason(const std::string& why) {
    if (answer_.reasons.size() < kMostReasons &&
        std::find(answer_.reasons.begin(), answer_.reasons.end(), why) == answer_.reasons.end()) {
      answer_.reasons.push_back(why);
    }
  }

  void not_known(const std::string& why) {
    answer_.known = false;
    reason(why);
  }

  void unknown(bool reads, bool writes, const char* why) {
    traits_.reads_unknown |= reads;
    traits_.writes_unknown |= writes;
    if (reads || writes) {
      reason(why);
    }
  }

  // Calls `look` with each schema that an unqualified name may be in, until it says that the search ends
  // there. False: a temporary schema comes before.
  template <typename Look>
  bool walk_path(Look look) {
    if (scope_.any_schema) {
      for_each_schema(look);
      return true;
    }
    for (const std::string& name : scope_.search_path) {
      if (is_temporary_schema(name)) {
        if (scope_.may_have_temporary) {
          return false;
        }
        continue;
      }
      const Oid schema = catalog_.schema(name);
      if (schema != 0 && look(schema)) {
        return true;
      }
    }
    return true;
  }

  // Temporary ones are not among them: functions are not looked for there
  // (runtime-config-client.html#GUC-SEARCH-PATH).
  template <typename Look>
  void for_each_schema(Look look) {
    if (scope_.any_schema) {
      for (const Oid schema : catalog_.schemas()) {
        look(schema);
      }
      return;
    }
    for (const std::string& name : scope_.search_path) {
      if (const Oid schema = is_temporary_schema(name) ? 0 : catalog_.schema(name)) {
        look(schema);
      }
    }
  }

  bool ends_search(Oid schema) const { return catalog_.is_usable_by_all(schema); }

  // Whatever the name can mean; empty: nothing, and the statement is not known.
  std::vector<const Relation*> relations_of(const sql::RelationName& name) {
    std::vector<const Relation*> found;
    if (is_temporary_schema(name.schema)) {
      answer_.temporary = true;
      not_known(text_of(name) + " is temporary");
      return found;
    }
    const auto look = [&](Oid schema) {
      const Relation* relation = catalog_.relation(schema, name.name);
      if (relation != nullptr) {
        found.push_back(relation);
      }
      return relation != nullptr && ends_search(schema);
    };
    if (!name.schema.empty()) {
      look(catalog_.schema(name.schema));
    } else if (!walk_path(look)) {
      not_known(text_of(name) + " may be temporary");
      return {};
    }
    if (found.empty() && !scope_.any_schema) {
      not_known("there is no relation " + text_of(name));
    }
    return found;
  }

  // ---- functions and types ----

  void resolve_calls() {
    for (const sql::FunctionCall& call : facts_.calls) {
      if (is_temporary_schema(call.schema) || !is_found(call)) {
        not_known("there is no function " + text_of(call));
      }
    }
  }

  // (expression).f, where f is a column or, of whatever composite type, a function.
  void resolve_fields() {
    for (const std::string& field : facts_.fields) {
      for_each_schema([&](Oid schema) { catalog_.functions().add_by_dot(schema, field, traits_); });
    }
  }

  // All functions of the name in all schemas of the path are candidates: the best match for the arguments
  // wins.
  bool is_found(const sql::FunctionCall& call) {
    if (!call.schema.empty()) {
      const Oid schema = catalog_.schema(call.schema);
      const bool is_here = catalog_.functions().add_named(schema, call.name, traits_);
      return is_here || (call.schema == "pg_catalog" && sql::is_known_not_volatile(call.name));
    }
    bool is_somewhere = sql::is_known_not_volatile(call.name);
    for_each_schema(
        [&](Oid schema) { is_somewhere |= catalog_.functions().add_named(schema, call.name, traits_); });
    return is_somewhere;
  }

  void resolve_types() {
    for (const sql::RelationName& type : facts_.types) {
      bool is_found = false;
      const auto look = [&](Oid schema) {
        const bool is_here = catalog_.has_type(schema, type.name);
        if (is_here) {
          traits_.add(catalog_.cast_to(schema, type.name));
          is_found = true;
        }
        return is_here && ends_search(schema);
      };
      if (!type.schema.empty()) {
        look(catalog_.schema(type.schema));
      } else if (!walk_path(look)) {
        not_known("type " + text_of(type) + " may be temporary");
        continue;
      }
      if (!is_found && !scope_.any_schema) {
        not_known("there is no type " + text_of(type));
      }
    }
  }

  // ---- relations ----

  void resolve_reads() {
    std::vector<Oid> named;
    for (const sql::RelationName& name : facts_.reads) {
      for (const Relation* relation : relations_of(name)) {
        named.push_back(relation->oid);
        add_calls_by_dot(*relation);
      }
    }
    RelationClosure closure = closure_of_reads(catalog_, named);
    if (!closure.is_complete) {
      not_known("a view reads what is not in the catalog");
    }
    traits_.add(closure.traits);
    for (const std::vector<Oid>* list : {&closure.tables, &closure.passed}) {
      for (const Oid oid : *list) {
        note_kind(*catalog_.relation(oid));
      }
    }
    answer_.reads = std::move(closure.tables);
  }

  // A function of a parent's row type takes a child's row, too.
  void add_calls_by_dot(const Relation& relation) {
    traits_.add(relation.when_named);
    for (const Oid parent : relation.parents) {
      add_calls_by_dot(*catalog_.relation(parent));
    }
  }

  void note_kind(const Relation& relation) {
    const auto note = [&](bool is_so, bool& flag, const char* what) {
      if (is_so) {
        flag = true;
        reason(catalog_.name_of(relation.oid) + what);
      }
    };
    note(relation.row_security, answer_.row_security, " has row security");
    note(relation.persistence == 'u', answer_.unlogged, " is unlogged");
    note(relation.kind == 'f', answer_.foreign, " is a foreign table");
    note(relation.kind == 'm', answer_.materialized, " is a materialized view");
    note(relation.is_of_initdb(), answer_.catalog, " is a system catalog");
    note(relation.kind == 'S', traits_.reads_unknown, " is a sequence");
  }

  void resolve_writes() {
    std::vector<WrittenRelation> named;
    for (const sql::RelationName& name : facts_.writes) {
      // A target that is read, too, is one of UPDATE, DELETE, MERGE or ON CONFLICT; others only add rows.
      const bool is_read = std::binary_search(facts_.reads.begin(), facts_.reads.end(), name);
      for (const Relation* relation : relations_of(name)) {
        named.push_back({relation->oid, is_read, facts_.cascades});
        if (relation->is_of_initdb()) {
          unknown(true, true, "it writes a system catalog");
        }
      }
    }
    RelationClosure closure = closure_of_writes(catalog_, named);
    if (!closure.is_complete) {
      not_known("a written relation leads to what is not in the catalog");
    }
    traits_.add(closure.traits);
    answer_.writes = std::move(closure.tables);
    if (facts_.has(sql::Effect::IsDdl) && (catalog_.has_event_triggers() || facts_.cascades)) {
      unknown(false, true,
              catalog_.has_event_triggers() ? "an event trigger may write any table"
                                            : "CASCADE may change more than it names");
    }
  }

  ResolvedFacts finish() {
    for (const std::string& why : traits_.reasons) {
      reason(why);
    }
    answer_.reads_unknown = traits_.reads_unknown || !answer_.known;
    answer_.writes_unknown = traits_.writes_unknown || !answer_.known;
    answer_.volatile_functions = traits_.is_volatile || facts_.volatile_functions;
    answer_.stable_functions = traits_.is_stable || facts_.stable_functions;
    answer_.stable_beyond_settings =
        traits_.is_stable || (facts_.stable_functions && !facts_.stable_by_settings);
    answer_.hangs_on_transaction = traits_.is_stable || facts_.hangs_on_transaction;
    answer_.user_dependent = traits_.user_dependent || facts_.user_dependent || answer_.row_security;
    answer_.table_sample = traits_.samples || facts_.table_sample;
    answer_.system_columns = traits_.has_system_columns || facts_.system_columns;
    answer_.catalog |= facts_.reads_catalog;
    return std::move(answer_);
  }

  const Catalog& catalog_;
  const sql::StatementFacts& facts_;
  const NameScope& scope_;
  Traits traits_;
  ResolvedFacts answer_;
};

}  // namespace

ResolvedFacts resolve(const Catalog& catalog, const sql::StatementFacts& facts, const NameScope& scope) {
  return Resolver(catalog, facts, scope).resolve();
}

}  // namespace sportello::cache
