// The rows of PostgreSQL's system catalogs that a Catalog is built from, as plain values, and how they are
// read from the text of a query's answer (catalog_queries.h). Sorted by nobody, checked for shape alone: a
// column that is missing or no number is an error, an OID that leads nowhere is not. I/O-free.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "protocol/result.h"

namespace sportello::cache {

using Oid = uint32_t;

// What initdb made has an OID below (bki.html); the rest is the users', extensions included.
inline constexpr Oid kFirstUserOid = 16'384;

// pg_namespace, less those of temporary and TOAST tables.
struct NamespaceRow {
  Oid oid = 0;
  std::string name;
  bool usable_by_all = false;  // USAGE is granted to PUBLIC: nobody's search_path skips it
};

// pg_class: what can be read or written by name, less temporary ones and TOAST.
struct RelationRow {
  Oid oid = 0;
  Oid schema = 0;
  std::string name;
  char kind = 'r';         // relkind: r p v m f S
  char persistence = 'p';  // relpersistence: p u
  bool row_security = false;
  Oid row_type = 0;
  Oid owner = 0;
  std::string acl;  // as text; empty: the default
};

// pg_rewrite of the users' relations, less rules that are switched off.
struct RuleRow {
  Oid relation = 0;
  bool is_select = false;             // the query of a view
  std::optional<std::string> action;  // of is_select: the tree as text; nothing: too large to be read
};

// pg_proc: the users' functions, and those of initdb that are not IMMUTABLE.
struct FunctionRow {
  Oid oid = 0;
  Oid schema = 0;
  std::string name;
  char volatility = 'v';  // i s v
  char kind = 'f';        // prokind: f a w p
  std::string language;   // "sql", "plpgsql", "c", "internal"
  Oid sole_argument = 0;  // its type, if the function can be called with one argument
};

// pg_aggregate: one of the functions that an aggregate of the users' is made of. Its own row in pg_proc
// always says IMMUTABLE.
struct AggregateRow {
  Oid aggregate = 0;
  Oid support = 0;
};

// pg_inherits: partitions, too. The child may be temporary, and then has no RelationRow.
struct InheritanceRow {
  Oid child = 0;
  Oid parent = 0;
};

// pg_constraint, contype f.
struct ForeignKeyRow {
  Oid table = 0;
  Oid referenced = 0;
  char on_delete = 'a';  // a no action, r restrict, c cascade, n set null, d set default
  char on_update = 'a';
};

// pg_trigger, less internal ones and those that are switched off.
struct TriggerRow {
  Oid relation = 0;
  Oid function = 0;
};

// pg_depend: what an expression that belongs to a relation (or domain) uses, of the users'.
struct ExpressionRow {
  enum class Of : uint8_t { Default, Check, Policy, DomainCheck };
  Oid owner = 0;  // the relation; of DomainCheck: the type
  Of of = Of::Default;
  bool is_function = false;  // `uses` is a function, else a relation
  Oid uses = 0;
};

// pg_operator, pg_cast: functions of the users' that are called without their name.
struct HiddenCallRow {
  std::string operator_name;  // empty: it is a cast
  Oid cast_target = 0;
  bool is_explicit_cast = false;  // castcontext e
  Oid function = 0;
};

// pg_type, less row types and arrays.
struct TypeRow {
  Oid oid = 0;
  Oid schema = 0;
  std::string name;
  char kind = 'b';  // typtype: b c d e p r m
};

struct CatalogRows {
  std::vector<NamespaceRow> namespaces;
  std::vector<RelationRow> relations;
  std::vector<RuleRow> rules;
  std::vector<FunctionRow> functions;
  std::vector<AggregateRow> aggregates;
  std::vector<InheritanceRow> inheritance;
  std::vector<ForeignKeyRow> foreign_keys;
  std::vector<TriggerRow> triggers;
  std::vector<ExpressionRow> expressions;
  std::vector<HiddenCallRow> hidden_calls;
  std::vector<TypeRow> types;
  bool has_event_triggers = false;
  uint64_t version = 0;  // of all that a result may depend on, columns and roles included
};

// A row of an answer: every value as text, nothing for NULL.
using TextRow = std::vector<std::optional<std::string>>;

Result<void> add_namespace(CatalogRows& rows, const TextRow& row);
Result<void> add_relation(CatalogRows& rows, const TextRow& row);
Result<void> add_rule(CatalogRows& rows, const TextRow& row);
Result<void> add_function(CatalogRows& rows, const TextRow& row);
Result<void> add_aggregate(CatalogRows& rows, const TextRow& row);
Result<void> add_inheritance(CatalogRows& rows, const TextRow& row);
Result<void> add_foreign_key(CatalogRows& rows, const TextRow& row);
Result<void> add_trigger(CatalogRows& rows, const TextRow& row);
Result<void> add_expression(CatalogRows& rows, const TextRow& row);
Result<void> add_hidden_call(CatalogRows& rows, const TextRow& row);
Result<void> add_type(CatalogRows& rows, const TextRow& row);
// One row: are there event triggers, and what the version is made from.
Result<void> add_version(CatalogRows& rows, const TextRow& row);

}  // namespace sportello::cache
