// What each database has done in total (PoolStats, summed), and on average of late: the totals are noted
// every stats_period, and an average is taken from the note before the last one to now, so it covers between
// one and two periods, as PgBouncer's does. Ticks on one worker's thread; read from any.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "proxy/stats/pool_stats.h"

namespace sportello::proxy {

struct PoolRuntime;

// In the order in which SHOW STATS has them.
enum class Stat : uint8_t {
  ServerAssignments,
  Transactions,
  Queries,
  ClientBytes,
  ServerBytes,
  TransactionTime,  // microseconds, as the next two
  QueryTime,
  WaitTime,
  ClientParses,
  ServerParses,
  Binds,
};
inline constexpr size_t kStatCount = 11;

class StatTotals {
 public:
  uint64_t& operator[](Stat stat) { return values_[static_cast<size_t>(stat)]; }
  uint64_t operator[](Stat stat) const { return values_[static_cast<size_t>(stat)]; }
  const std::array<uint64_t, kStatCount>& values() const { return values_; }
  void add(const StatTotals& other);

  static StatTotals of(const PoolStats& stats);
  // From `then` to these, `elapsed` later: counts and bytes a second, times a transaction, a query, an
  // assignment.
  StatTotals averages_since(const StatTotals& then, std::chrono::microseconds elapsed) const;

 private:
  std::array<uint64_t, kStatCount> values_{};
};

using DatabaseTotals = std::map<std::string, StatTotals>;

DatabaseTotals totals_of(const std::vector<std::shared_ptr<PoolRuntime>>& pools);

class StatsSampler {
 public:
  using Time = std::chrono::steady_clock::time_point;

  explicit StatsSampler(Time now) : older_{.at = now}, newer_{.at = now} {}

  // Notes the totals if it is time. True if so.
  bool tick(Time now, std::chrono::milliseconds period,
            const std::vector<std::shared_ptr<PoolRuntime>>& pools);
  // The averages of a database, or of all summed under `totals`, up to now.
  StatTotals averages(const std::string& database, const StatTotals& totals, Time now) const;
  StatTotals averages(const StatTotals& totals, Time now) const;

 private:
  struct Sample {
    Time at;
    DatabaseTotals totals;
    StatTotals sum;
  };

  mutable std::mutex mutex_;
  Sample older_;  // guarded by mutex_, as is the next
  Sample newer_;
};

}  // namespace sportello::proxy
