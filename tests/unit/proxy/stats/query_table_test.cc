#include "proxy/stats/query_table.h"

#include <gtest/gtest.h>

#include <map>

namespace sportello::proxy {
namespace {

using std::chrono::microseconds;

class QueryTableTest : public testing::Test {
 protected:
  QueryRef find(uint64_t fingerprint, std::string_view text = "SELECT 1") {
    return table_.find({.database = 1, .fingerprint = fingerprint}, text, true);
  }
  void call(uint64_t fingerprint, AnsweredBy whom = AnsweredBy::Primary,
            microseconds time = microseconds(10)) {
    table_.answered(find(fingerprint), 1, false);
    table_.count(whom, time);
  }
  QueryCounts counts(uint64_t fingerprint) {
    for (const auto& row : table_.snapshot().rows) {
      if (row.shape.fingerprint == fingerprint) {
        return row.counts;
      }
    }
    return {};
  }

  QueryTable table_;
};

TEST_F(QueryTableTest, CountsByShapeAndByWhoAnswered) {
  call(7, AnsweredBy::Primary, microseconds(100));
  call(7, AnsweredBy::Replica, microseconds(300));
  call(8);
  table_.count_cached(find(7), 5);
  table_.answered(find(7), 0, true);
  table_.count(AnsweredBy::Primary, microseconds(2));
  const QueryCounts seven = counts(7);
  EXPECT_EQ(seven.calls, 4U);
  EXPECT_EQ(seven.time_us, 402U);
  EXPECT_EQ(seven.longest_us, 300U);
  EXPECT_EQ(seven.rows, 7U);
  EXPECT_EQ(seven.errors, 1U);
  EXPECT_EQ(seven.answered_by(AnsweredBy::Primary), 2U);
  EXPECT_EQ(seven.answered_by(AnsweredBy::Replica), 1U);
  EXPECT_EQ(seven.answered_by(AnsweredBy::Cache), 1U);
  EXPECT_EQ(counts(8).calls, 1U);
}

TEST_F(QueryTableTest, AnswersOfOneRoundShareItsTime) {
  table_.answered(find(1), 1, false);
  table_.answered(find(2), 1, false);
  EXPECT_TRUE(table_.has_answers());
  table_.count(AnsweredBy::Primary, microseconds(100));
  EXPECT_FALSE(table_.has_answers());
  EXPECT_EQ(counts(1).time_us, 50U);
  EXPECT_EQ(counts(2).time_us, 50U);
}

TEST_F(QueryTableTest, AClockThatWentBackCountsAsNoTime) {
  call(1, AnsweredBy::Primary, microseconds(-5));
  EXPECT_EQ(counts(1).time_us, 0U);
}

TEST_F(QueryTableTest, TellsDatabasesApart) {
  table_.answered(table_.find({1, 5}, "a", true), 1, false);
  table_.answered(table_.find({2, 5}, "b", true), 1, false);
  table_.count(AnsweredBy::Primary, microseconds(0));
  EXPECT_EQ(table_.snapshot().rows.size(), 2U);
}

// S29
TEST_F(QueryTableTest, KeepsTheFirstTextWithoutItsLiterals) {
  find(1, "SELECT 'secret' WHERE a = 42");
  find(1, "SELECT 'other'");
  find(0, "SELECT 'secret'");
  std::map<uint64_t, std::string> texts;
  for (const auto& row : table_.snapshot().rows) {
    texts[row.shape.fingerprint] = row.text;
  }
  EXPECT_EQ(texts[1], "SELECT $1 WHERE a = $2");
  EXPECT_EQ(texts[0], "(too long, or not to be read)");
}

// S61
TEST_F(QueryTableTest, IsBoundedAndDropsWhatIsCalledLeast) {
  for (uint64_t shape = 1; shape <= QueryTable::kMost; shape++) {
    const int calls = shape % 2 == 0 ? 3 : 1;
    for (int i = 0; i < calls; i++) {
      call(shape);
    }
  }
  EXPECT_EQ(table_.size(), QueryTable::kMost);
  EXPECT_EQ(table_.dropped_shapes(), 0U);
  call(QueryTable::kMost + 1);
  EXPECT_EQ(table_.size(), QueryTable::kMost - QueryTable::kMost / 4 + 1);
  EXPECT_EQ(table_.dropped_shapes(), QueryTable::kMost / 4);
  for (uint64_t shape = 2; shape <= QueryTable::kMost; shape += 2) {
    ASSERT_EQ(counts(shape).calls, 3U) << shape;
  }
  EXPECT_EQ(table_.snapshot().dropped.calls, QueryTable::kMost / 4);
}

// Of a pipeline nothing is answered yet when its last statements are asked for.
TEST_F(QueryTableTest, WhatIsAskedForOftenStaysThoughItIsNotAnsweredYet) {
  const QueryRef often = table_.find({1, 7}, "SELECT 1 AS often", true);
  for (uint64_t i = 0; i < 2 * QueryTable::kMost; i++) {
    table_.find({1, 1000 + i}, "SELECT 1 AS once", true);
    table_.find({1, 7}, "SELECT 1 AS often", true);
  }
  const QueryRef still = table_.find({1, 7}, "SELECT 1 AS often", true);
  EXPECT_EQ(still.slot, often.slot);
  EXPECT_EQ(still.generation, often.generation);
}

TEST_F(QueryTableTest, NothingIsLostHoweverManyShapesThereAre) {
  constexpr uint64_t kShapes = 20'000;
  for (uint64_t shape = 1; shape <= kShapes; shape++) {
    call(shape);
    call(1);
  }
  EXPECT_LE(table_.size(), QueryTable::kMost);
  const QuerySnapshot now = table_.snapshot();
  uint64_t calls = now.dropped.calls;
  for (const auto& row : now.rows) {
    calls += row.counts.calls;
  }
  EXPECT_EQ(calls, 2 * kShapes);
  EXPECT_EQ(counts(1).calls, kShapes + 1) << "what is called often stays";
}

TEST_F(QueryTableTest, AnAnswerToWhatWasDroppedMeanwhileCountsWithTheDropped) {
  const QueryRef early = find(1);
  for (uint64_t shape = 2; shape <= QueryTable::kMost + 1; shape++) {
    call(shape);
  }
  ASSERT_EQ(counts(1).calls, 0U);
  const uint64_t dropped = table_.snapshot().dropped.calls;
  table_.answered(early, 1, false);
  table_.count(AnsweredBy::Primary, microseconds(1));
  EXPECT_EQ(table_.snapshot().dropped.calls, dropped + 1);
  table_.count_cached(find(1), 1);
  EXPECT_EQ(counts(1).calls, 1U) << "from now on it counts again";
}

TEST_F(QueryTableTest, WorkersAreAddedUpTheCostliestFirst) {
  QueryTable other;
  call(1, AnsweredBy::Primary, microseconds(10));
  call(2, AnsweredBy::Primary, microseconds(15));
  other.answered(other.find({1, 1}, "x", true), 1, false);
  other.count(AnsweredBy::Replica, microseconds(30));
  const QuerySnapshot sum = sum_of({table_.snapshot(), other.snapshot()});
  ASSERT_EQ(sum.rows.size(), 2U);
  EXPECT_EQ(sum.rows[0].shape.fingerprint, 1U);
  EXPECT_EQ(sum.rows[0].counts.calls, 2U);
  EXPECT_EQ(sum.rows[0].counts.time_us, 40U);
  EXPECT_EQ(sum.rows[0].counts.longest_us, 30U);
  EXPECT_EQ(sum.rows[1].counts.time_us, 15U);
}

}  // namespace
}  // namespace sportello::proxy
