// What became of the reads that a rule takes: for SHOW CACHE RULES. One worker's share; written by that
// worker alone, so that counting needs no locked instruction, and read by whoever adds the shares up.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

#include "cache/cache_rules.h"
#include "cache/result_recorder.h"
#include "cache/result_store.h"

namespace sportello::cache {

// A count of each value of an enum that begins at zero.
template <typename Reason, size_t kValues>
using CountPer = std::array<std::atomic<uint64_t>, kValues>;

struct RuleCounts {
  static constexpr size_t kLookUps = static_cast<size_t>(LookUp::Incomplete) + 1;
  static constexpr size_t kReasons = static_cast<size_t>(NotCached::Unguarded) + 1;
  static constexpr size_t kRefusals = static_cast<size_t>(Refusal::Malformed) + 1;

  CountPer<LookUp, kLookUps> look_ups{};       // hits, and misses by what was found
  CountPer<NotCached, kReasons> not_cached{};  // taken by the rule, and not looked for at all
  CountPer<Refusal, kRefusals> refused{};      // answers that are not for keeping
  std::atomic<uint64_t> joined{0};             // misses that another's answer served
  std::atomic<uint64_t> stored{0};
  std::atomic<uint64_t> not_stored{0};  // a table was written meanwhile, or there is no room
  std::atomic<uint64_t> bytes{0};       // sent to clients
  // mode = "shadow": hits that the server answered all the same, and those in which it said something else
  // while the result was valid, before and after.
  std::atomic<uint64_t> shadow_hits{0};
  std::atomic<uint64_t> shadow_differences{0};

  static void add(std::atomic<uint64_t>& counter, uint64_t by = 1) {
    counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
  }
  template <typename Reason, size_t kValues>
  static void add(CountPer<Reason, kValues>& counters, Reason of) {
    add(counters[static_cast<size_t>(of)]);
  }
};

// The same as plain numbers, of all workers together.
struct RuleTotals {
  std::array<uint64_t, RuleCounts::kLookUps> look_ups{};
  std::array<uint64_t, RuleCounts::kReasons> not_cached{};
  std::array<uint64_t, RuleCounts::kRefusals> refused{};
  uint64_t joined = 0;
  uint64_t stored = 0;
  uint64_t not_stored = 0;
  uint64_t bytes = 0;
  uint64_t shadow_hits = 0;
  uint64_t shadow_differences = 0;

  void add(const RuleCounts& counts);
  uint64_t hits() const { return look_ups[static_cast<size_t>(LookUp::Hit)]; }
  uint64_t misses() const;
};

// One worker's counts by rule. They outlive reloads: a rule is known by its name.
class WorkerRuleCounts {
 public:
  // By the worker's own thread; good as long as this object.
  RuleCounts& of(uint64_t rule);
  // From any thread.
  void add_to(uint64_t rule, RuleTotals& totals) const;

 private:
  mutable std::mutex mutex_;  // guards the map, not the counts
  std::map<uint64_t, RuleCounts> counts_;
};

}  // namespace sportello::cache
