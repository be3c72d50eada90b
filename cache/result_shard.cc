#include "cache/result_shard.h"

#include <mutex>

#include "cache/heap_bytes.h"
#include "protocol/invariant.h"

namespace sportello::cache {
namespace {

constexpr size_t kFirstBuckets = 16;
// Results a bucket, above which some go for a larger table.
constexpr size_t kMostABucket = 2;

// NOLINTNEXTLINE(bugprone-sizeof-expression): a bucket is a pointer
uint64_t table_bytes(size_t buckets) { return heap_bytes(buckets * sizeof(CachedResult*)); }

}  // namespace

// The first buckets of a shard are not counted: they are a fixed part of the store.
ResultShard::ResultShard(MemoryBudget& budget) : budget_(budget), buckets_(kFirstBuckets) {}

ResultShard::~ResultShard() {
  drop_if([](const CachedResult&) { return true; });
  if (buckets_.size() > kFirstBuckets) budget_.give(table_bytes(buckets_.size()));
}

const CachedResult* ResultShard::find_in_bucket(const KeyView& key) const {
  const CachedResult* found = buckets_[key.hash & (buckets_.size() - 1)];
  while (found != nullptr && (found->hash_ != key.hash || found->key().bytes != key.bytes)) {
    found = found->place_.next_in_bucket;
  }
  return found;
}

bool ResultShard::put(const CachedResultRef& result, size_t& evicted) {
  CachedResultRef replaced;
  Dropped dropped;
  const std::unique_lock lock(mutex_);
  const CachedResult* const before = find_in_bucket(result->key());
  if (before != nullptr && before->filling_.as_of > result->filling_.as_of &&
      before->filling_.snapshot.is_valid()) {
    budget_.give(result->memory_bytes());
    return false;
  }
  if (before != nullptr) replaced = unlink(*before);
  grow_if_crowded(dropped);
  evicted += dropped.size();
  link(result);
  return true;
}

bool ResultShard::evict_one() {
  CachedResultRef evicted;
  const std::unique_lock lock(mutex_);
  const CachedResult* const victim = next_victim();
  if (victim == nullptr) return false;
  evicted = unlink(*victim);
  return true;
}

size_t ResultShard::drop_if(const std::function<bool(const CachedResult&)>& unwanted) {
  Dropped dropped;
  const std::unique_lock lock(mutex_);
  for (const CachedResult* result = newest_; result != nullptr;) {
    const CachedResult* const next = result->place_.older;
    if (unwanted(*result)) dropped.push_back(unlink(*result));
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

const CachedResult* ResultShard::next_victim() {
  const CachedResult* at = hand_ != nullptr ? hand_ : oldest_;
  while (at != nullptr && at->place_.is_visited.exchange(false, std::memory_order_relaxed)) {
    at = at->place_.newer != nullptr ? at->place_.newer : oldest_;
  }
  hand_ = at;
  return at;
}

void ResultShard::link(const CachedResultRef& result) {
  CachedResult::Place& place = result->place_;
  invariant(place.kept == nullptr, "a result is put once");
  const CachedResult*& first = bucket(result->hash_);
  place.kept = result;
  place.next_in_bucket = first;
  first = result.get();
  place.older = newest_;
  (newest_ != nullptr ? newest_->place_.newer : oldest_) = result.get();
  newest_ = result.get();
  ++size_;
}

CachedResultRef ResultShard::unlink(const CachedResult& result) {
  CachedResult::Place& place = result.place_;
  const CachedResult** at = &bucket(result.hash_);
  while (*at != &result) at = &(*at)->place_.next_in_bucket;
  *at = place.next_in_bucket;
  if (hand_ == &result) hand_ = place.newer;
  (place.newer != nullptr ? place.newer->place_.older : newest_) = place.older;
  (place.older != nullptr ? place.older->place_.newer : oldest_) = place.newer;
  --size_;
  budget_.give(result.memory_bytes());
  return std::move(place.kept);
}

// Where the budget has nothing left, chains grow a little longer first: a table that is just large enough
// would else drive out results again and again.
void ResultShard::grow_if_crowded(Dropped& evicted) {
  if (size_ < buckets_.size()) return;
  while (!budget_.try_take(table_bytes(2 * buckets_.size()))) {
    const CachedResult* const victim =
        size_ < kMostABucket * buckets_.size() && evicted.empty() ? nullptr : next_victim();
    if (victim == nullptr) return;
    evicted.push_back(unlink(*victim));
  }
  const uint64_t given = buckets_.size() > kFirstBuckets ? table_bytes(buckets_.size()) : 0;
  std::vector<const CachedResult*> larger(2 * buckets_.size());
  for (const CachedResult* result = newest_; result != nullptr; result = result->place_.older) {
    const CachedResult*& first = larger[result->hash_ & (larger.size() - 1)];
    result->place_.next_in_bucket = first;
    first = result;
  }
  buckets_.swap(larger);
  budget_.give(given);
}

}  // namespace sportello::cache
