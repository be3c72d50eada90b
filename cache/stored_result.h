// One result as it lies in the store: key, what it is valid for, and its place in its shard's table and
// queue. Immutable but for its mark and its links, which ResultShard guards.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>

#include "cache/cache_key.h"
#include "cache/cached_result.h"
#include "cache/snapshot.h"

namespace sportello::cache {

using Clock = std::chrono::steady_clock;  // for its time_point: nobody here asks what time it is

// What a fill knows of its result, noted before its query was sent.
struct Filling {
  Snapshot snapshot;
  // The newest write that it has seen for certain: sequence() of the board if the primary answered, reached()
  // of the replica's position otherwise. (C3)
  uint64_t as_of = 0;
  Clock::time_point sent_at{};
  uint64_t database = 0;  // as in the key
  uint64_t rule = 0;      // CacheRule::id of the rule that allowed it
};

struct StoredResult {
  StoredResult(KeyView key, Filling what, CachedResultRef of)
      : key_bytes(key.bytes), hash(key.hash), filling(std::move(what)), result(std::move(of)) {}

  // All that it makes the process hold, its place in the table apart.
  uint64_t memory_bytes() const;

  const std::string key_bytes;
  const uint64_t hash;
  const Filling filling;
  const CachedResultRef result;
  std::atomic<bool> is_visited{false};  // found since the hand came by
  StoredResult* next_in_bucket = nullptr;
  StoredResult* newer = nullptr;
  StoredResult* older = nullptr;
};

}  // namespace sportello::cache
