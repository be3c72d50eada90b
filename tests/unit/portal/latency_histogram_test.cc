#include "tests/portal/load/latency_histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace sportello::portal {
namespace {

using std::chrono::microseconds;

TEST(LatencyHistogram, SaysNothingOfNoRequests) {
  const LatencyHistogram histogram;
  EXPECT_EQ(histogram.percentile(99).count(), 0);
  EXPECT_EQ(histogram.mean().count(), 0);
}

TEST(LatencyHistogram, IsExactForSmallValues) {
  LatencyHistogram histogram;
  for (int value = 1; value <= 100; ++value) histogram.record(microseconds{value});
  EXPECT_EQ(histogram.percentile(50).count(), 50);
  EXPECT_EQ(histogram.percentile(95).count(), 95);
  EXPECT_EQ(histogram.percentile(100).count(), 100);
  EXPECT_EQ(histogram.mean().count(), 50);
}

TEST(LatencyHistogram, NeverSaysMoreThanTheSlowestRequest) {
  LatencyHistogram histogram;
  histogram.record(microseconds{1'000'001});
  EXPECT_EQ(histogram.percentile(99).count(), 1'000'001);
}

TEST(LatencyHistogram, TakesTimesBelowZeroAndBeyondAnHour) {
  LatencyHistogram histogram;
  histogram.record(microseconds{-5});
  histogram.record(std::chrono::hours{5});
  EXPECT_EQ(histogram.percentile(50).count(), 0);
  EXPECT_GT(histogram.max(), std::chrono::hours{1});
}

TEST(LatencyHistogram, IsWithinOnePercentOfTheSortedValues) {
  std::mt19937_64 random(7);
  LatencyHistogram histogram;
  std::vector<int64_t> values;
  for (int at = 0; at < 20'000; ++at) {
    values.push_back(static_cast<int64_t>(random() % (uint64_t{1} << (random() % 31))));
    histogram.record(microseconds{values.back()});
  }
  std::sort(values.begin(), values.end());
  for (const double percent : {1.0, 25.0, 50.0, 95.0, 99.0, 99.9}) {
    const auto exact = values[static_cast<size_t>(percent / 100 * 20'000) - 1];
    const auto said = histogram.percentile(percent).count();
    EXPECT_GE(said, exact) << percent;
    EXPECT_LE(static_cast<double>(said), static_cast<double>(exact) * 1.008 + 1) << percent;
  }
}

}  // namespace
}  // namespace sportello::portal
