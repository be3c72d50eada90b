#include "cache/result_store.h"

#include <thread>

#include "tests/unit/cache/store_fixture.h"

namespace sportello::cache {
namespace {

using ResultStoreTest = StoreFixture;

TEST_F(ResultStoreTest, GivesBackWhatWasPut) {
  EXPECT_EQ(look_up("q"), LookUp::Absent);
  const CachedResultRef result = kept_as(key("q"), filling({&notaries}), result_of("Rossi"));
  ASSERT_TRUE(store.put(result));
  const Found found = store.look_up({key("q"), now, ttl, {}, {}});
  EXPECT_EQ(found.outcome, LookUp::Hit);
  EXPECT_EQ(found.result, result);
  EXPECT_EQ(look_up("other"), LookUp::Absent);
}

TEST_F(ResultStoreTest, ComparesKeysInFullWhenHashesCollide) {  // S56
  KeyView one{"one", 42}, two{"two", 42};
  store.put(kept_as(one, filling({}), result_of("1")));
  store.put(kept_as(two, filling({}), result_of("2")));
  EXPECT_EQ(store.look_up({one, now, ttl, {}, {}}).result->messages(), result_of("1")->messages());
  EXPECT_EQ(store.look_up({two, now, ttl, {}, {}}).result->messages(), result_of("2")->messages());
  EXPECT_EQ(store.look_up({{"three", 42}, now, ttl, {}, {}}).outcome, LookUp::Absent);
}

TEST_F(ResultStoreTest, AWriteToATableInvalidatesItsResultsAlone) {
  put("n", {&notaries});
  put("a", {&acts});
  put("both", {&notaries, &acts});
  write(notaries);
  EXPECT_EQ(look_up("n"), LookUp::Invalidated);
  EXPECT_EQ(look_up("a"), LookUp::Hit);
  EXPECT_EQ(look_up("both"), LookUp::Invalidated);
}

TEST_F(ResultStoreTest, AWriteToUnknownTablesInvalidatesEverything) {
  put("a", {&acts});
  put("none", {});
  write(tables->all());
  EXPECT_EQ(look_up("a"), LookUp::Invalidated);
  EXPECT_EQ(look_up("none"), LookUp::Invalidated);
}

TEST_F(ResultStoreTest, NothingIsServedWhileAWriteIsBeingCommitted) {
  put("n", {&notaries});
  Fence fence(board, {&notaries});
  EXPECT_EQ(look_up("n"), LookUp::Invalidated);
  fence.settle_rolled_back();
  EXPECT_EQ(look_up("n"), LookUp::Hit);
}

TEST_F(ResultStoreTest, ALinkLostAtCommitInvalidates) {
  put("n", {&notaries});
  { const Fence fence(board, {&notaries}); }
  EXPECT_EQ(look_up("n"), LookUp::Invalidated);
}

TEST_F(ResultStoreTest, AWriteBetweenQueryAndStoreKeepsTheResultOut) {  // S55
  Filling noted = filling({&notaries});
  write(notaries);
  EXPECT_FALSE(store.put(kept_as(key("n"), std::move(noted), result_of("old"))));
  EXPECT_EQ(look_up("n"), LookUp::Absent);
}

TEST_F(ResultStoreTest, AWriteUnderWayKeepsTheResultOut) {
  Filling noted = filling({&notaries});
  const Fence fence(board, {&notaries});
  EXPECT_FALSE(store.put(kept_as(key("n"), std::move(noted), result_of("maybe old"))));
}

TEST_F(ResultStoreTest, AWriteThatWasUnderWayBeforeTheQueryAndSettledDuringItKeepsTheResultOut) {
  Fence fence(board, {&notaries});
  Filling noted = filling({&notaries});
  fence.settle();
  EXPECT_FALSE(store.put(kept_as(key("n"), std::move(noted), result_of("maybe old"))));
}

TEST_F(ResultStoreTest, DdlBetweenQueryAndStoreKeepsTheResultOut) {  // S50
  Filling noted = filling({&notaries});
  invalidate(tables->all());
  EXPECT_FALSE(store.put(kept_as(key("n"), std::move(noted), result_of("old columns"))));
}

TEST_F(ResultStoreTest, ExpiresAtItsTtlAndNotBefore) {
  put("n", {&notaries});
  now += ttl - std::chrono::nanoseconds(1);
  EXPECT_EQ(look_up("n"), LookUp::Hit);
  now += std::chrono::nanoseconds(1);
  EXPECT_EQ(look_up("n"), LookUp::Expired);
}

TEST_F(ResultStoreTest, ARuleWhoseTtlWasMadeShorterHoldsAtOnce) {
  put("n", {&notaries});
  now += std::chrono::seconds(10);
  EXPECT_EQ(look_up("n"), LookUp::Hit);
  ttl = std::chrono::seconds(5);
  EXPECT_EQ(look_up("n"), LookUp::Expired);
}

TEST_F(ResultStoreTest, ASessionIsNotServedWhatIsOlderThanItsOwnWrite) {
  put("n", {&notaries});
  const uint64_t own = write(acts);  // a trigger of acts may have written notaries
  EXPECT_EQ(look_up("n", {own, nullptr}), LookUp::BeforeOwnWrite);
  EXPECT_EQ(look_up("n", {own - 1, nullptr}), LookUp::Hit);
  put("n", {&notaries});
  EXPECT_EQ(look_up("n", {own, nullptr}), LookUp::Hit);
}

TEST_F(ResultStoreTest, TheFollowerSettlesASessionsOwnWrite) {
  const auto follower = board.add_node();
  put("n", {&notaries});
  const uint64_t own = write(acts);
  EXPECT_EQ(look_up("n", {own, follower.get()}), LookUp::BeforeOwnWrite);
  board.question_answered(board.question_begins(), Lsn{900}, 1);
  board.replica_at(*follower, Lsn{899}, 1);
  EXPECT_EQ(look_up("n", {own, follower.get()}), LookUp::BeforeOwnWrite);
  board.replica_at(*follower, Lsn{900}, 1);
  EXPECT_EQ(look_up("n", {own, follower.get()}), LookUp::Hit);
}

TEST_F(ResultStoreTest, AReplicasResultHasSeenNoMoreThanTheReplicaHad) {
  const auto replica = board.add_node();
  board.question_answered(board.question_begins(), Lsn{900}, 1);
  board.replica_at(*replica, Lsn{900}, 1);
  const uint64_t own = write(acts);
  Filling noted = filling({&notaries});
  noted.as_of = replica->reached();
  store.put(kept_as(key("n"), std::move(noted), result_of("v")));
  EXPECT_EQ(look_up("n", {own, nullptr}), LookUp::BeforeOwnWrite);
}

TEST_F(ResultStoreTest, IsNoHitWithoutTheDescriptionThatIsWanted) {
  store.put(kept_as(key("n"), filling({}), result_of("v", false)));
  EXPECT_EQ(look_up("n"), LookUp::Hit);
  EXPECT_EQ(look_up("n", {}, {.description = true}), LookUp::Incomplete);
  store.put(kept_as(key("n"), filling({}), result_of("v", true)));
  EXPECT_EQ(look_up("n", {}, {.description = true}), LookUp::Hit);
  EXPECT_EQ(look_up("n", {}, {.parameter_description = true}), LookUp::Incomplete);
}

TEST_F(ResultStoreTest, ALateAnswerDoesNotReplaceALaterQuerysResult) {
  Filling early = filling({&notaries});
  write(acts);
  const CachedResultRef later = kept_as(key("n"), filling({&notaries}), result_of("later"));
  ASSERT_TRUE(store.put(later));
  EXPECT_FALSE(store.put(kept_as(key("n"), std::move(early), result_of("early"))));
  EXPECT_EQ(store.look_up({key("n"), now, ttl, {}, {}}).result, later);
  EXPECT_EQ(store.size(), 1U);
}

TEST_F(ResultStoreTest, GivesBackAllBytesItTook) {
  EXPECT_EQ(store.used_bytes(), 0U);
  for (int i = 0; i < 10; ++i) put(std::to_string(i), {&notaries});
  EXPECT_GT(store.used_bytes(), 0U);
  const uint64_t before = store.used_bytes();
  for (int i = 0; i < 10; ++i) put(std::to_string(i), {&notaries});
  EXPECT_EQ(store.used_bytes(), before) << "replacing changes nothing";
  EXPECT_EQ(store.flush(), 10U);
  EXPECT_EQ(store.used_bytes(), 0U);
}

TEST_F(ResultStoreTest, NeverHoldsMoreThanItsBound) {
  store.set_max_bytes(100'000);
  const std::string big(1'000, 'x');
  for (int i = 0; i < 2'000; ++i) {
    EXPECT_TRUE(put(std::to_string(i), {&notaries}, big));
    ASSERT_LE(store.used_bytes(), 100'000U);
  }
  EXPECT_GT(store.size(), 50U);
  EXPECT_GT(store.evictions(), 1'000U);
}

TEST_F(ResultStoreTest, ItsTablesGrowWhenItsBoundIsSpentToo) {
  ResultStore full(4'000'000, 1);
  const auto put_in = [&](int i, size_t bytes) {
    ASSERT_TRUE(
        full.put(kept_as(key(std::to_string(i)), filling({&notaries}), result_of(std::string(bytes, 'x')))));
    ASSERT_LE(full.used_bytes(), 4'000'000U);
  };
  for (int i = 0; i < 8'000; ++i) put_in(i, 3'000);
  const size_t large = full.size();
  for (int i = 0; i < 20'000; ++i) put_in(100'000 + i, 10);
  EXPECT_GT(full.size(), 2 * large);
  EXPECT_LE(full.size(), full.slots() / 8 * 5) << "searches stay short";
}

TEST_F(ResultStoreTest, RefusesWhatIsLargerThanAll) {
  put("small", {});
  EXPECT_FALSE(put("huge", {}, std::string(2 << 20, 'x')));
  EXPECT_EQ(look_up("small"), LookUp::Hit);
}

TEST_F(ResultStoreTest, ASmallerBoundEvictsAtOnceAndTheRestSurvives) {
  for (int i = 0; i < 100; ++i) put(std::to_string(i), {});
  const uint64_t half = store.used_bytes() / 2;
  store.set_max_bytes(half);
  EXPECT_LE(store.used_bytes(), half);
  EXPECT_GT(store.size(), 30U);
}

TEST_F(ResultStoreTest, EvictsWhatNobodyFoundBeforeWhatWasFound) {
  ResultStore one_shard(100'000, 1);
  const auto put_in = [&](int i) {
    one_shard.put(kept_as(key(std::to_string(i)), filling({}), result_of(std::string(500, 'x'))));
  };
  for (int i = 0; i < 50; ++i) put_in(i);
  for (int i = 0; i < 2'000; ++i) {
    for (int hot = 0; hot < 10; ++hot) one_shard.look_up({key(std::to_string(hot)), now, ttl, {}, {}});
    put_in(1'000 + i);
  }
  for (int hot = 0; hot < 10; ++hot) {
    EXPECT_EQ(one_shard.look_up({key(std::to_string(hot)), now, ttl, {}, {}}).outcome, LookUp::Hit) << hot;
  }
}

TEST_F(ResultStoreTest, FlushesARuleOrADatabase) {
  Filling of_rule_2 = filling({}), of_database_2 = filling({});
  of_rule_2.rule = 2;
  of_database_2.database = 2;
  put("a", {});
  store.put(kept_as(key("b"), std::move(of_rule_2), result_of("v")));
  store.put(kept_as(key("c"), std::move(of_database_2), result_of("v")));
  EXPECT_EQ(store.flush_rule(2), 1U);
  EXPECT_EQ(store.flush_database(2), 1U);
  EXPECT_EQ(look_up("a"), LookUp::Hit);
  EXPECT_EQ(store.size(), 1U);
}

TEST_F(ResultStoreTest, KeepsTheTablesItsResultsHangOnAlive) {
  ResultStore other(1 << 20, 1);
  {
    auto states = std::make_shared<TableStates>();
    const TableState* const table = &states->of(1);
    other.put(kept_as(key("q"), {Snapshot::take(states, {&table, 1}), 1, now, 1, 1}, result_of("v")));
  }
  EXPECT_EQ(other.look_up({key("q"), now, ttl, {}, {}}).outcome, LookUp::Hit);
}

// A database of one number that threads raise and read; what was acknowledged before a read began must be in
// it.
TEST_F(ResultStoreTest, NoThreadIsServedWhatIsOlderThanAnAcknowledgedWrite) {
  std::atomic<uint64_t> stored{0}, acknowledged{0};
  std::atomic<int> hits{0}, stale{0};
  const auto raise = [](std::atomic<uint64_t>& value, uint64_t to) {
    for (uint64_t before = value; before < to && !value.compare_exchange_weak(before, to);) {
    }
  };
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 3'000; ++i) {
        Fence fence(board, {&notaries});
        const uint64_t now_stored = ++stored;
        fence.settle();
        raise(acknowledged, now_stored);
        if (i % 4 == 0) std::this_thread::yield();
      }
    });
    threads.emplace_back([&] {
      KeyBuilder own;
      const KeyView k = *own.build({.text = "q"});
      const TableState* const table = &notaries;
      for (int i = 0; i < 20'000; ++i) {
        const uint64_t floor = acknowledged;
        const Found found = store.look_up({k, now, ttl, {}, {}});
        if (found.result != nullptr) {
          ++hits;
          stale += found.result->rows() < floor;
          continue;
        }
        Filling noted{Snapshot::take(tables, {&table, 1}), board.sequence(), now, 1, 1};
        store.put(kept_as(k, std::move(noted), CachedResult::make({"", 0, "", stored.load()})));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(stale, 0);
  EXPECT_GT(hits, 0);
}

TEST_F(ResultStoreTest, ManyThreadsShareItWithinItsBound) {
  store.set_max_bytes(60'000);
  std::atomic<bool> wrong{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      KeyBuilder own;
      std::mt19937 random(static_cast<uint32_t>(t));
      for (int i = 0; i < 5'000; ++i) {
        const std::string text = std::to_string(random() % 200);
        const KeyView k = *own.build({.text = text});
        const Found found = store.look_up({k, now, ttl, {}, {}});
        if (found.result != nullptr) {
          wrong = wrong || found.result->messages() != result_of(text)->messages();
        } else {
          const TableState* const table = &notaries;
          store.put(kept_as(k, {Snapshot::take(tables, {&table, 1}), board.sequence(), now, 1, 1},
                            result_of(text)));
        }
        if (random() % 100 == 0) write(notaries);
        wrong = wrong || store.used_bytes() > 60'000;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(wrong);
  store.flush();
  EXPECT_LE(store.used_bytes(), 60'000U / 10) << "what is left are the shards' tables";
}

}  // namespace
}  // namespace sportello::cache
