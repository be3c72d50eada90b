#include "protocol/replication/lsn.h"

#include <gtest/gtest.h>

namespace sportello {
namespace {

constexpr WalLayout kUsual{8192, 16ULL << 20};

TEST(Lsn, ReadsWhatPostgresqlShows) {
  EXPECT_EQ(parse_lsn("0/1634FA8"), Lsn{0x1634FA8});
  EXPECT_EQ(parse_lsn("16/b374d848"), Lsn{0x16B374D848});
  EXPECT_EQ(parse_lsn("FFFFFFFF/FFFFFFFF"), Lsn{UINT64_MAX});
}

TEST(Lsn, TakesNothingElse) {
  for (const char* text :
       {"", "/", "0/", "/0", "0", "0/0/0", "0/123456789", "g/0", "0/-1", "0x1/0", " 0/0", "0/0 ", "+0/0"})
    EXPECT_FALSE(parse_lsn(text)) << text;
}

TEST(Lsn, IsWrittenAsPostgresqlWritesIt) {
  for (const char* text : {"0/0", "0/1634FA8", "16/B374D848", "FFFFFFFF/FFFFFFFF", "1/10"})
    EXPECT_EQ(to_string(*parse_lsn(text)), text);
}

TEST(Lsn, AnInsertPositionBehindAPageHeaderIsThePagesStart) {
  EXPECT_EQ(replay_end_of(Lsn{0x1002000 + 24}, kUsual), Lsn{0x1002000});
  EXPECT_EQ(replay_end_of(Lsn{0x1000000 + 40}, kUsual), Lsn{0x1000000});
}

TEST(Lsn, ByteFortyOfAPageWithinASegmentCanEndARecord) {
  EXPECT_EQ(replay_end_of(Lsn{0x1002000 + 40}, kUsual), Lsn{0x1002000 + 40});
}

TEST(Lsn, AnyOtherPositionStays) {
  for (const uint64_t offset : {0U, 16U, 23U, 25U, 32U, 48U, 8184U})
    EXPECT_EQ(replay_end_of(Lsn{0x1002000 + offset}, kUsual), Lsn{0x1002000 + offset});
}

TEST(Lsn, WhatIsNotKnownOfTheLayoutChangesNothing) {
  EXPECT_EQ(replay_end_of(Lsn{0x1002000 + 24}, WalLayout{}), Lsn{0x1002000 + 24});
  EXPECT_EQ(replay_end_of(Lsn{0x1000000 + 40}, WalLayout{8192, 0}), Lsn{0x1000000 + 40});
}

}  // namespace
}  // namespace sportello
