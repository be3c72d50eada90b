#include "proxy/http/metrics_text.h"

#include <gtest/gtest.h>

#include <cmath>

namespace sportello::proxy {
namespace {

using Type = MetricsText::Type;

TEST(MetricsText, WritesAFamilyWithItsHelpItsTypeAndItsSamples) {
  MetricsText out;
  out.family("queries_total", Type::Counter, "Queries.");
  out.sample({{"database", "app"}, {"user", "alice"}}, 3U);
  out.sample({{"database", "app"}, {"user", "bob"}}, 0U);
  out.family("clients", Type::Gauge, "Clients.");
  out.sample({}, 7);
  EXPECT_EQ(out.text(),
            "# HELP queries_total Queries.\n"
            "# TYPE queries_total counter\n"
            "queries_total{database=\"app\",user=\"alice\"} 3\n"
            "queries_total{database=\"app\",user=\"bob\"} 0\n"
            "# HELP clients Clients.\n"
            "# TYPE clients gauge\n"
            "clients 7\n");
}

TEST(MetricsText, LeavesOutAFamilyWithoutSamples) {
  MetricsText out;
  out.family("nobody", Type::Gauge, "No samples.");
  out.family("somebody", Type::Gauge, "One.");
  out.sample({}, 1);
  EXPECT_EQ(out.text(), "# HELP somebody One.\n# TYPE somebody gauge\nsomebody 1\n");
}

TEST(MetricsText, EscapesLabelValues) {
  MetricsText out;
  out.family("x", Type::Gauge, "A \\ and\na second line, \"quoted\".");
  out.sample({{"name", "say \"hi\""}}, 1);
  out.sample({{"name", "back\\slash\nline\x1b"}}, 1);
  EXPECT_EQ(out.text(),
            "# HELP x A \\\\ and\\na second line, \"quoted\".\n"
            "# TYPE x gauge\n"
            "x{name=\"say \\\"hi\\\"\"} 1\n"
            "x{name=\"back\\\\x5cslash\\\\x0aline\\\\x1b\"} 1\n");
}

TEST(MetricsText, WritesNumbersSoThatNothingIsLost) {
  MetricsText out;
  out.family("x", Type::Gauge, "");
  out.sample({}, uint64_t{18'446'744'073'709'551'615U});
  out.sample({}, int64_t{-5});
  out.sample({}, 0.1);
  out.sample({}, 1e300);
  out.sample({}, std::nan(""));
  out.sample({}, INFINITY);
  out.sample({}, -INFINITY);
  EXPECT_EQ(out.text(),
            "# HELP x \n# TYPE x gauge\n"
            "x 18446744073709551615\nx -5\nx 0.1\nx 1e+300\nx NaN\nx +Inf\nx -Inf\n");
}

using MetricsTextDeathTest = testing::Test;

TEST(MetricsTextDeathTest, AFamilyIsWrittenOnceAndACounterIsCalledOne) {
  MetricsText out;
  out.family("x", Type::Gauge, "");
  EXPECT_DEATH(out.family("x", Type::Gauge, ""), "written once");
  EXPECT_DEATH(out.family("y", Type::Counter, ""), "_total");
  EXPECT_DEATH(out.family("y_total", Type::Gauge, ""), "_total");
}

}  // namespace
}  // namespace sportello::proxy
