#include "cache/log_follower.h"

#include <gtest/gtest.h>

#include "cache/session_floor.h"
#include "cache/snapshot.h"

namespace sportello::cache {
namespace {

using replication::Begin;
using replication::Change;
using replication::Commit;
using replication::Truncate;

constexpr Oid kNotaries = 1;
constexpr Oid kActs = 2;

struct LogFollowerTest : testing::Test {
  std::shared_ptr<TableStates> tables = std::make_shared<TableStates>();
  FreshnessBoard board{*tables};
  std::shared_ptr<NodePosition> position = board.add_node();
  LogFollower follower{*tables, board, *position};

  void take(const replication::LogMessage& message) { ASSERT_TRUE(follower.take(message).ok()); }
  void seen(const char* text) { follower.seen(*XidSnapshot::parse(text)); }
  void stream(uint32_t xid, uint64_t end, std::initializer_list<Oid> changed) {
    take(Begin{xid});
    for (const Oid table : changed) take(Change{table});
    take(Commit{{end - 8}, {end}});
  }
  // What a result of these tables hangs on, if its query was sent now.
  Snapshot kept(std::initializer_list<Oid> reads) {
    std::vector<const TableState*> states;
    for (const Oid table : reads) states.push_back(&tables->of(table));
    return Snapshot::take(tables, states);
  }
  void settle_in() {
    follower.begin(1);
    seen("100:100:");
    board.question_answered(board.question_begins(), Lsn{1000}, 1);
    follower.reached({1000});
  }
};

TEST_F(LogFollowerTest, ACommitThatIsVisibleInvalidatesItsTablesAndNoOthers) {
  settle_in();
  const Snapshot notaries = kept({kNotaries});
  const Snapshot acts = kept({kActs});
  stream(100, 1100, {kNotaries});
  seen("101:101:");
  EXPECT_FALSE(notaries.is_valid());
  EXPECT_TRUE(acts.is_valid());
  EXPECT_FALSE(follower.wants_snapshot());
}

TEST_F(LogFollowerTest, WhatWasReadWhileTheCommitWasStreamedButNotVisibleIsNeverServed) {
  settle_in();
  stream(100, 1100, {kNotaries});
  const Snapshot early = kept({kNotaries});  // the primary shows the old rows still
  EXPECT_FALSE(early.is_valid());
  seen("100:101:100");
  EXPECT_FALSE(early.is_valid()) << "it waits for a standby";
  EXPECT_TRUE(follower.wants_snapshot());
  seen("101:101:");
  EXPECT_FALSE(early.is_valid()) << "the fence is down, but the epoch moved on";
  EXPECT_TRUE(kept({kNotaries}).is_valid());
}

TEST_F(LogFollowerTest, ASnapshotFromBeforeTheTransactionBeganShowsNothingOfIt) {
  settle_in();
  stream(100, 1100, {kNotaries});
  seen("100:100:");
  EXPECT_EQ(follower.fences(), 1U);
}

TEST_F(LogFollowerTest, FencesAreUpFromTheFirstRowOn) {
  settle_in();
  const Snapshot result = kept({kNotaries});
  take(Begin{100});
  EXPECT_TRUE(result.is_valid());
  take(Change{kNotaries});
  EXPECT_FALSE(result.is_valid());
}

TEST_F(LogFollowerTest, CommitsBecomeVisibleInAnyOrder) {
  settle_in();
  stream(100, 1100, {kNotaries});
  stream(101, 1200, {kActs, kNotaries});
  seen("100:102:100");
  EXPECT_EQ(follower.fences(), 1U);
  EXPECT_TRUE(kept({kActs}).is_valid());
  EXPECT_FALSE(kept({kNotaries}).is_valid());
  seen("102:102:");
  EXPECT_TRUE(kept({kNotaries}).is_valid());
  EXPECT_EQ(tables->of(kNotaries).fences.load(), 0U);
}

TEST_F(LogFollowerTest, TruncateTouchesAllItsTables) {
  settle_in();
  const Snapshot notaries = kept({kNotaries});
  const Snapshot acts = kept({kActs});
  take(Begin{100});
  take(Truncate{{kNotaries, kActs, kNotaries}});
  take(Commit{{1092}, {1100}});
  EXPECT_FALSE(notaries.is_valid());
  EXPECT_FALSE(acts.is_valid());
  seen("101:101:");
  EXPECT_EQ(tables->of(kActs).fences.load(), 0U);
}

TEST_F(LogFollowerTest, APositionIsToldWhenItsTablesAreFencedAndNoSooner) {
  settle_in();
  const uint64_t write = board.note_write();  // of a session, by a trigger to notaries
  board.question_answered(board.question_begins(), Lsn{1100}, 1);
  const SessionFloor floor{write, position.get()};
  const uint64_t as_of = write - 1;
  const Snapshot result = kept({kNotaries});
  take(Begin{100});
  take(Change{kNotaries});
  follower.reached({1100});  // a sign of life in the middle of it
  EXPECT_FALSE(floor.is_in(as_of));
  take(Commit{{1092}, {1100}});
  EXPECT_TRUE(floor.is_in(as_of));
  EXPECT_FALSE(result.is_valid()) << "that is what the position says";
}

TEST_F(LogFollowerTest, ASignOfLifeMovesThePosition) {
  settle_in();
  const uint64_t write = board.note_write();
  board.question_answered(board.question_begins(), Lsn{1300}, 1);
  follower.reached({1299});
  EXPECT_LT(position->reached(), write);
  follower.reached({1300});
  EXPECT_EQ(position->reached(), write);
  follower.reached({1200});
  EXPECT_EQ(position->reached(), write) << "it never goes back";
}

TEST_F(LogFollowerTest, AStreamedCommitIsAWriteThatReplicasMustHaveReached) {
  settle_in();
  const auto replica = board.add_node();
  board.replica_at(*replica, Lsn{1000}, 1);
  const auto needs = [&] {
    const TableState* const reads[] = {&tables->of(kNotaries)};
    return needs_of(reads, tables->all(), 0);
  };
  ASSERT_TRUE(replica->may_answer(needs()));
  stream(100, 1100, {kNotaries});
  board.replica_at(*replica, Lsn{1100}, 1);
  EXPECT_FALSE(replica->may_answer(needs())) << "the primary does not show it yet";
  seen("101:101:");
  EXPECT_TRUE(replica->may_answer(needs()));
  board.replica_at(*replica, Lsn{1050}, 1);
  EXPECT_FALSE(replica->may_answer(needs()));
}

TEST_F(LogFollowerTest, NothingIsSettledBeforeAllWhoRanWhenTheSlotWasMadeAreOver) {
  const Snapshot before = kept({kNotaries});
  follower.begin(1);
  EXPECT_TRUE(follower.wants_snapshot());
  seen("90:100:90,95");
  EXPECT_FALSE(follower.is_settled());
  const Snapshot meanwhile = kept({kNotaries});  // 90 has committed before the slot, and waits for a standby
  seen("90:120:90,110");
  EXPECT_FALSE(follower.is_settled());
  seen("110:120:110");
  EXPECT_TRUE(follower.is_settled()) << "110 came later, so the log will tell";
  EXPECT_FALSE(before.is_valid());
  EXPECT_FALSE(meanwhile.is_valid()) << "everything was flushed when 90 was over";
  EXPECT_TRUE(kept({kNotaries}).is_valid());
}

TEST_F(LogFollowerTest, ALostStreamLeavesNoFenceAndNoPosition) {
  settle_in();
  const Snapshot result = kept({kNotaries});
  stream(100, 1100, {kNotaries});
  take(Begin{101});
  take(Change{kActs});
  follower.lost();
  EXPECT_FALSE(result.is_valid());
  EXPECT_FALSE(follower.is_settled());
  EXPECT_FALSE(follower.wants_snapshot());
  EXPECT_EQ(position->reached(), 0U);
  EXPECT_EQ(tables->of(kNotaries).fences.load(), 0U);
  EXPECT_EQ(tables->of(kActs).fences.load(), 0U);
}

TEST_F(LogFollowerTest, AnotherSlotFlushesEverything) {
  settle_in();
  const Snapshot result = kept({kNotaries});
  follower.lost();
  follower.begin(2);
  EXPECT_TRUE(result.is_valid()) << "it is the edge that serves nothing meanwhile";
  seen("200:200:");
  EXPECT_FALSE(result.is_valid());
}

TEST_F(LogFollowerTest, ASnapshotThatComesAfterTheStreamWasLostSettlesNothing) {
  seen("100:100:");
  EXPECT_FALSE(follower.is_settled());
}

TEST_F(LogFollowerTest, MessagesOutOfOrderAreTheServersViolation) {
  settle_in();
  EXPECT_FALSE(follower.take(Change{kActs}).ok());
  EXPECT_FALSE(follower.take(Truncate{{kActs}}).ok());
  EXPECT_FALSE(follower.take(Commit{{1}, {2}}).ok());
  take(Begin{100});
  EXPECT_FALSE(follower.take(Begin{101}).ok());
}

}  // namespace
}  // namespace sportello::cache
