// What a fill knows of its result, noted before its query was sent.
#pragma once

#include <chrono>
#include <cstdint>

#include "cache/snapshot.h"

namespace sportello::cache {

using Clock = std::chrono::steady_clock;  // for its time_point: nobody here asks what time it is

struct Filling {
  Snapshot snapshot;
  // The newest write that it has seen for certain: sequence() of the board if the primary answered, reached()
  // of the replica's position otherwise. (C3)
  uint64_t as_of = 0;
  Clock::time_point sent_at{};
  uint64_t database = 0;  // as in the key
  uint64_t rule = 0;      // CacheRule::id of the rule that allowed it
};

}  // namespace sportello::cache
