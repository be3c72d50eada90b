#include "cache/result_store.h"

#include <utility>

#include "cache/heap_ahead.h"

namespace sportello::cache {
namespace {

// The session's floor first, the epochs last: the follower moves epochs before it says how far it is. (C3)
LookUp judge(const CachedResult& stored, const Wanted& wanted) {
  const Filling& filling = stored.filling();
  if (wanted.now - filling.sent_at >= wanted.ttl) return LookUp::Expired;
  if (!stored.form().covers(wanted.form)) return LookUp::Incomplete;
  if (!wanted.floor.is_in(filling.as_of)) return LookUp::BeforeOwnWrite;
  return filling.snapshot.is_valid() ? LookUp::Hit : LookUp::Invalidated;
}

}  // namespace

std::string_view to_string(LookUp outcome) {
  switch (outcome) {
    case LookUp::Hit:
      return "hit";
    case LookUp::Absent:
      return "absent";
    case LookUp::Expired:
      return "expired";
    case LookUp::Invalidated:
      return "invalidated";
    case LookUp::BeforeOwnWrite:
      return "before own write";
    case LookUp::Incomplete:
      return "kept without description";
  }
  return "";
}

ResultStore::ResultStore(uint64_t max_bytes, size_t shards) : budget_(max_bytes) {
  for (size_t i = 0; i < shards; ++i) shards_.push_back(std::make_unique<ResultShard>(budget_));
}

Found ResultStore::look_up(const Wanted& wanted) const {
  Found found;
  shards_[shard_of(wanted.key.hash)]->find(wanted.key, [&](const CachedResultRef& stored) {
    found.outcome = judge(*stored, wanted);
    if (found.outcome == LookUp::Hit) found.result = stored;
    return found.outcome == LookUp::Hit;
  });
  return found;
}

bool ResultStore::put(const CachedResultRef& result) {
  if (!result->filling().snapshot.is_valid()) return false;
  if (result->memory_bytes() > max_bytes()) return false;
  const size_t shard = shard_of(result->key().hash);
  size_t evicted = 0;
  ResultShard::Put outcome = shards_[shard]->put(result, evicted);
  while (outcome == ResultShard::Put::NoRoom && evict_one(shard)) {
    outcome = shards_[shard]->put(result, evicted);
  }
  if (evicted > 0) {
    evictions_.fetch_add(evicted, std::memory_order_relaxed);
  } else {
    grow_heap_ahead(result->memory_bytes());
  }
  return outcome == ResultShard::Put::Kept;
}

// Of the first shard that has something to give.
bool ResultStore::evict_one(size_t first_shard) {
  for (size_t i = 0; i < shards_.size(); ++i) {
    if (shards_[(first_shard + i) % shards_.size()]->evict_one()) {
      evictions_.fetch_add(1, std::memory_order_relaxed);
      return true;
    }
  }
  return false;
}

void ResultStore::set_max_bytes(uint64_t max_bytes) {
  budget_.set_limit(max_bytes);
  for (size_t shard = 0; budget_.is_exceeded() && evict_one(shard); shard = (shard + 1) % shards_.size()) {
  }
}

size_t ResultStore::drop_if(const std::function<bool(const CachedResult&)>& unwanted) {
  size_t dropped = 0;
  for (const auto& shard : shards_) dropped += shard->drop_if(unwanted);
  return dropped;
}

size_t ResultStore::flush() {
  return drop_if([](const CachedResult&) { return true; });
}

size_t ResultStore::flush_rule(uint64_t rule) {
  return drop_if([rule](const CachedResult& stored) { return stored.filling().rule == rule; });
}

size_t ResultStore::flush_database(uint64_t database) {
  return drop_if([database](const CachedResult& stored) { return stored.filling().database == database; });
}

size_t ResultStore::slots() const {
  size_t slots = 0;
  for (const auto& shard : shards_) slots += shard->slots();
  return slots;
}

size_t ResultStore::size() const {
  size_t size = 0;
  for (const auto& shard : shards_) size += shard->size();
  return size;
}

}  // namespace sportello::cache
