#include "cache/lost_fences.h"

#include <gtest/gtest.h>

#include <vector>

namespace sportello::cache {
namespace {

struct LostFencesTest : testing::Test {
  TableStates tables;
  FreshnessBoard board{tables};
  TableState& notaries = tables.of(1);
  TableState& acts = tables.of(2);
  LostFences lost;
  LostFences::TimePoint now{std::chrono::hours(1)};

  void told(std::vector<uint32_t> asked, std::vector<LostFences::Process> there) {
    lost.still_there(asked, there, now);
  }
};

TEST_F(LostFencesTest, StayUpUntilTheirProcessIsGone) {
  lost.add(Fence(board, {&notaries}), 100);
  lost.add(Fence(board, {&acts}), 200);
  EXPECT_EQ(lost.process_ids(), (std::vector<uint32_t>{100, 200}));
  told({100, 200}, {{100, "1"}});
  EXPECT_EQ(notaries.fences, 1U);
  EXPECT_EQ(acts.fences, 0U);
  EXPECT_EQ(acts.epoch, 1U);
  EXPECT_EQ(acts.last_write, board.sequence());
  EXPECT_EQ(lost.process_ids(), std::vector<uint32_t>{100});
}

TEST_F(LostFencesTest, AnAnswerSaysNothingOfProcessesThatWereNotAskedAbout) {
  lost.add(Fence(board, {&notaries}), 100);
  told({200}, {});
  EXPECT_EQ(notaries.fences, 1U);
}

TEST_F(LostFencesTest, ANumberThatHasGoneToAnotherProcessIsNotWaitedFor) {
  lost.add(Fence(board, {&notaries}), 100);
  told({100}, {{100, "1.5"}});
  told({100}, {{100, "1.5"}});
  EXPECT_EQ(notaries.fences, 1U);
  told({100}, {{100, "9.5"}});
  EXPECT_EQ(notaries.fences, 0U);
  EXPECT_EQ(notaries.epoch, 1U);
}

TEST_F(LostFencesTest, WhoDoesNotSayWhenItWasStartedIsTakenForTheSame) {
  lost.add(Fence(board, {&notaries}), 100);
  told({100}, {{100, ""}});
  told({100}, {{100, ""}});
  EXPECT_EQ(notaries.fences, 1U);
}

TEST_F(LostFencesTest, AreNotKeptForEverBySomebodyElsesProcess) {
  lost.add(Fence(board, {&notaries}), 100);
  now += std::chrono::hours(5);  // the primary did not answer
  told({100}, {{100, "1"}});
  now += LostFences::kMostKept - std::chrono::nanoseconds(1);
  told({100}, {{100, "1"}});
  EXPECT_EQ(notaries.fences, 1U);
  now += std::chrono::nanoseconds(1);
  told({100}, {{100, "1"}});
  EXPECT_EQ(notaries.fences, 0U);
  EXPECT_EQ(notaries.epoch, 1U);
}

TEST_F(LostFencesTest, AllSettleWhereNobodyCanBeAsked) {
  lost.add(Fence(board, {&notaries}), 100);
  lost.add(Fence(board, {&acts}), 200);
  lost.settle_all();
  EXPECT_EQ(notaries.fences, 0U);
  EXPECT_EQ(notaries.epoch, 1U);
  EXPECT_EQ(acts.fences, 0U);
  EXPECT_EQ(lost.size(), 0U);
}

TEST_F(LostFencesTest, AFenceThatIsDownIsNotKept) {
  lost.add(Fence(), 100);
  EXPECT_EQ(lost.size(), 0U);
}

TEST_F(LostFencesTest, AreBounded) {
  lost.add(Fence(board, {&acts}), 1);
  for (size_t i = 0; i < LostFences::kMax; ++i) lost.add(Fence(board, {&notaries}), 2);
  EXPECT_EQ(lost.size(), LostFences::kMax);
  EXPECT_EQ(acts.fences, 0U) << "the first goes first";
  EXPECT_EQ(acts.epoch, 1U);
}

}  // namespace
}  // namespace sportello::cache
