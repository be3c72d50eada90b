// How long requests took, kept small: counts in buckets whose width is at most 1/128 of what they hold, from
// 1 µs to over an hour. A percentile is therefore right to within 0.8 %, and never below the true value's
// bucket.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

namespace sportello::portal {

class LatencyHistogram {
 public:
  using Microseconds = std::chrono::microseconds;

  void record(Microseconds latency);

  uint64_t count() const { return count_; }
  Microseconds max() const { return Microseconds{static_cast<int64_t>(max_)}; }
  Microseconds mean() const;

  // The time within which `percent` of the requests were done: the upper end of its bucket, the maximum at
  // most. Zero if there were none.
  Microseconds percentile(double percent) const;

 private:
  std::vector<uint64_t> buckets_;
  uint64_t count_ = 0;
  uint64_t sum_ = 0;  // µs
  uint64_t max_ = 0;  // µs
};

}  // namespace sportello::portal
