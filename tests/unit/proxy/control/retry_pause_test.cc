#include "proxy/control/retry_pause.h"

#include <gtest/gtest.h>

namespace sportello::proxy {
namespace {

using std::chrono::milliseconds;

TEST(RetryPause, GrowsUpToAboutASecond) {
  EXPECT_EQ(retry_pause(1, 0), milliseconds(100));
  EXPECT_EQ(retry_pause(2, 0), milliseconds(200));
  EXPECT_EQ(retry_pause(4, 0), milliseconds(800));
  EXPECT_EQ(retry_pause(5, 0), milliseconds(800));
  EXPECT_EQ(retry_pause(4'000'000'000, 0), milliseconds(800));
}

TEST(RetryPause, IsHalfAsMuchLongerAtMost) {
  EXPECT_EQ(retry_pause(1, 49), milliseconds(149));
  EXPECT_EQ(retry_pause(1, 50), milliseconds(100));
  EXPECT_EQ(retry_pause(9, 399), milliseconds(1199));
}

}  // namespace
}  // namespace sportello::proxy
