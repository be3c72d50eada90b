#include "cache/result_shard.h"

#include <mutex>
#include <utility>

#include "protocol/invariant.h"

namespace sportello::cache {

ResultShard::ResultShard(MemoryBudget& budget) : budget_(budget) {}

ResultShard::~ResultShard() {
  drop_if([](const CachedResult&) { return true; });
  budget_.give(table_.heap_bytes());
}

ResultShard::Put ResultShard::put(const CachedResultRef& result, size_t& evicted) {
  CachedResultRef replaced;
  Dropped dropped;
  const std::unique_lock lock(mutex_);
  // Nobody has touched these for long: they are fetched from memory side by side.
  table_.prefetch(result->key().hash);
  __builtin_prefetch(newest_);
  __builtin_prefetch(hand_);
  const CachedResult* const before = table_.find(result->key());
  if (before != nullptr && before->filling_.as_of > result->filling_.as_of &&
      before->filling_.snapshot.is_valid()) {
    return Put::Refused;
  }
  if (before != nullptr) replaced = unlink(*before);
  const bool has_room = make_room(result->memory_bytes(), dropped);
  evicted += dropped.size();
  if (!has_room) return Put::NoRoom;
  link(result);
  return Put::Kept;
}

bool ResultShard::evict_one() {
  CachedResultRef evicted;
  const std::unique_lock lock(mutex_);
  evicted = evict();
  return evicted != nullptr;
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
  return table_.size();
}

size_t ResultShard::slots() const {
  const std::shared_lock lock(mutex_);
  return table_.slots();
}

const CachedResult* ResultShard::next_victim() {
  const CachedResult* at = hand_ != nullptr ? hand_ : oldest_;
  while (at != nullptr && at->place_.is_visited.load(std::memory_order_relaxed)) {
    at->place_.is_visited.store(false, std::memory_order_relaxed);
    at = at->place_.newer != nullptr ? at->place_.newer : oldest_;
  }
  hand_ = at;
  return at;
}

CachedResultRef ResultShard::evict() {
  const CachedResult* const victim = next_victim();
  if (victim == nullptr) return nullptr;
  table_.prefetch(victim->key().hash);
  __builtin_prefetch(victim->place_.newer);
  return unlink(*victim);
}

void ResultShard::link(const CachedResultRef& result) {
  CachedResult::Place& place = result->place_;
  invariant(place.kept == nullptr, "a result is put once");
  table_.add(*result);
  place.kept = result;
  place.older = newest_;
  (newest_ != nullptr ? newest_->place_.newer : oldest_) = result.get();
  newest_ = result.get();
}

CachedResultRef ResultShard::unlink(const CachedResult& result) {
  CachedResult::Place& place = result.place_;
  table_.remove(result);
  if (hand_ == &result) hand_ = place.newer;
  (place.newer != nullptr ? place.newer->place_.older : newest_) = place.older;
  (place.older != nullptr ? place.older->place_.newer : oldest_) = place.newer;
  budget_.give(result.memory_bytes());
  return std::move(place.kept);
}

// For a result of so many bytes, which are taken then. What is full and may not grow gives one away for it.
bool ResultShard::make_room(uint64_t bytes, Dropped& evicted) {
  bool has_place = !table_.is_full() || grow_table();
  while (!has_place || !budget_.try_take(bytes)) {
    CachedResultRef gone = evict();
    if (gone == nullptr) return false;
    evicted.push_back(std::move(gone));
    has_place = true;
  }
  return true;
}

bool ResultShard::grow_table() {
  if (!budget_.try_take(table_.bytes_to_grow())) return false;
  const size_t given = table_.heap_bytes();
  table_.grow();
  budget_.give(given);
  return true;
}

}  // namespace sportello::cache
