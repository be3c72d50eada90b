#include "cache/write_set.h"

#include <algorithm>

namespace sportello::cache {

void WriteSet::add(std::span<const Oid> tables) {
  for (const Oid table : tables) {
    if (unknown_) return;
    const auto at = std::lower_bound(tables_.begin(), tables_.end(), table);
    if (at != tables_.end() && *at == table) continue;
    tables_.insert(at, table);
    unknown_ = tables_.size() > kMax;
  }
}

void WriteSet::add(const ResolvedFacts& facts) {
  if (facts.writes_unknown) add_unknown();
  add(facts.writes);
}

void WriteSet::clear() {
  unknown_ = false;
  tables_.clear();
}

bool WriteSet::has(Oid table) const {
  return unknown_ || std::binary_search(tables_.begin(), tables_.end(), table);
}

std::vector<TableState*> WriteSet::states(TableStates& states) const {
  std::vector<TableState*> found;
  if (unknown_) {
    found.push_back(&states.all());
    return found;
  }
  found.reserve(tables_.size());
  for (const Oid table : tables_) found.push_back(&states.of(table));
  return found;
}

}  // namespace sportello::cache
