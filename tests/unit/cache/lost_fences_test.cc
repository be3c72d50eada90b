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
  LostFences lost{board, tables};
  LostFences::TimePoint now{std::chrono::hours(1)};

  std::vector<uint32_t> process_ids() { return lost.ask().process_ids; }
  void told(std::vector<LostFences::Process> there) { lost.still_there(lost.ask(), std::move(there), now); }
  void told_open(std::vector<std::string> open) { lost.still_open(lost.ask(), std::move(open), now); }
};

TEST_F(LostFencesTest, StayUpUntilTheirProcessIsGone) {
  lost.add(Fence(board, {&notaries}), 100);
  lost.add(Fence(board, {&acts}), 200);
  EXPECT_EQ(process_ids(), (std::vector<uint32_t>{100, 200}));
  told({{100, "1"}});
  EXPECT_EQ(notaries.fences, 1U);
  EXPECT_EQ(acts.fences, 0U);
  EXPECT_EQ(acts.epoch, 1U);
  EXPECT_EQ(acts.last_write, board.sequence());
  EXPECT_EQ(process_ids(), std::vector<uint32_t>{100});
}

TEST_F(LostFencesTest, AnAnswerSaysNothingOfWhoWasAddedMeanwhile) {
  lost.add(Fence(board, {&acts}), 100);
  const LostFences::Question question = lost.ask();
  lost.add(Fence(board, {&notaries}), 100);
  lost.add(Fence(board, {&notaries}), 0);
  lost.still_there(question, {}, now);
  lost.still_open(question, {}, now);
  EXPECT_EQ(acts.fences, 0U);
  EXPECT_EQ(notaries.fences, 2U);
}

TEST_F(LostFencesTest, WhereNoProcessIsKnownAllThatWasOpenIsWaitedFor) {
  EXPECT_FALSE(lost.ask().transactions);
  lost.add(Fence(board, {&notaries}), 0);
  EXPECT_TRUE(lost.ask().transactions);
  EXPECT_TRUE(process_ids().empty());
  told({});
  EXPECT_EQ(notaries.fences, 1U) << "which says nothing of it";
  told_open({"4/1", "3/7"});
  told_open({"3/7", "5/2"});
  EXPECT_EQ(notaries.fences, 1U);
  told_open({"3/8", "4/2", "5/2"});
  EXPECT_EQ(notaries.fences, 0U) << "others have begun since, but the first two are over";
  EXPECT_EQ(notaries.epoch, 1U);
  EXPECT_FALSE(lost.ask().transactions);
}

TEST_F(LostFencesTest, WhereNothingIsOpenNothingIsWaitedFor) {
  lost.add(Fence(board, {&notaries}), 0);
  told_open({});
  EXPECT_EQ(notaries.fences, 0U);
}

TEST_F(LostFencesTest, WhatStaysOpenIsNotWaitedForForEver) {
  lost.add(Fence(board, {&notaries}), 0);
  told_open({"3/7"});
  now += LostFences::kMostKept - std::chrono::nanoseconds(1);
  told_open({"3/7"});
  EXPECT_EQ(notaries.fences, 1U);
  now += std::chrono::nanoseconds(1);
  told_open({"3/7"});
  EXPECT_EQ(notaries.fences, 0U);
}

TEST_F(LostFencesTest, ANumberThatHasGoneToAnotherProcessIsNotWaitedFor) {
  lost.add(Fence(board, {&notaries}), 100);
  told({{100, "1.5"}});
  told({{100, "1.5"}});
  EXPECT_EQ(notaries.fences, 1U);
  told({{100, "9.5"}});
  EXPECT_EQ(notaries.fences, 0U);
  EXPECT_EQ(notaries.epoch, 1U);
}

TEST_F(LostFencesTest, WhoDoesNotSayWhenItWasStartedIsTakenForTheSame) {
  lost.add(Fence(board, {&notaries}), 100);
  told({{100, ""}});
  told({{100, ""}});
  EXPECT_EQ(notaries.fences, 1U);
}

TEST_F(LostFencesTest, AreNotKeptForEverBySomebodyElsesProcess) {
  lost.add(Fence(board, {&notaries}), 100);
  now += std::chrono::hours(5);  // the primary did not answer
  told({{100, "1"}});
  now += LostFences::kMostKept - std::chrono::nanoseconds(1);
  told({{100, "1"}});
  EXPECT_EQ(notaries.fences, 1U);
  now += std::chrono::nanoseconds(1);
  told({{100, "1"}});
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

struct ManyLostFences : LostFencesTest {
  ManyLostFences() {
    for (uint32_t id = 1; id <= LostFences::kMax; ++id) lost.add(Fence(board, {&acts}), id);
  }
};

TEST_F(ManyLostFences, FenceAllTablesUntilEverybodyIsGoneWhoCameAfter) {
  EXPECT_EQ(tables.all().fences, 0U);
  for (const uint32_t id : {10'001U, 10'002U, 10'002U, 10'001U}) lost.add(Fence(board, {&notaries}), id);
  EXPECT_EQ(acts.fences, LostFences::kMax) << "who came first is not forgotten for it";
  EXPECT_EQ(tables.all().fences, 1U);
  EXPECT_EQ(lost.size(), LostFences::kMax + 2);
  told({{10'001, "1"}, {10'002, "1"}});
  EXPECT_EQ(acts.fences, 0U);
  EXPECT_EQ(tables.all().fences, 1U);
  told({{10'001, "1"}});
  EXPECT_EQ(tables.all().fences, 1U);
  const uint64_t epoch = tables.all().epoch;
  told({});
  EXPECT_EQ(tables.all().fences, 0U);
  EXPECT_EQ(tables.all().epoch, epoch + 1);
  EXPECT_EQ(lost.size(), 0U);
}

TEST_F(ManyLostFences, WaitAnewForANumberThatIsLostAgain) {
  lost.add(Fence(board, {&notaries}), 10'001);
  told({{10'001, "1"}});
  lost.add(Fence(board, {&notaries}), 10'001);  // room there is, so it has a place of its own
  told({{10'001, "1"}});
  EXPECT_EQ(notaries.fences, 1U);
  for (uint32_t id = 1; id <= LostFences::kMax; ++id) lost.add(Fence(board, {&acts}), id);
  lost.add(Fence(board, {&notaries}), 10'001);
  told({{10'001, "2"}});
  EXPECT_EQ(tables.all().fences, 1U) << "the process that was lost last is that one, for all that is known";
}

TEST_F(ManyLostFences, FenceAllTablesForThoseWithoutANumber) {
  lost.add(Fence(board, {&notaries}), 0);
  told({});
  told_open({"3/7"});
  EXPECT_EQ(tables.all().fences, 1U);
  told_open({"4/1"});
  EXPECT_EQ(tables.all().fences, 0U);
}

TEST_F(ManyLostFences, AreBounded) {
  for (uint32_t id = LostFences::kMax + 1; id <= LostFences::kMostProcesses; ++id) {
    lost.add(Fence(board, {&notaries}), id);
  }
  EXPECT_FALSE(lost.ask().transactions);
  for (uint32_t id = 1; id <= 3; ++id) lost.add(Fence(board, {&notaries}), 100'000 + id);
  EXPECT_EQ(lost.size(), LostFences::kMostProcesses + 1);
  told({});
  EXPECT_EQ(tables.all().fences, 1U);
  EXPECT_EQ(lost.size(), 1U);
  told_open({});
  EXPECT_EQ(tables.all().fences, 0U);
}

}  // namespace
}  // namespace sportello::cache
