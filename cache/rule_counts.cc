#include "cache/rule_counts.h"

#include <numeric>

namespace sportello::cache {
namespace {

template <size_t kValues>
void add_each(std::array<uint64_t, kValues>& totals,
              const std::array<std::atomic<uint64_t>, kValues>& counts) {
  for (size_t i = 0; i < kValues; ++i) totals[i] += counts[i].load(std::memory_order_relaxed);
}

}  // namespace

void RuleTotals::add(const RuleCounts& counts) {
  add_each(look_ups, counts.look_ups);
  add_each(not_cached, counts.not_cached);
  add_each(refused, counts.refused);
  joined += counts.joined.load(std::memory_order_relaxed);
  stored += counts.stored.load(std::memory_order_relaxed);
  not_stored += counts.not_stored.load(std::memory_order_relaxed);
  bytes += counts.bytes.load(std::memory_order_relaxed);
  shadow_hits += counts.shadow_hits.load(std::memory_order_relaxed);
  shadow_differences += counts.shadow_differences.load(std::memory_order_relaxed);
}

uint64_t RuleTotals::misses() const {
  return std::accumulate(look_ups.begin(), look_ups.end(), uint64_t{0}) - hits();
}

RuleCounts& WorkerRuleCounts::of(uint64_t rule) {
  const std::scoped_lock lock(mutex_);
  return counts_[rule];
}

void WorkerRuleCounts::add_to(uint64_t rule, RuleTotals& totals) const {
  const std::scoped_lock lock(mutex_);
  const auto found = counts_.find(rule);
  if (found != counts_.end()) totals.add(found->second);
}

}  // namespace sportello::cache
