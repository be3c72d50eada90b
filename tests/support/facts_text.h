// Statement facts as one readable line, for the corpus of statements and the program that serves other tests:
//
//   Write r(a) w(a s.b) f(lower) ro ...
//
// The kind, then the lists that are not empty (reads, writes, ddl targets, functions, types), then a word for
// every flag of routing and caching that is set.
#pragma once

#include <string>

#include "protocol/sql/statement_facts.h"

namespace sportello::testing {

std::string_view kind_name(sql::StatementKind kind);
std::string name_text(const sql::RelationName& name);  // "schema.name" or "name"
std::string facts_text(const sql::StatementFacts& facts);

}  // namespace sportello::testing
