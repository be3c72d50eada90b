// Reads, from the tree of a view's query as pg_rewrite keeps it (pg_node_tree as text), which relations and
// functions it names. pg_depend would not do: it leaves out all that initdb made, so that a view of pg_class
// or of random() looks like one of nothing.
//
// The tree is words between spaces; a word that begins with a colon names a member, the next is its value.
// Only a few members are looked at, and a name that looks like one can add to the answer, never take from it.
#pragma once

#include <string_view>
#include <vector>

#include "cache/catalog_rows.h"

namespace sportello::cache {

struct RuleTree {
  std::vector<Oid> relations;    // sorted, each once; views among them, and the view itself in some versions
  std::vector<Oid> functions;    // sorted, each once; those behind operators and aggregates, too
  bool depends_on_time = false;  // CURRENT_DATE, a text that becomes a time or a reg… type
  bool depends_on_user = false;  // CURRENT_USER, …
  bool samples = false;          // TABLESAMPLE
  bool locks_rows = false;       // FOR UPDATE, …
  bool has_system_columns = false;
};

RuleTree read_rule_tree(std::string_view text);

}  // namespace sportello::cache
