#include "cache/lost_fences.h"

#include <gtest/gtest.h>

#include <array>

namespace sportello::cache {
namespace {

struct LostFencesTest : testing::Test {
  TableStates tables;
  FreshnessBoard board{tables};
  TableState& notaries = tables.of(1);
  TableState& acts = tables.of(2);
  LostFences lost;
  LostFences::TimePoint now{std::chrono::hours(1)};
  const LostFences::TimePoint later = now + std::chrono::seconds(10);
};

TEST_F(LostFencesTest, StayUpUntilTheirProcessIsGone) {
  lost.add(Fence(board, {&notaries}), 100, later);
  lost.add(Fence(board, {&acts}), 200, later);
  EXPECT_EQ(lost.process_ids(), (std::vector<uint32_t>{100, 200}));
  lost.still_there(std::array{100U, 200U}, std::array{100U});
  EXPECT_EQ(notaries.fences, 1U);
  EXPECT_EQ(acts.fences, 0U);
  EXPECT_EQ(acts.epoch, 1U);
  EXPECT_EQ(acts.last_write, board.sequence());
  EXPECT_EQ(lost.process_ids(), std::vector<uint32_t>{100});
}

TEST_F(LostFencesTest, AnAnswerSaysNothingOfProcessesThatWereNotAskedAbout) {
  lost.add(Fence(board, {&notaries}), 100, later);
  lost.still_there(std::array{200U}, {});
  EXPECT_EQ(notaries.fences, 1U);
}

TEST_F(LostFencesTest, SettleAtTheirDeadline) {
  lost.add(Fence(board, {&notaries}), 100, later);
  lost.expire(later - std::chrono::nanoseconds(1));
  EXPECT_EQ(notaries.fences, 1U);
  lost.expire(later);
  EXPECT_EQ(notaries.fences, 0U);
  EXPECT_EQ(notaries.epoch, 1U);
}

TEST_F(LostFencesTest, AFenceThatIsDownIsNotKept) {
  lost.add(Fence(), 100, later);
  EXPECT_EQ(lost.size(), 0U);
}

TEST_F(LostFencesTest, AreBounded) {
  lost.add(Fence(board, {&acts}), 1, now);
  for (size_t i = 0; i < LostFences::kMax; ++i) lost.add(Fence(board, {&notaries}), 2, later);
  EXPECT_EQ(lost.size(), LostFences::kMax);
  EXPECT_EQ(acts.fences, 0U) << "the earliest deadline goes first";
  EXPECT_EQ(acts.epoch, 1U);
}

}  // namespace
}  // namespace sportello::cache
