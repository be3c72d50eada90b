#include "proxy/stats/stats_sampler.h"

#include <algorithm>

#include "proxy/pool/pool_runtime.h"

namespace sportello::proxy {

void StatTotals::add(const StatTotals& other) {
  std::transform(values_.begin(), values_.end(), other.values_.begin(), values_.begin(), std::plus<>());
}

StatTotals StatTotals::of(const PoolStats& stats) {
  const auto read = [](const std::atomic<uint64_t>& counter) {
    return counter.load(std::memory_order_relaxed);
  };
  StatTotals totals;
  totals[Stat::ServerAssignments] = read(stats.server_assignments);
  totals[Stat::Transactions] = read(stats.transactions);
  totals[Stat::Queries] = read(stats.queries);
  totals[Stat::ClientBytes] = read(stats.client_bytes);
  totals[Stat::ServerBytes] = read(stats.server_bytes);
  totals[Stat::TransactionTime] = read(stats.transaction_us);
  totals[Stat::QueryTime] = read(stats.query_us);
  totals[Stat::WaitTime] = read(stats.wait_us);
  totals[Stat::ClientParses] = read(stats.client_parses);
  totals[Stat::ServerParses] = read(stats.server_parses);
  totals[Stat::Binds] = read(stats.binds);
  return totals;
}

StatTotals StatTotals::averages_since(const StatTotals& then, std::chrono::microseconds elapsed) const {
  // Less than before: pools were forgotten with what they had counted (autodb_idle_timeout).
  const auto grown = [&](Stat stat) { return (*this)[stat] < then[stat] ? 0 : (*this)[stat] - then[stat]; };
  const auto a_second = [&](Stat stat) {
    constexpr double kMicroseconds = 1e6;
    return elapsed.count() <= 0 ? 0
                                : static_cast<uint64_t>(static_cast<double>(grown(stat)) * kMicroseconds /
                                                        static_cast<double>(elapsed.count()));
  };
  const auto each = [&](Stat time, Stat count) { return grown(count) == 0 ? 0 : grown(time) / grown(count); };
  StatTotals averages;
  for (size_t i = 0; i < kStatCount; i++) {
    averages.values_[i] = a_second(static_cast<Stat>(i));
  }
  averages[Stat::TransactionTime] = each(Stat::TransactionTime, Stat::Transactions);
  averages[Stat::QueryTime] = each(Stat::QueryTime, Stat::Queries);
  averages[Stat::WaitTime] = each(Stat::WaitTime, Stat::ServerAssignments);
  return averages;
}

DatabaseTotals totals_of(const std::vector<std::shared_ptr<PoolRuntime>>& pools) {
  DatabaseTotals totals;
  for (const auto& pool : pools) {
    StatTotals& of_database = totals[pool->database->name];
    for (const PoolRuntime::PerWorker& part : pool->workers) {
      if (part.has_stats.load()) {
        of_database.add(StatTotals::of(*part.stats));
      }
    }
  }
  return totals;
}

bool StatsSampler::tick(Time now, std::chrono::milliseconds period,
                        const std::vector<std::shared_ptr<PoolRuntime>>& pools) {
  const std::lock_guard lock(mutex_);
  if (now - newer_.at < period) {
    return false;
  }
  older_ = std::move(newer_);
  newer_ = {.at = now, .totals = totals_of(pools)};
  for (const auto& [database, totals] : newer_.totals) {
    newer_.sum.add(totals);
  }
  return true;
}

StatTotals StatsSampler::averages(const std::string& database, const StatTotals& totals, Time now) const {
  const std::lock_guard lock(mutex_);
  const auto then = older_.totals.find(database);
  return totals.averages_since(then == older_.totals.end() ? StatTotals() : then->second,
                               std::chrono::duration_cast<std::chrono::microseconds>(now - older_.at));
}

StatTotals StatsSampler::averages(const StatTotals& totals, Time now) const {
  const std::lock_guard lock(mutex_);
  return totals.averages_since(older_.sum,
                               std::chrono::duration_cast<std::chrono::microseconds>(now - older_.at));
}

}  // namespace sportello::proxy
