#include "cache/result_shard.h"

#include <mutex>

#include "cache/heap_bytes.h"

namespace sportello::cache {
namespace {

constexpr size_t kFirstBuckets = 16;
// Results a bucket, above which some go for a larger table.
constexpr size_t kMostABucket = 2;

// NOLINTNEXTLINE(bugprone-sizeof-expression): a bucket is a pointer
uint64_t table_bytes(size_t buckets) { return heap_bytes(buckets * sizeof(StoredResult*)); }

}  // namespace

// The first buckets of a shard are not counted: they are a fixed part of the store.
ResultShard::ResultShard(MemoryBudget& budget) : budget_(budget), buckets_(kFirstBuckets) {}

ResultShard::~ResultShard() {
  drop_if([](const StoredResult&) { return true; });
  if (buckets_.size() > kFirstBuckets) budget_.give(table_bytes(buckets_.size()));
}

StoredResult* ResultShard::find_in_bucket(const KeyView& key) const {
  StoredResult* found = buckets_[key.hash & (buckets_.size() - 1)];
  while (found != nullptr && (found->hash != key.hash || found->key() != key.bytes)) {
    found = found->next_in_bucket;
  }
  return found;
}

bool ResultShard::put(std::unique_ptr<StoredResult> result, size_t& evicted) {
  std::unique_ptr<StoredResult> before;
  Dropped dropped;
  const std::unique_lock lock(mutex_);
  before.reset(find_in_bucket({result->key(), result->hash}));
  if (before != nullptr && before->filling.as_of > result->filling.as_of &&
      before->filling.snapshot.is_valid()) {
    static_cast<void>(before.release());  // it stays
    budget_.give(result->memory_bytes());
    return false;
  }
  if (before != nullptr) unlink(before.get());
  grow_if_crowded(dropped);
  evicted += dropped.size();
  link(result.release());
  return true;
}

bool ResultShard::evict_one() {
  std::unique_ptr<StoredResult> victim;
  const std::unique_lock lock(mutex_);
  victim.reset(next_victim());
  if (victim == nullptr) return false;
  unlink(victim.get());
  return true;
}

size_t ResultShard::drop_if(const std::function<bool(const StoredResult&)>& unwanted) {
  Dropped dropped;
  const std::unique_lock lock(mutex_);
  for (StoredResult* result = newest_; result != nullptr;) {
    StoredResult* const next = result->older;
    if (unwanted(*result)) {
      unlink(result);
      dropped.emplace_back(result);
    }
    result = next;
  }
  return dropped.size();
}

size_t ResultShard::size() const {
  const std::shared_lock lock(mutex_);
  return size_;
}

size_t ResultShard::buckets() const {
  const std::shared_lock lock(mutex_);
  return buckets_.size();
}

StoredResult* ResultShard::next_victim() {
  StoredResult* at = hand_ != nullptr ? hand_ : oldest_;
  while (at != nullptr && at->is_visited.exchange(false, std::memory_order_relaxed)) {
    at = at->newer != nullptr ? at->newer : oldest_;
  }
  hand_ = at;
  return at;
}

void ResultShard::link(StoredResult* result) {
  StoredResult*& first = bucket(result->hash);
  result->next_in_bucket = first;
  first = result;
  result->older = newest_;
  (newest_ != nullptr ? newest_->newer : oldest_) = result;
  newest_ = result;
  ++size_;
}

// And its bytes are given back: from here on it is the caller's to free.
void ResultShard::unlink(StoredResult* result) {
  StoredResult** at = &bucket(result->hash);
  while (*at != result) at = &(*at)->next_in_bucket;
  *at = result->next_in_bucket;
  if (hand_ == result) hand_ = result->newer;
  (result->newer != nullptr ? result->newer->older : newest_) = result->older;
  (result->older != nullptr ? result->older->newer : oldest_) = result->newer;
  --size_;
  budget_.give(result->memory_bytes());
}

// Where the budget has nothing left, chains grow a little longer first: a table that is just large enough
// would else drive out results again and again.
void ResultShard::grow_if_crowded(Dropped& evicted) {
  if (size_ < buckets_.size()) return;
  while (!budget_.try_take(table_bytes(2 * buckets_.size()))) {
    StoredResult* const victim =
        size_ < kMostABucket * buckets_.size() && evicted.empty() ? nullptr : next_victim();
    if (victim == nullptr) return;
    unlink(victim);
    evicted.emplace_back(victim);
  }
  const uint64_t given = buckets_.size() > kFirstBuckets ? table_bytes(buckets_.size()) : 0;
  std::vector<StoredResult*> larger(2 * buckets_.size());
  for (StoredResult* result = newest_; result != nullptr; result = result->older) {
    StoredResult*& first = larger[result->hash & (larger.size() - 1)];
    result->next_in_bucket = first;
    first = result;
  }
  buckets_.swap(larger);
  budget_.give(given);
}

}  // namespace sportello::cache
