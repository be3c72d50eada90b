#include "cache/fence.h"

#include <gtest/gtest.h>

#include <thread>

namespace sportello::cache {
namespace {

struct FenceTest : testing::Test {
  TableStates tables;
  FreshnessBoard board{tables};
  TableState& notaries = tables.of(1);
  TableState& acts = tables.of(2);
};

TEST_F(FenceTest, IsUpUntilItIsSettled) {
  Fence fence(board, {&notaries, &acts});
  EXPECT_EQ(notaries.fences, 1U);
  EXPECT_EQ(acts.fences, 1U);
  fence.settle();
  EXPECT_EQ(notaries.fences, 0U);
  EXPECT_EQ(acts.fences, 0U);
  EXPECT_FALSE(fence.is_up());
}

TEST_F(FenceTest, SettlingInvalidatesAndGivesEveryTableTheWritesNumber) {
  Fence fence(board, {&notaries, &acts});
  EXPECT_EQ(notaries.epoch, 0U);
  const uint64_t sequence = fence.settle();
  EXPECT_EQ(sequence, board.sequence());
  EXPECT_EQ(notaries.epoch, 1U);
  EXPECT_EQ(notaries.last_write, sequence);
  EXPECT_EQ(acts.last_write, sequence);
}

TEST_F(FenceTest, SettlesOnce) {
  Fence fence(board, {&notaries});
  EXPECT_NE(fence.settle(), 0U);
  EXPECT_EQ(fence.settle(), 0U);
  EXPECT_EQ(notaries.epoch, 1U);
  EXPECT_EQ(notaries.fences, 0U);
}

TEST_F(FenceTest, ALostLinkCountsAsACommit) {
  { const Fence fence(board, {&notaries}); }
  EXPECT_EQ(notaries.epoch, 1U);
  EXPECT_EQ(notaries.last_write, board.sequence());
  EXPECT_EQ(notaries.fences, 0U);
}

TEST_F(FenceTest, ARollbackInvalidatesNothing) {
  const uint64_t before = board.sequence();
  Fence fence(board, {&notaries});
  fence.settle_rolled_back();
  EXPECT_EQ(notaries.fences, 0U);
  EXPECT_EQ(notaries.epoch, 0U);
  EXPECT_EQ(board.sequence(), before);
}

TEST_F(FenceTest, AStreamedCommitBringsItsPosition) {
  board.question_answered(board.question_begins(), Lsn{900}, 1);
  Fence fence(board, {&notaries});
  const uint64_t sequence = fence.settle_streamed(Lsn{950});
  EXPECT_EQ(notaries.last_write, sequence);
  EXPECT_EQ(notaries.epoch, 1U);
  EXPECT_EQ(notaries.fences, 0U);
  EXPECT_EQ(board.position_of(sequence), Lsn{950});
  EXPECT_FALSE(board.question_pending());
}

TEST_F(FenceTest, TwoWritersKeepATableFencedUntilBothAreDone) {
  Fence first(board, {&notaries});
  Fence second(board, {&notaries});
  first.settle();
  EXPECT_EQ(notaries.fences, 1U);
  second.settle();
  EXPECT_EQ(notaries.fences, 0U);
}

TEST_F(FenceTest, MovesWithoutComingDown) {
  Fence first(board, {&notaries});
  Fence second(std::move(first));
  EXPECT_EQ(notaries.fences, 1U);
  Fence third(board, {&acts});
  third = std::move(second);  // and what it held before settles
  EXPECT_EQ(acts.fences, 0U);
  EXPECT_EQ(acts.epoch, 1U);
  EXPECT_EQ(notaries.fences, 1U);
}

// F2, seen from another thread: of the fences that were raised, none is down before its epoch moved on.
TEST_F(FenceTest, ComesDownAfterTheEpochMovedOn) {
  std::atomic<uint64_t> raised{0};
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (int i = 0; i < 2'000'000; ++i) {
      Fence fence(board, {&notaries, &acts});
      ++raised;
      fence.settle();
    }
    done = true;
  });
  int early = 0;
  while (!done) {
    const uint64_t known = raised;
    if (notaries.fences == 0) early += notaries.epoch < known || notaries.last_write < known;
  }
  writer.join();
  EXPECT_EQ(early, 0);
}

TEST_F(FenceTest, TakesMoreTablesWhileItIsUp) {
  Fence fence(board, {&notaries});
  fence.add(acts);
  EXPECT_EQ(acts.fences, 1U);
  fence.settle();
  EXPECT_EQ(acts.fences, 0U);
  EXPECT_EQ(acts.epoch, 1U);
}

}  // namespace
}  // namespace sportello::cache
