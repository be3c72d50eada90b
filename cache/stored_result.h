// One result as it lies in the store: key, what it is valid for, and its place in its shard's table and
// queue. Immutable but for its mark and its links, which ResultShard guards.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string_view>

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
  // With its key, in one allocation.
  static std::unique_ptr<StoredResult> make(const KeyView& key, Filling filling, CachedResultRef result);
  StoredResult(const StoredResult&) = delete;
  StoredResult& operator=(const StoredResult&) = delete;
  static void operator delete(void* memory) { ::operator delete(memory); }

  std::string_view key() const { return {reinterpret_cast<const char*>(this + 1), key_size}; }
  // All that it makes the process hold, its place in the table apart.
  uint64_t memory_bytes() const;

  const uint64_t hash;
  const size_t key_size;
  const Filling filling;
  const CachedResultRef result;
  std::atomic<bool> is_visited{false};  // found since the hand came by
  StoredResult* next_in_bucket = nullptr;
  StoredResult* newer = nullptr;
  StoredResult* older = nullptr;

 private:
  StoredResult(const KeyView& key, Filling what, CachedResultRef of);
  static void* operator new(size_t size, size_t key_size) { return ::operator new(size + key_size); }
  static void operator delete(void* memory, size_t /*key_size*/) { ::operator delete(memory); }
};

}  // namespace sportello::cache
