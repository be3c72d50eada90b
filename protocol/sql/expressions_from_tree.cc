#include "protocol/sql/expressions_from_tree.h"

#include <algorithm>
#include <utility>

#include "protocol/sql/known_functions.h"

namespace sportello::sql {
namespace {

template <size_t N>
bool is_in(const std::string_view (&names)[N], std::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

constexpr std::string_view kUserFunctions[] = {"SVFOP_CURRENT_CATALOG", "SVFOP_CURRENT_ROLE",
                                               "SVFOP_CURRENT_SCHEMA",  "SVFOP_CURRENT_USER",
                                               "SVFOP_SESSION_USER",    "SVFOP_USER"};
constexpr std::string_view kSystemColumns[] = {"cmax", "cmin", "ctid", "xmax", "xmin"};
constexpr std::string_view kZonedTypes[] = {"timestamptz", "timetz"};
// Their input looks names up.
constexpr std::string_view kCatalogTypes[] = {"regclass",     "regcollation", "regconfig",   "regdictionary",
                                              "regnamespace", "regoper",      "regoperator", "regproc",
                                              "regprocedure", "regrole",      "regtype"};
constexpr std::string_view kSampleMethods[] = {"bernoulli", "system"};

// A setting of the users' own has a dot in its name, and goes with its session to any server.
bool names_custom_setting(const Value& arguments) {
  if (!arguments.IsArray() || arguments.Empty()) return false;
  const Value& constant = member(arguments[0], "A_Const");
  return text_member(member(constant, "sval"), "sval").find('.') != std::string_view::npos;
}

}  // namespace

void ExpressionNotes::note(std::string_view name, const Value& value) {
  if (name == "FuncCall" || name == "funccall") {
    function_call(value);
  } else if (name == "SQLValueFunction") {
    value_function(text_member(value, "op"));
  } else if (name == "ColumnRef") {
    column(member(value, "fields"));
  } else if (name == "A_Indirection") {
    selection(member(value, "indirection"));
  } else if (name == "A_Expr") {
    operator_name(member(value, "name"));
  } else if (name == "operName" || name == "useOp") {
    operator_name(value);
  } else if (name == "names") {
    if (value.IsArray()) type(value);
  } else if (name == "RangeTableSample") {
    facts_.table_sample = true;
    const NameParts method = name_parts(member(value, "method"));
    const bool built_in = method.count == 1 || method.qualifier == "pg_catalog";
    if (!built_in || !is_in(kSampleMethods, method.last)) unknown_operator();
  }
}

void ExpressionNotes::function_call(const Value& call) {
  NameParts name = name_parts(member(call, "funcname"));
  const bool built_in = name.count == 1 || name.qualifier == "pg_catalog";
  const std::string_view last = name.last;
  if (last.starts_with("pg_advisory_") || last.starts_with("pg_try_advisory_")) facts_.locks_tables = true;
  if (built_in && is_known_not_volatile(last)) {
    const Value& arguments = member(call, "args");
    // age(a, b) is IMMUTABLE, age(a) is from today.
    const bool immutable_overload = last == "age" && arguments.IsArray() && arguments.Size() == 2;
    if (is_known_stable(last) && !immutable_overload) stable(hangs_on_settings_alone(last));
    if (hangs_on_catalog(last)) facts_.reads_catalog = true;
    if (hangs_on_user(last)) facts_.user_dependent = true;
    if (hangs_on_transaction(last) && !immutable_overload) facts_.hangs_on_transaction = true;
    if (tells_of_server(last)) server(last, arguments);
  } else if (built_in && (is_known_volatile(last) ||
                          (session_effect_of_function(last) != 0 && !last.starts_with("dblink_")))) {
    facts_.volatile_functions = true;
  } else {
    unknown_calls_ = true;
  }
  facts_.calls.push_back({std::move(name.qualifier), std::move(name.last)});
}

void ExpressionNotes::server(std::string_view function, const Value& arguments) {
  const bool of_setting = function == "current_setting";
  if (of_setting) facts_.literal_dependent = true;
  if (!of_setting || !names_custom_setting(arguments)) facts_.asks_server = true;
}

void ExpressionNotes::stable(bool by_settings) {
  facts_.stable_functions = true;
  if (!by_settings) stable_otherwise_ = true;
}

void ExpressionNotes::value_function(std::string_view which) {
  stable(false);
  if (which == "SVFOP_CURRENT_SCHEMA") facts_.reads_catalog = true;
  if (is_in(kUserFunctions, which)) {
    facts_.user_dependent = true;
  } else {
    facts_.hangs_on_transaction = true;  // the rest are moments
  }
}

void ExpressionNotes::type(const Value& names) {
  NameParts name = name_parts(names);
  const bool built_in = name.count == 1 || name.qualifier == "pg_catalog";
  if (built_in && is_in(kZonedTypes, name.last)) stable(true);
  if (built_in && is_in(kCatalogTypes, name.last)) {
    stable(false);
    facts_.reads_catalog = true;
  }
  if (name.qualifier != "pg_catalog")
    facts_.types.push_back({std::move(name.qualifier), std::move(name.last)});
}

void ExpressionNotes::operator_name(const Value& names) {
  const NameParts name = name_parts(names);
  if (name.count > 1 && name.qualifier != "pg_catalog") unknown_operator();
}

void ExpressionNotes::unknown_operator() {
  unknown_operators_ = true;
  facts_.only_known_functions = false;
}

void ExpressionNotes::column(const Value& fields) {
  std::string_view last;
  for_each_item(fields, [&](const Value& field) { last = text_member(member(field, "String"), "sval"); });
  if (is_in(kSystemColumns, last)) facts_.system_columns = true;
}

// Of an element of an array there is no name.
void ExpressionNotes::selection(const Value& fields) {
  for_each_item(fields, [&](const Value& field) {
    const std::string_view name = text_member(member(field, "String"), "sval");
    if (!name.empty()) facts_.fields.emplace_back(name);
  });
}

void ExpressionNotes::finish() {
  sort_once(facts_.fields);
  sort_once(facts_.types);
  sort_once(facts_.calls);
  facts_.stable_by_settings = facts_.stable_functions && !stable_otherwise_;
}

}  // namespace sportello::sql
