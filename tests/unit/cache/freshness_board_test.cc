#include "cache/freshness_board.h"

#include <gtest/gtest.h>

namespace sportello::cache {
namespace {

struct FreshnessBoardTest : testing::Test {
  TableStates tables;
  FreshnessBoard board{tables};
  std::shared_ptr<NodePosition> replica = board.add_node();

  void learn(uint64_t inserted, uint32_t timeline = 1) {
    board.question_answered(board.question_begins(), Lsn{inserted}, timeline);
  }
  bool may_answer(uint64_t session_last_write = 0) {
    return replica->may_answer(needs_of({}, tables.all(), session_last_write));
  }
};

TEST_F(FreshnessBoardTest, NoReplicaAnswersBeforeThePrimaryWasAsked) {
  board.replica_at(*replica, Lsn{1000}, 1);
  EXPECT_FALSE(may_answer());
  learn(900);
  EXPECT_TRUE(may_answer());
}

TEST_F(FreshnessBoardTest, AWriteIsReachedByNobodyUntilItsPositionIsKnown) {
  board.replica_at(*replica, Lsn{1000}, 1);
  learn(900);
  const uint64_t write = board.note_write();
  EXPECT_FALSE(may_answer(write));
  learn(1100);
  EXPECT_FALSE(may_answer(write));
  board.replica_at(*replica, Lsn{1100}, 1);
  EXPECT_TRUE(may_answer(write));
}

TEST_F(FreshnessBoardTest, AnAnswerCountsForWritesFromBeforeItsQuestionOnly) {
  board.replica_at(*replica, Lsn{5000}, 1);
  const auto question = board.question_begins();
  const uint64_t write = board.note_write();
  board.question_answered(question, Lsn{900}, 1);
  EXPECT_TRUE(may_answer());
  EXPECT_FALSE(may_answer(write));
}

TEST_F(FreshnessBoardTest, ANewTimelineMakesEverythingPendingAgain) {
  board.replica_at(*replica, Lsn{5000}, 1);
  learn(900);
  ASSERT_TRUE(may_answer());
  board.primary_is(2);
  EXPECT_FALSE(may_answer());
  board.replica_at(*replica, Lsn{5000}, 2);
  EXPECT_FALSE(may_answer());
  learn(4000, 2);
  EXPECT_TRUE(may_answer());
}

TEST_F(FreshnessBoardTest, AReplicaOnAnotherTimelineHasReachedNothing) {
  board.replica_at(*replica, Lsn{5000}, 1);
  learn(900, 2);
  learn(900, 2);
  EXPECT_FALSE(may_answer());
  board.replica_at(*replica, Lsn{5000}, 2);
  EXPECT_TRUE(may_answer());
}

TEST_F(FreshnessBoardTest, AnswersToQuestionsOfTheOldTimelineMakeNobodyReachAnything) {
  board.primary_is(1);
  const auto question = board.question_begins();
  board.primary_is(2);
  board.replica_at(*replica, Lsn{5000}, 2);
  board.question_answered(question, Lsn{900}, 1);
  board.question_answered(question, Lsn{900}, 2);
  EXPECT_FALSE(may_answer());
  EXPECT_TRUE(board.question_pending());
}

TEST_F(FreshnessBoardTest, AnOldPrimarysAnswerIsDropped) {
  board.primary_is(2);
  board.replica_at(*replica, Lsn{5000}, 2);
  learn(900, 1);
  EXPECT_FALSE(may_answer());
}

TEST_F(FreshnessBoardTest, AnInsertPositionBehindAPageHeaderIsReachedAtThePagesStart) {
  board.set_wal_layout({8192, 16 << 20});
  board.replica_at(*replica, Lsn{0x1002000}, 1);
  learn(0x1002000 + 24);
  EXPECT_TRUE(may_answer());
}

TEST_F(FreshnessBoardTest, AStreamedCommitNeedsNoQuestion) {
  learn(900);
  const uint64_t write = board.commit_streamed(Lsn{950});
  EXPECT_FALSE(board.question_pending());
  board.replica_at(*replica, Lsn{940}, 1);
  EXPECT_FALSE(may_answer(write));
  board.replica_at(*replica, Lsn{950}, 1);
  EXPECT_TRUE(may_answer(write));
}

TEST_F(FreshnessBoardTest, AStreamedCommitVouchesForNoWriteBeforeIt) {
  learn(900);
  const uint64_t pending = board.note_write();
  const uint64_t streamed = board.commit_streamed(Lsn{950});
  board.replica_at(*replica, Lsn{960}, 1);
  EXPECT_FALSE(may_answer(pending));
  EXPECT_FALSE(may_answer(streamed));
  learn(1000);
  board.replica_at(*replica, Lsn{1000}, 1);
  EXPECT_TRUE(may_answer(streamed));
}

TEST_F(FreshnessBoardTest, IsPendingWhileAWriteHasNoPositionOrAReplicaLags) {
  EXPECT_TRUE(board.pending());
  learn(900);
  EXPECT_FALSE(board.pending()) << "the replica has not told where it is";
  board.replica_at(*replica, Lsn{800}, 1);
  EXPECT_TRUE(board.pending());
  board.replica_at(*replica, Lsn{900}, 1);
  EXPECT_FALSE(board.pending());
  board.note_write();
  EXPECT_TRUE(board.pending());
}

TEST_F(FreshnessBoardTest, NobodyWaitsForANodeThatIsLost) {
  learn(900);
  board.replica_at(*replica, Lsn{800}, 1);
  board.lose_node(*replica);
  EXPECT_FALSE(board.pending());
  EXPECT_FALSE(may_answer());
  board.replica_at(*replica, Lsn{800}, 1);
  replica.reset();
  EXPECT_FALSE(board.pending());
}

TEST_F(FreshnessBoardTest, AFencedReadIsForNoReplica) {
  board.replica_at(*replica, Lsn{900}, 1);
  learn(900);
  tables.all().fences = 1;
  EXPECT_FALSE(may_answer());
}

TEST_F(FreshnessBoardTest, AFloorTravelsAsAPosition) {
  learn(900);
  const uint64_t write = board.note_write();
  EXPECT_EQ(board.position_of(write), std::nullopt);
  learn(1000);
  EXPECT_EQ(board.position_of(write), Lsn{1000});
  EXPECT_EQ(board.sequence_at(Lsn{950}), write);
  const uint64_t later = board.sequence_at(Lsn{2000});
  EXPECT_GT(later, write);
  EXPECT_TRUE(board.question_pending());
}

}  // namespace
}  // namespace sportello::cache
