// What hangs together in a catalog: the tables behind a relation that is read, and those that change when one
// is written. OIDs of tables (r, p, m, f), sorted, each once. I/O-free.
#pragma once

#include <vector>

#include "cache/catalog.h"

namespace sportello::cache {

struct RelationClosure {
  std::vector<Oid> tables;
  std::vector<Oid> passed;  // views and others on the way
  Traits traits;
  bool is_complete = true;  // every OID led somewhere
};

// Views give way to what their queries read, a parent comes with all its children.
RelationClosure closure_of_reads(const Catalog& catalog, const std::vector<Oid>& relations);

struct WrittenRelation {
  Oid oid = 0;
  bool rows_go = false;   // its rows may be changed or deleted, not only added: foreign keys act
  bool cascades = false;  // TRUNCATE ... CASCADE: all that refer to it
};

// With children, what views are of, tables whose foreign keys act (and theirs, in turn), and at last all
// parents, of which the reader sees these rows, too. Traits are those of writing.
RelationClosure closure_of_writes(const Catalog& catalog, const std::vector<WrittenRelation>& relations);

}  // namespace sportello::cache
