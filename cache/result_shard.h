// A part of the store: a table of results and the SIEVE queue by which they go (Zhang et al., NSDI '24).
//
//   newest ─▶ … ─▶ oldest    the hand goes from old to new: what was found since its last visit loses its
//   mark
//                  ◀─ hand    and stays, the first without a mark goes. New ones come in at the left,
//                  unmarked.
//
// A hit sets a mark, so it needs the lock shared only; the queue never moves for it. Threads: any. What
// leaves is freed after the lock was given back. The budget is the store's; a shard takes from it for what it
// is given and for its table, and gives back for what leaves.
#pragma once

#include <functional>
#include <memory>
#include <shared_mutex>
#include <vector>

#include "cache/cached_result.h"
#include "cache/memory_budget.h"
#include "cache/result_table.h"

namespace sportello::cache {

class ResultShard {
 public:
  explicit ResultShard(MemoryBudget& budget);
  ResultShard(const ResultShard&) = delete;
  ResultShard& operator=(const ResultShard&) = delete;
  ~ResultShard();

  // Calls `look` with what lies under the key, if anything does; it says whether that was a hit.
  template <typename Look>
  void find(const KeyView& key, Look&& look) const {
    const std::shared_lock lock(mutex_);
    const CachedResult* const found = table_.find(key);
    if (found == nullptr || !look(found->place_.kept)) return;
    // Written only if it is not set: a line that all workers read stays shared.
    std::atomic<bool>& is_visited = found->place_.is_visited;
    if (!is_visited.load(std::memory_order_relaxed)) is_visited.store(true, std::memory_order_relaxed);
  }
  enum class Put : uint8_t {
    Kept,
    Refused,  // a valid result of a later query is there
    NoRoom,   // and nothing in this shard that could go for it
  };
  // In place of what lay under its key; `evicted` grows by those that had to go.
  Put put(const CachedResultRef& result, size_t& evicted);
  // False: there is nothing to evict.
  bool evict_one();
  size_t drop_if(const std::function<bool(const CachedResult&)>& unwanted);
  size_t size() const;
  size_t slots() const;

 private:
  void link(const CachedResultRef& result);
  // What may have been the last reference, to be let go of after the lock. Its bytes are given back.
  [[nodiscard]] CachedResultRef unlink(const CachedResult& result);
  using Dropped = std::vector<CachedResultRef>;
  bool make_room(uint64_t bytes, Dropped& evicted);
  bool grow_table();
  const CachedResult* next_victim();
  // nullptr: there is none.
  [[nodiscard]] CachedResultRef evict();

  MemoryBudget& budget_;
  mutable std::shared_mutex mutex_;  // guards what follows
  ResultTable table_;
  const CachedResult* newest_ = nullptr;
  const CachedResult* oldest_ = nullptr;
  const CachedResult* hand_ = nullptr;  // nullptr: it begins at the oldest
};

}  // namespace sportello::cache
