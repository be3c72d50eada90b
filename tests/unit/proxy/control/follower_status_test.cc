#include "proxy/router/follower_status.h"

#include <gtest/gtest.h>

namespace sportello::proxy {
namespace {

struct FollowerStatusTest : testing::Test {
  cache::TableStates tables;
  cache::FreshnessBoard board{tables};
  FollowerStatus status{board};
  FollowerStatus::Clock::time_point now{std::chrono::hours(1)};
};

TEST_F(FollowerStatusTest, GuardsEndByThemselves) {
  EXPECT_FALSE(status.guards(now));
  status.set_good_until(now + std::chrono::seconds(1));
  EXPECT_TRUE(status.guards(now));
  EXPECT_FALSE(status.guards(now + std::chrono::seconds(1))) << "nobody renewed it";
  status.set_good_until(now + std::chrono::seconds(5));
  EXPECT_TRUE(status.guards(now + std::chrono::seconds(1)));
  status.set_not_good();
  EXPECT_FALSE(status.guards(now));
}

TEST_F(FollowerStatusTest, WhatIsCoveredHasAVersion) {
  const uint64_t before = status.covered_version();
  EXPECT_FALSE(status.covers(7));
  status.set_covered({5, 7});
  EXPECT_TRUE(status.covers(7));
  EXPECT_FALSE(status.covers(6));
  EXPECT_NE(status.covered_version(), before);
}

}  // namespace
}  // namespace sportello::proxy
