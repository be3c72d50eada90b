#include "tests/portal/load/load_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sportello::portal {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::Not;

const std::vector<Request> kRequests = {{"list", {}}, {"create", {}}};

LoadStatistics statistics() {
  LoadStatistics all(2);
  for (int at = 0; at < 999; ++at) all.succeeded(0, milliseconds{20});
  all.failed({"53300", "sorry, too many clients already"});
  return all;
}

TEST(LoadReport, ComparesWithThePortalsTargets) {
  LoadOptions options;
  options.targets = true;
  const auto all = statistics();
  const LoadReport slow{options, kRequests, all, 2.0, ServerConnections{30, 100}};
  EXPECT_FALSE(all_met(findings(slow)));
  EXPECT_THAT(as_table(slow),
              HasSubstr("requests/s                    500       target at least 1000     MISSED"));
  EXPECT_THAT(as_table(slow),
              HasSubstr("server connections             30       target below      31     ok"));
  EXPECT_THAT(as_table(slow), HasSubstr("53300              1  sorry, too many clients already"));
}

TEST(LoadReport, IsMetOnlyIfEveryTargetIs) {
  const LoadOptions options;
  LoadStatistics all(2);
  for (int at = 0; at < 1000; ++at) all.succeeded(0, milliseconds{20});
  EXPECT_TRUE(all_met(findings({options, kRequests, all, 1.0, ServerConnections{30, 100}})));
  EXPECT_FALSE(all_met(findings({options, kRequests, all, 1.0, ServerConnections{31, 100}})));
  EXPECT_FALSE(all_met(findings({options, kRequests, all, 1.0, ServerConnections{25, 30}})));
  EXPECT_FALSE(all_met(findings({options, kRequests, all, 1.1, std::nullopt})));
}

TEST(LoadReport, LeavesOutWhatWasNotAskedFor) {
  const LoadOptions options;
  const auto table = as_table({options, kRequests, statistics(), 1.0, std::nullopt});
  EXPECT_THAT(table, Not(HasSubstr("target")));
  EXPECT_THAT(table, Not(HasSubstr("create")));
  EXPECT_THAT(table, Not(HasSubstr("connections")));
}

TEST(LoadReport, HasTheSameNumbersAsJson) {
  const LoadOptions options;
  const auto json = as_json({options, kRequests, statistics(), 2.0, ServerConnections{30, 100}});
  EXPECT_THAT(json, HasSubstr(R"("error_percent": {
            "measured": 0.1,
            "below": 0.1,
            "met": false)"));
  EXPECT_THAT(json, HasSubstr(R"("first_message": "sorry, too many clients already")"));
}

}  // namespace
}  // namespace sportello::portal
