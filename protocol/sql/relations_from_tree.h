// Walks a parse tree for the relations that a statement names and what it does to them; knows the scoping of
// CTEs. What it does to the session, and functions, are facts_from_tree.h's.
//
// How a name comes to be what it is:
//
//   WITH [RECURSIVE] x AS (...)     x is no relation in what follows; with RECURSIVE, in its siblings too
//   in a query                      read
//   target of DML, of INTO          written (UPDATE, DELETE, MERGE: read as well), even if a CTE has its name
//   in DDL outside of queries       its definition may change
//
// Nothing is trusted to be complete but the statements in the table of the .cc; any other writes_unlisted.
// No recursion: a list of what is still to be seen takes its place, so that a deep tree needs no stack of
// ours.
#pragma once

#include "protocol/sql/statement_facts.h"
#include "protocol/sql/tree.h"

namespace sportello::sql {

struct StatementRelations {
  std::vector<RelationName> reads;
  std::vector<RelationName> writes;
  std::vector<RelationName> ddl_targets;
  bool cascades = false;
  // Some that it writes are not in `writes`, and no knowledge of functions would help.
  bool writes_unlisted = false;
  bool reads_unlisted = false;
};

// `statement` is one wrapped node. Of EXPLAIN: what the statement inside would do if it were run.
StatementRelations relations_of(const Value& statement);

}  // namespace sportello::sql
