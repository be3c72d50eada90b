// A part of the store: a hash table of results and the SIEVE queue by which they go (Zhang et al., NSDI '24).
//
//   newest ─▶ … ─▶ oldest       the hand goes from old to new: what was found since its last visit loses its
//   mark and
//                 ◀─ hand        stays, the first without a mark goes. New ones come in at the left,
//                 unmarked.
//
// A hit sets a mark, so it needs the lock shared only; the queue never moves for it. Threads: any. What
// leaves is freed after the lock was given back. The budget is the store's; a shard takes from it for its
// table and gives back for what leaves.
#pragma once

#include <functional>
#include <memory>
#include <shared_mutex>
#include <vector>

#include "cache/memory_budget.h"
#include "cache/stored_result.h"

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
    StoredResult* const found = find_in_bucket(key);
    // Written only if it is not set: a line that all workers read stays shared.
    if (found != nullptr && look(*found) && !found->is_visited.load(std::memory_order_relaxed)) {
      found->is_visited.store(true, std::memory_order_relaxed);
    }
  }
  // In place of what lay under its key; its bytes are taken already. False, and it is gone: a valid result of
  // a later query is there. `evicted` grows by those that had to go for a larger table.
  bool put(std::unique_ptr<StoredResult> result, size_t& evicted);
  // False: there is nothing to evict.
  bool evict_one();
  size_t drop_if(const std::function<bool(const StoredResult&)>& unwanted);
  size_t size() const;
  size_t buckets() const;

 private:
  StoredResult* find_in_bucket(const KeyView& key) const;
  StoredResult*& bucket(uint64_t hash) { return buckets_[hash & (buckets_.size() - 1)]; }
  void link(StoredResult* result);
  void unlink(StoredResult* result);
  using Dropped = std::vector<std::unique_ptr<StoredResult>>;
  void grow_if_crowded(Dropped& evicted);
  StoredResult* next_victim();

  MemoryBudget& budget_;
  mutable std::shared_mutex mutex_;  // guards what follows
  std::vector<StoredResult*> buckets_;
  size_t size_ = 0;
  StoredResult* newest_ = nullptr;
  StoredResult* oldest_ = nullptr;
  StoredResult* hand_ = nullptr;  // nullptr: it begins at the oldest
};

}  // namespace sportello::cache
