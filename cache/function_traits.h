// What calling a function may do, as far as its declaration says (xfunc-volatility.html), and the sum of it
// over several. IMMUTABLE is believed: it reads no table. STABLE may read any, but writes none. VOLATILE may
// do all. What initdb made is known better by name (protocol/sql/known_functions.h). I/O-free, immutable.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "cache/catalog_rows.h"

namespace sportello::cache {

struct Traits {
  bool reads_unknown = false;   // may read relations that nobody names
  bool writes_unknown = false;  // may write them
  bool is_volatile = false;     // another answer each time, or an effect
  bool is_stable = false;       // another answer at another time, for other users or settings
  bool user_dependent = false;  // of is_stable: on who asks, perhaps
  bool samples = false;
  bool has_system_columns = false;
  std::vector<std::string> reasons;  // for people, why any of the first three

  bool is_any() const {
    return reads_unknown || writes_unknown || is_volatile || is_stable || user_dependent || samples ||
           has_system_columns;
  }
  void add(const Traits& other);
};

// All functions of a database by OID and by name.
class FunctionIndex {
 public:
  FunctionIndex() = default;
  FunctionIndex(const std::vector<FunctionRow>& functions, const std::vector<AggregateRow>& aggregates);

  // A function that initdb made and that is not here is IMMUTABLE.
  Traits of(Oid function) const;
  // Of an operator or what else is called unnamed: as of(), but a STABLE one in C is taken not to read
  // tables. Extensions have such (pg_trgm's %), whose answers hang on settings.
  Traits of_unnamed(Oid function) const;
  // Adds those of all functions of the name in the schema, whatever their arguments. False: none is here. Of
  // initdb's, those that are known by name to be harmless add nothing: StatementFacts says more of them.
  bool add_named(Oid schema, std::string_view name, Traits& traits) const;
  // Adds those of the users' functions of the name in the schema that can be called as (argument).name.
  void add_by_dot(Oid schema, std::string_view name, Traits& traits) const;

 private:
  struct Function {
    Oid oid;
    Oid schema;
    std::string name;
    char volatility;  // the worst of an aggregate's parts
    std::string language;
    bool takes_one;  // argument, if need be
  };

  static Traits of(const Function& function);
  const Function* find(Oid function) const;

  std::vector<Function> functions_;                                             // by OID
  std::unordered_map<std::string_view, std::vector<const Function*>> by_name_;  // views into functions_
};

}  // namespace sportello::cache
