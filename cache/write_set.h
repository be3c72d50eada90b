// The tables that an open transaction has written so far, for the fence that goes up before its COMMIT.
//
// A rolled-back savepoint takes nothing out again: fencing too much is safe. Beyond kMax tables it is all of
// them. One session's own.
#pragma once

#include <span>
#include <vector>

#include "cache/resolve.h"
#include "cache/table_state.h"

namespace sportello::cache {

class WriteSet {
 public:
  static constexpr size_t kMax = 256;

  // `tables`: with all that changes with them (ResolvedFacts::writes).
  void add(std::span<const Oid> tables);
  void add(const ResolvedFacts& facts);
  void add_unknown() { unknown_ = true; }
  void clear();

  bool is_empty() const { return !unknown_ && tables_.empty(); }
  bool is_unknown() const { return unknown_; }
  // A read of this table within the transaction may see what nobody else sees.
  bool has(Oid table) const;
  // What to fence; nothing if nothing was written.
  std::vector<TableState*> states(TableStates& states) const;

 private:
  bool unknown_ = false;
  std::vector<Oid> tables_;  // sorted, each once
};

}  // namespace sportello::cache
