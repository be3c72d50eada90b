// A catalog by hand: rows are added by name, OIDs are counted. And the facts of a statement, likewise.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "cache/catalog_builder.h"
#include "cache/resolve.h"
#include "protocol/sql/statement_facts.h"

namespace sportello::cache {

struct CatalogFixture {
  CatalogRows rows;
  std::map<std::string, Oid> oids;  // "schema.name" of relations, functions ("schema.name()"), types
  std::map<std::string, Oid> row_types;
  Oid next = kFirstUserOid;

  CatalogFixture() {
    rows.namespaces.push_back({11, "pg_catalog", true});
    schema("public");
    rows.relations.push_back({1259, 11, "pg_class", 'r', 'p', false, 83, 10, ""});
    rows.types.push_back({25, 11, "text", 'b'});
  }

  Oid schema(const std::string& name, bool usable_by_all = true) {
    rows.namespaces.push_back({++next, name, usable_by_all});
    return schemas_[name] = next;
  }
  Oid relation(const std::string& name, char kind = 'r', char persistence = 'p', bool row_security = false) {
    const auto [in, bare] = split(name);
    const Oid oid = ++next;
    row_types[name] = ++next;
    rows.relations.push_back({oid, in, bare, kind, persistence, row_security, row_types[name], 10, ""});
    return oids[name] = oid;
  }
  Oid function(const std::string& name, char volatility, const std::string& language = "sql", char kind = 'f',
               Oid sole_argument = 0) {
    const auto [in, bare] = split(name);
    rows.functions.push_back({++next, in, bare, volatility, kind, language, sole_argument});
    return oids[name + "()"] = next;
  }
  Oid type(const std::string& name, char kind = 'b') {
    const auto [in, bare] = split(name);
    rows.types.push_back({++next, in, bare, kind});
    return oids[name] = next;
  }
  Oid view(const std::string& name, const std::string& tree) {
    const Oid oid = relation(name, 'v');
    rows.rules.push_back({oid, true, tree});
    return oid;
  }
  // A view of relations and functions alone.
  Oid view_of(const std::string& name, const std::vector<Oid>& reads, const std::vector<Oid>& calls = {}) {
    std::string tree = "({QUERY :commandType 1";
    for (const Oid oid : reads) {
      tree += " {RTE :relid " + std::to_string(oid) + " :relkind r}";
    }
    for (const Oid oid : calls) {
      tree += " {FUNCEXPR :funcid " + std::to_string(oid) + " :args <>}";
    }
    return view(name, tree + "})");
  }
  void child(const std::string& name, const std::string& parent) {
    rows.inheritance.push_back({oids.at(name), oids.at(parent)});
  }
  void foreign_key(const std::string& table, const std::string& referenced, char on_delete = 'a',
                   char on_update = 'a') {
    rows.foreign_keys.push_back({oids.at(table), oids.at(referenced), on_delete, on_update});
  }
  CatalogRef build() const { return build_catalog(rows); }

  std::vector<Oid> set(const std::vector<std::string>& names) const {
    std::vector<Oid> list;
    for (const std::string& name : names) {
      list.push_back(oids.at(name));
    }
    std::sort(list.begin(), list.end());
    return list;
  }

  ResolvedFacts resolve(const sql::StatementFacts& facts,
                        const std::vector<std::string>& path = {"pg_temp", "pg_catalog", "public"},
                        bool may_have_temporary = false) const {
    return cache::resolve(*build(), facts, {path, may_have_temporary});
  }

 private:
  std::pair<Oid, std::string> split(const std::string& name) const {
    const size_t dot = name.find('.');
    const std::string in = name.substr(0, dot);
    return {in == "pg_catalog" ? 11 : schemas_.at(in), name.substr(dot + 1)};
  }

  std::map<std::string, Oid> schemas_;
};

// Facts as the parser gives them for a statement whose text hides nothing.
inline sql::StatementFacts plain_facts(sql::StatementKind kind) {
  sql::StatementFacts facts;
  facts.kind = kind;
  facts.effects = 0;
  facts.only_known_functions = true;
  facts.reads_unknown = false;
  facts.writes_unknown = false;
  return facts;
}

inline std::vector<sql::RelationName> names(const std::vector<std::string>& texts) {
  std::vector<sql::RelationName> list;
  for (const std::string& text : texts) {
    const size_t dot = text.find('.');
    if (dot == std::string::npos) {
      list.push_back({"", text});
    } else {
      list.push_back({text.substr(0, dot), text.substr(dot + 1)});
    }
  }
  std::sort(list.begin(), list.end());
  return list;
}

inline sql::StatementFacts reading(const std::vector<std::string>& relations) {
  sql::StatementFacts facts = plain_facts(sql::StatementKind::Read);
  facts.reads_only = true;
  facts.reads = names(relations);
  return facts;
}

// INSERT: the target is not read.
inline sql::StatementFacts inserting(const std::string& relation) {
  sql::StatementFacts facts = plain_facts(sql::StatementKind::Write);
  facts.effects = sql::Effect::Writes;
  facts.writes = names({relation});
  return facts;
}

inline sql::StatementFacts deleting(const std::string& relation) {
  sql::StatementFacts facts = inserting(relation);
  facts.reads = facts.writes;
  return facts;
}

// As the parser does: a function that it does not know may do anything.
inline sql::StatementFacts calling(const std::string& schema, const std::string& name,
                                   bool is_known = false) {
  sql::StatementFacts facts = reading({});
  facts.calls = {{schema, name}};
  facts.only_known_functions = is_known;
  facts.reads_unknown = facts.writes_unknown = facts.unknown_by_calls_only = !is_known;
  return facts;
}

}  // namespace sportello::cache
