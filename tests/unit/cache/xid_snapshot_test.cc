#include "cache/xid_snapshot.h"

#include <gtest/gtest.h>

namespace sportello::cache {
namespace {

XidSnapshot parsed(std::string_view text) {
  const auto snapshot = XidSnapshot::parse(text);
  EXPECT_TRUE(snapshot.has_value()) << text;
  return snapshot.value_or(XidSnapshot());
}

TEST(XidSnapshot, WhatIsListedOrYetToComeIsNotOver) {
  const XidSnapshot snapshot = parsed("10:20:10,14,15");
  for (const uint64_t xid : {3, 9, 11, 13, 16, 19}) EXPECT_TRUE(snapshot.is_over(xid)) << xid;
  for (const uint64_t xid : {10, 14, 15, 20, 21, 1000}) EXPECT_FALSE(snapshot.is_over(xid)) << xid;
  EXPECT_EQ(snapshot.running(), (std::vector<uint64_t>{10, 14, 15}));
}

TEST(XidSnapshot, NothingRuns) {
  const XidSnapshot snapshot = parsed("740:740:");
  EXPECT_TRUE(snapshot.is_over(739));
  EXPECT_FALSE(snapshot.is_over(740));
  EXPECT_TRUE(snapshot.running().empty());
}

TEST(XidSnapshot, TheLogsShortNumbersAreOfTheNearestEpoch) {
  // Two epochs on, 100 transactions after the numbers began anew.
  const XidSnapshot snapshot = parsed("8589934692:8589934700:8589934692,8589934695");
  EXPECT_FALSE(snapshot.is_over_in_log(100));
  EXPECT_TRUE(snapshot.is_over_in_log(101));
  EXPECT_FALSE(snapshot.is_over_in_log(103));
  EXPECT_FALSE(snapshot.is_over_in_log(108)) << "begun since";
  EXPECT_TRUE(snapshot.is_over_in_log(0xFFFF'FFF0U)) << "of the epoch before";
}

TEST(XidSnapshot, ATransactionOfTheNextEpochIsNotOverBeforeTheNumbersBeganAnew) {
  const XidSnapshot snapshot = parsed("4294967290:4294967294:");
  EXPECT_FALSE(snapshot.is_over_in_log(5)) << "it came after the snapshot";
  EXPECT_TRUE(snapshot.is_over_in_log(4294967293U));
}

TEST(XidSnapshot, AnythingElseIsRefused) {
  for (const std::string_view text : {"", "1", "1:", "1:2", "2:1:", "1:2:x", "1:2:1,", "1:2:,1", "a:b:c",
                                      "1:2:1;2", "-1:2:", "99999999999999999999:2:"}) {
    EXPECT_FALSE(XidSnapshot::parse(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace sportello::cache
