// What a statement's expressions say of its answer, whatever else it does: which functions it calls and what
// is known of these (known_functions.h), CURRENT_DATE and its like, types, system columns, TABLESAMPLE,
// operators of other schemas than pg_catalog.
//
// Told of every node of a tree, in any order, by the walk in facts_from_tree.cc, which keeps to itself what
// functions leave in the session.
#pragma once

#include <string_view>

#include "protocol/sql/statement_facts.h"
#include "protocol/sql/tree.h"

namespace sportello::sql {

class ExpressionNotes {
 public:
  explicit ExpressionNotes(StatementFacts& facts) : facts_(facts) {}

  // A member of some node: its name is that of a wrapped node or of the member itself.
  void note(std::string_view name, const Value& value);

  // Functions, operators or sampling methods that may do anything.
  bool unknown_code() const { return unknown_calls_ || unknown_operators_; }
  // Of these, what StatementFacts::calls does not list.
  bool unknown_operators() const { return unknown_operators_; }

  // Once, when all is told.
  void finish();

 private:
  void function_call(const Value& call);
  void server(std::string_view function, const Value& arguments);
  void stable(bool by_settings);
  void value_function(std::string_view which);
  void type(const Value& names);
  void operator_name(const Value& names);
  void unknown_operator();
  void column(const Value& fields);
  void selection(const Value& fields);

  StatementFacts& facts_;
  bool unknown_calls_ = false;
  bool unknown_operators_ = false;
  bool stable_otherwise_ = false;
};

}  // namespace sportello::sql
