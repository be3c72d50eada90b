// One database's catalog at one moment: names, and what lies behind them. Built whole by catalog_builder.h,
// immutable, shared by threads as CatalogRef, and replaced whole when it changed. It knows no session: what a
// statement's names mean under a search_path is said by resolve.h, what hangs together by relation_closure.h.
//
// What initdb made is here as relations (so that a name in pg_catalog is found), with nothing behind them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "cache/catalog_rows.h"
#include "cache/function_traits.h"

namespace sportello::cache {

struct ForeignKey {
  Oid table = 0;            // that refers
  bool is_changed = false;  // by a DELETE or UPDATE of what it refers to: CASCADE, SET NULL, SET DEFAULT
};

struct Relation {
  Oid oid = 0;
  Oid schema = 0;
  std::string name;
  char kind = 'r';
  char persistence = 'p';
  bool row_security = false;
  Oid owner = 0;
  std::string acl;

  std::vector<Oid> parents;  // by inheritance or partitioning
  std::vector<Oid> children;
  std::vector<ForeignKey> referenced_by;
  std::vector<Oid> query_reads;  // a view's own query, or a policy's: what it names, not followed further
  Traits when_read;              // by a view's query or a policy
  Traits when_written;           // by triggers, rules, defaults, checks, policies
  // By t.f, which is a call of f(t) if t has no column f: of functions in SQL that take this row type.
  Traits when_named;

  bool is_view() const { return kind == 'v'; }
  bool is_of_initdb() const { return oid < kFirstUserOid; }
};

class Catalog {
 public:
  const Relation* relation(Oid oid) const;
  // The schema's OID; 0: there is none.
  Oid schema(std::string_view name) const;
  bool is_usable_by_all(Oid schema) const;
  std::vector<Oid> schemas() const;
  const Relation* relation(Oid schema, std::string_view name) const;
  bool has_type(Oid schema, std::string_view name) const;
  // Calls of casts that somebody asks for by the type's name.
  Traits cast_to(Oid schema, std::string_view type) const;
  const FunctionIndex& functions() const { return functions_; }
  // What any statement may call without naming it: operators, implicit casts, checks of domains.
  const Traits& unnamed_calls() const { return unnamed_calls_; }
  bool has_event_triggers() const { return has_event_triggers_; }

  // "schema.name", for people.
  std::string name_of(Oid relation) const;
  // Two catalogs of one database with the same version mean the same.
  uint64_t version() const { return version_; }
  size_t size() const { return relations_.size(); }

 private:
  friend class CatalogBuilder;
  struct Key {
    Oid schema;
    std::string_view name;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    size_t operator()(const Key& key) const;
  };
  struct Schema {
    Oid oid = 0;
    std::string name;
    bool usable_by_all = false;
  };

  Catalog() = default;
  Catalog(const Catalog&) = delete;
  Catalog& operator=(const Catalog&) = delete;

  const Schema* schema_of(Oid oid) const;
  Relation* find(Oid oid);

  std::vector<Relation> relations_;  // by OID
  std::vector<Schema> schemas_;      // by OID
  std::vector<TypeRow> types_;
  std::unordered_map<std::string_view, Oid> schema_names_;
  std::unordered_map<Key, const Relation*, KeyHash> names_;  // views into relations_
  std::unordered_map<Key, Oid, KeyHash> type_names_;         // views into types_
  std::unordered_map<Oid, Traits> explicit_casts_;           // by the target type
  FunctionIndex functions_;
  Traits unnamed_calls_;
  bool has_event_triggers_ = false;
  uint64_t version_ = 0;
};

using CatalogRef = std::shared_ptr<const Catalog>;

}  // namespace sportello::cache
