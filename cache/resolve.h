// What a statement's facts mean in a catalog, under a session's search_path: which tables it reads and
// writes, everything behind the names included. A statement shape, a search_path and a Catalog::version()
// always give the same, so callers keep it.
//
// It fails closed: what is not understood, a name that leads nowhere (it may be new) or may mean a temporary
// table, makes the statement not known, and reads_unknown and writes_unknown with it.
//
// Where search_path leaves a doubt, since a schema may be one that the user has no USAGE of and that
// PostgreSQL then skips, all tables that the name can mean are counted.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "cache/catalog.h"
#include "protocol/sql/statement_facts.h"

namespace sportello::cache {

struct NameScope {
  std::span<const std::string> search_path;  // as effective_search_path() gives it
  bool may_have_temporary = true;            // the session may have temporary tables or types
  // Nobody can say what the path is: whatever has the name in any schema counts. What is found in none is
  // left out, as it is most likely temporary.
  bool any_schema = false;
};

struct ResolvedFacts {
  bool known = false;          // every name has a meaning
  bool reads_unknown = true;   // it may read tables that are not in `reads`
  bool writes_unknown = true;  // it may write tables that are not in `writes`
  std::vector<Oid> reads;      // tables, behind views and with all children; sorted, each once
  std::vector<Oid> writes;     // tables, with children, parents and cascades; sorted, each once

  bool volatile_functions = false;
  bool stable_functions = false;
  bool stable_beyond_settings = false;  // not only on the session's settings (to_char, date_trunc)
  bool hangs_on_transaction = false;    // a STABLE function may tell of the transaction that it is called in
  bool user_dependent = false;          // two users may get different rows
  bool table_sample = false;
  bool system_columns = false;

  // Of what is read, something is
  bool row_security = false;
  bool temporary = false;
  bool unlogged = false;      // not on a replica, not in the WAL
  bool foreign = false;       // changes unseen
  bool catalog = false;       // pg_catalog, information_schema: changes unseen, differs from node to node
  bool materialized = false;  // changes by REFRESH alone

  std::vector<std::string>
      reasons;  // for people: why it is not known, may do more than it says, or is special
};

ResolvedFacts resolve(const Catalog& catalog, const sql::StatementFacts& facts, const NameScope& scope);

}  // namespace sportello::cache
