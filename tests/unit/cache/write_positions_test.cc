#include "cache/write_positions.h"

#include <gtest/gtest.h>

namespace sportello::cache {
namespace {

TEST(WritePositions, KnowsNothingAtFirst) {
  const WritePositions positions;
  EXPECT_EQ(positions.newest(), 0U);
  EXPECT_EQ(positions.reached_at(Lsn{UINT64_MAX}), 0U);
  EXPECT_EQ(positions.position_of(1), std::nullopt);
  EXPECT_EQ(positions.sequence_at(Lsn{1}), std::nullopt);
}

TEST(WritePositions, AReplicaHasReachedWhatLiesAtOrBelowIt) {
  WritePositions positions;
  positions.add(3, Lsn{100});
  positions.add(7, Lsn{200});
  EXPECT_EQ(positions.reached_at(Lsn{99}), 0U);
  EXPECT_EQ(positions.reached_at(Lsn{100}), 3U);
  EXPECT_EQ(positions.reached_at(Lsn{199}), 3U);
  EXPECT_EQ(positions.reached_at(Lsn{200}), 7U);
}

TEST(WritePositions, OneQuestionAnswersForAllWritesBeforeIt) {
  WritePositions positions;
  positions.add(3, Lsn{100});
  positions.add(7, Lsn{200});
  EXPECT_EQ(positions.position_of(1), Lsn{100});
  EXPECT_EQ(positions.position_of(4), Lsn{200});
  EXPECT_EQ(positions.position_of(8), std::nullopt);
}

TEST(WritePositions, APositionBehindTheNewestCountsAsTheNewest) {
  WritePositions positions;
  positions.add(3, Lsn{100});
  positions.add(7, Lsn{50});
  EXPECT_EQ(positions.reached_at(Lsn{99}), 0U);
  EXPECT_EQ(positions.reached_at(Lsn{100}), 7U);
  EXPECT_EQ(positions.size(), 1U);
}

TEST(WritePositions, AnOlderAnswerSaysNothingNew) {
  WritePositions positions;
  positions.add(7, Lsn{200});
  positions.add(3, Lsn{300});
  EXPECT_EQ(positions.reached_at(Lsn{200}), 7U);
  EXPECT_EQ(positions.size(), 1U);
}

TEST(WritePositions, AFloorFromOutsideIsReachedNoEarlierThanItsPosition) {
  WritePositions positions;
  positions.add(3, Lsn{100});
  positions.add(7, Lsn{200});
  EXPECT_EQ(positions.sequence_at(Lsn{100}), 3U);
  EXPECT_EQ(positions.sequence_at(Lsn{101}), 7U);
  EXPECT_EQ(positions.sequence_at(Lsn{201}), std::nullopt);
}

TEST(WritePositions, ForgettingPairsMakesWritesCountLaterNeverEarlier) {
  WritePositions positions;
  constexpr uint64_t kPairs = 20'000;
  for (uint64_t i = 1; i <= kPairs; ++i) positions.add(i, Lsn{i * 10});
  EXPECT_LE(positions.size(), WritePositions::kMax);
  for (uint64_t i = 1; i <= kPairs; i += 97) {
    EXPECT_LE(positions.reached_at(Lsn{i * 10}), i);
    EXPECT_GE(positions.position_of(i), Lsn{i * 10});
  }
  EXPECT_EQ(positions.reached_at(Lsn{kPairs * 10}), kPairs);
}

}  // namespace
}  // namespace sportello::cache
