// Where acknowledged writes lie in the log: pairs (sequence, position) that say "every write up to this
// sequence number lies at or below this position". Both grow from pair to pair.
//
// Bounded: at kMax pairs every second of the older half goes. A pair left out makes nobody wrong, only later:
// its writes then count as reached at the next pair's position.
//
// Plain values, one timeline, no lock: FreshnessBoard guards it.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "protocol/replication/lsn.h"

namespace sportello::cache {

class WritePositions {
 public:
  static constexpr size_t kMax = 1024;

  // A position behind the newest counts as the newest. (F5)
  void add(uint64_t sequence, Lsn position);
  void clear() { pairs_.clear(); }

  // The newest write with a position; 0: none has one.
  uint64_t newest() const { return pairs_.empty() ? 0 : pairs_.back().sequence; }
  // The newest write that is visible to who has replayed up to there; 0: none is known to be.
  uint64_t reached_at(Lsn replayed) const;
  // Where a write lies at the most; nothing: not known yet.
  std::optional<Lsn> position_of(uint64_t sequence) const;
  // A write that is reached only by who has replayed up to there; nothing: none is known.
  std::optional<uint64_t> sequence_at(Lsn position) const;
  size_t size() const { return pairs_.size(); }

 private:
  struct Pair {
    uint64_t sequence;
    Lsn position;
  };
  std::vector<Pair> pairs_;
};

}  // namespace sportello::cache
