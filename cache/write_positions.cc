#include "cache/write_positions.h"

#include <algorithm>

namespace sportello::cache {

void WritePositions::add(uint64_t sequence, Lsn position) {
  if (!pairs_.empty()) {
    Pair& last = pairs_.back();
    if (sequence <= last.sequence) return;
    if (position <= last.position) {
      last.sequence = sequence;
      return;
    }
  }
  if (pairs_.size() == kMax) {
    size_t kept = 0;
    for (size_t i = 0; i < kMax; ++i) {
      if (i >= kMax / 2 || i % 2 == 1) pairs_[kept++] = pairs_[i];
    }
    pairs_.resize(kept);
  }
  pairs_.push_back({sequence, position});
}

uint64_t WritePositions::reached_at(Lsn replayed) const {
  const auto beyond = std::upper_bound(pairs_.begin(), pairs_.end(), replayed,
                                       [](Lsn lsn, const Pair& pair) { return lsn < pair.position; });
  return beyond == pairs_.begin() ? 0 : std::prev(beyond)->sequence;
}

std::optional<Lsn> WritePositions::position_of(uint64_t sequence) const {
  const auto pair = std::lower_bound(pairs_.begin(), pairs_.end(), sequence,
                                     [](const Pair& p, uint64_t s) { return p.sequence < s; });
  return pair == pairs_.end() ? std::nullopt : std::optional(pair->position);
}

std::optional<uint64_t> WritePositions::sequence_at(Lsn position) const {
  const auto pair = std::lower_bound(pairs_.begin(), pairs_.end(), position,
                                     [](const Pair& p, Lsn lsn) { return p.position < lsn; });
  return pair == pairs_.end() ? std::nullopt : std::optional(pair->sequence);
}

}  // namespace sportello::cache
