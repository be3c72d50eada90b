// Walks a parse tree in libpg_query's JSON form and gathers facts; knows the tree's names, not the parser.
//
// One walk sees everything, whatever its depth: a function in a DEFAULT, a DELETE in a WITH, an INTO in the
// first arm of a UNION. So nested effects count wherever they stand, and a construct that we have never heard
// of is walked like any other.
#pragma once

#include <string_view>

#include "protocol/sql/statement_facts.h"

namespace sportello::sql {

// Facts of all statements of the tree of `text`, but for the fingerprint. `json` is overwritten (parsed in
// place).
// Unknown if it is not the JSON that we expect.
StatementFacts facts_from_tree(char* json, std::string_view text);

}  // namespace sportello::sql
