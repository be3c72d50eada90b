// The results that are kept: in shards by the key's hash, within one bound on memory, everything counted.
// Shared by all workers; a hit takes one shard's lock shared and allocates nothing. It outlives a reload:
// what a rule says now (its ttl) is asked at each look-up.
//
// A result is served only if (cache/README.md, C1 to C3)
//   its tables' epochs are as they were before its query was sent, and none is fenced,
//   the session's own newest write was acknowledged before that, or the follower has applied it since,
//   it is younger than the rule's ttl.
// What is found and is not good stays until a new result takes its place, or SIEVE takes it.
//
// A result on its way to a client lives until that client has it, whatever the store does.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "cache/result_shard.h"
#include "cache/session_floor.h"

namespace sportello::cache {

struct Wanted {
  KeyView key;
  Clock::time_point now{};
  Clock::duration ttl{};  // the rule's
  SessionFloor floor;     // of the session that asks
  AnswerForm form;
};

enum class LookUp : uint8_t {
  Hit,
  Absent,
  Expired,         // older than the rule's ttl
  Invalidated,     // a table was written since, or is being written
  BeforeOwnWrite,  // the session wrote something since
  Incomplete,      // kept without the description that is wanted
};
std::string_view to_string(LookUp outcome);

struct Found {
  LookUp outcome = LookUp::Absent;
  CachedResultRef result;  // of a hit
};

class ResultStore {
 public:
  static constexpr size_t kDefaultShards = 64;

  explicit ResultStore(uint64_t max_bytes, size_t shards = kDefaultShards);

  Found look_up(const Wanted& wanted) const;
  // Under its key. False: it was not good any more, does not fit, or a later one is there. Once only of each.
  bool put(const CachedResultRef& result);
  // What is now being made will be put under a key of this hash.
  void prefetch(uint64_t hash) const { __builtin_prefetch(shards_[shard_of(hash)].get()); }
  // A smaller bound takes effect before this returns.
  void set_max_bytes(uint64_t max_bytes);
  // How many went.
  size_t flush();
  size_t flush_rule(uint64_t rule);
  size_t flush_database(uint64_t database);

  uint64_t used_bytes() const { return budget_.used(); }
  uint64_t max_bytes() const { return budget_.limit(); }
  size_t size() const;
  size_t slots() const;  // of its tables
  uint64_t evictions() const { return evictions_.load(std::memory_order_relaxed); }

 private:
  size_t shard_of(uint64_t hash) const { return (hash >> 40) % shards_.size(); }
  bool evict_one(size_t first_shard);
  size_t drop_if(const std::function<bool(const CachedResult&)>& unwanted);

  MemoryBudget budget_;
  std::vector<std::unique_ptr<ResultShard>> shards_;
  std::atomic<uint64_t> evictions_{0};
};

}  // namespace sportello::cache
