#include "tests/portal/load/latency_histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace sportello::portal {
namespace {

// Values below 2 * kSteps have a bucket each; above, each power of two is cut into kSteps buckets.
constexpr int kStepBits = 7;
constexpr uint64_t kSteps = 1 << kStepBits;
constexpr uint64_t kLargest = uint64_t{1} << 32;

size_t bucket_of(uint64_t value) {
  if (value < 2 * kSteps) return value;
  const auto shift = static_cast<int>(std::bit_width(value)) - 1 - kStepBits;
  return static_cast<size_t>(shift) * kSteps + (value >> shift);
}

uint64_t upper_end(size_t bucket) {
  if (bucket < 2 * kSteps) return bucket;
  const size_t shift = bucket / kSteps - 1;
  return ((bucket - shift * kSteps + 1) << shift) - 1;
}

}  // namespace

void LatencyHistogram::record(Microseconds latency) {
  const auto value =
      std::min<uint64_t>(static_cast<uint64_t>(std::max<int64_t>(latency.count(), 0)), kLargest);
  const auto bucket = bucket_of(value);
  if (bucket >= buckets_.size()) buckets_.resize(bucket + 1);
  ++buckets_[bucket];
  ++count_;
  sum_ += value;
  max_ = std::max(max_, value);
}

LatencyHistogram::Microseconds LatencyHistogram::mean() const {
  return Microseconds{static_cast<int64_t>(count_ == 0 ? 0 : sum_ / count_)};
}

LatencyHistogram::Microseconds LatencyHistogram::percentile(double percent) const {
  const auto wanted = static_cast<uint64_t>(std::ceil(percent / 100 * static_cast<double>(count_)));
  uint64_t seen = 0;
  for (size_t bucket = 0; bucket < buckets_.size(); ++bucket) {
    seen += buckets_[bucket];
    if (buckets_[bucket] > 0 && seen >= wanted) {
      return Microseconds{static_cast<int64_t>(std::min(upper_end(bucket), max_))};
    }
  }
  return Microseconds{0};
}

}  // namespace sportello::portal
