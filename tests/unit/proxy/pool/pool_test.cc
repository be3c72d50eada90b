// Two workers' parts of one pool. Links and clients are only ever told apart here, so numbers stand for them.
#include "proxy/pool/pool.h"

#include <gtest/gtest.h>

#include "protocol/sqlstate.h"

namespace sportello::proxy {
namespace {

using std::chrono::milliseconds;

struct PoolOfTwoWorkers : ::testing::Test {
  static ServerLink* link(uintptr_t number) { return reinterpret_cast<ServerLink*>(number * 16); }
  static ClientConnection* client(uintptr_t number) {
    return reinterpret_cast<ClientConnection*>(number * 16);
  }
  static TimePoint at(int ms) { return TimePoint(milliseconds(1'000'000 + ms)); }

  void set(void (*change)(PoolSettings&)) {
    auto settings = std::make_shared<PoolSettings>();
    settings->pool_size = 2;
    if (change != nullptr) {
      change(*settings);
    }
    shared->settings = settings;
    here.emplace(shared, 0);
    there.emplace(shared, 1);
  }
  void SetUp() override { set(nullptr); }

  PoolDirectory directory;
  std::shared_ptr<PoolRuntime> shared = directory.pool("db", "bob");
  std::optional<Pool> here;
  std::optional<Pool> there;
};

using Opening = Pool::Opening;
using Whose = Pool::Turn::Whose;

TEST_F(PoolOfTwoWorkers, LinksAreReusedLastInFirstOut) {
  EXPECT_EQ(here->take_idle(), nullptr);
  here->put_idle(link(1));
  here->put_idle(link(2));
  EXPECT_EQ(shared->worker_with_idle(1), 0U);
  EXPECT_EQ(shared->worker_with_idle(0), std::nullopt);
  EXPECT_EQ(here->take_idle(), link(2));
  EXPECT_EQ(here->take_idle(), link(1));
  EXPECT_EQ(shared->worker_with_idle(1), std::nullopt);
}

TEST_F(PoolOfTwoWorkers, AnIdleLinkThatIsRemovedIsNotTaken) {
  here->put_idle(link(1));
  here->remove_idle(link(2));
  here->remove_idle(link(1));
  EXPECT_EQ(here->take_idle(), nullptr);
  EXPECT_EQ(shared->workers[0].idle.load(), 0);
}

TEST_F(PoolOfTwoWorkers, NobodyOvertakesThoseWhoWait) {
  there->wait(client(1), at(0));
  here->put_idle(link(1));
  EXPECT_EQ(here->take_idle(), nullptr) << "it is for who waited first, on whichever worker";
}

TEST_F(PoolOfTwoWorkers, ClientsAreServedInTheOrderInWhichTheyCame) {
  here->wait(client(1), at(0));
  here->wait(client(2), at(10));
  EXPECT_EQ(here->next_turn().client, client(1));
  EXPECT_EQ(here->next_turn().client, client(2));
  EXPECT_EQ(here->next_turn().whose, Whose::Nobodys);
  EXPECT_EQ(shared->waiting.load(), 0);
}

TEST_F(PoolOfTwoWorkers, AFreeLinkIsForWhoWaitedLongestOnAnyWorker) {
  there->wait(client(1), at(0));
  here->wait(client(2), at(10));
  const Pool::Turn turn = here->next_turn();
  EXPECT_EQ(turn.whose, Whose::OtherWorker);
  EXPECT_EQ(turn.worker, 1U);
  EXPECT_EQ(there->next_turn().client, client(1));
  EXPECT_EQ(here->next_turn().client, client(2));
}

TEST_F(PoolOfTwoWorkers, OfTwoWhoCameTogetherTheOneAtHandGoesFirst) {
  there->wait(client(1), at(0));
  here->wait(client(2), at(1));
  EXPECT_EQ(here->next_turn().client, client(2));
}

TEST_F(PoolOfTwoWorkers, WhoStopsWaitingIsNotServed) {
  here->wait(client(1), at(0));
  there->wait(client(2), at(10));
  here->stop_waiting(client(1));
  here->stop_waiting(client(1));
  EXPECT_EQ(here->next_turn().whose, Whose::OtherWorker);
  EXPECT_EQ(shared->waiting.load(), 1);
}

TEST_F(PoolOfTwoWorkers, SizeIsCountedAcrossWorkers) {
  for (uintptr_t i = 1; i <= 5; i++) {
    (i % 2 == 0 ? here : there)->wait(client(i), at(0));
  }
  EXPECT_EQ(here->take_slot(at(1)), Opening::Granted);
  EXPECT_EQ(there->take_slot(at(1)), Opening::Granted);
  EXPECT_EQ(here->take_slot(at(1)), Opening::AtLimit);
  EXPECT_EQ(shared->links.used(), 2);
  there->release_slot();
  shared->connecting.fetch_sub(1);
  EXPECT_EQ(here->take_slot(at(1)), Opening::Granted);
}

TEST_F(PoolOfTwoWorkers, NoMoreAreOpenedThanAreWaitedFor) {
  EXPECT_EQ(here->take_slot(at(0)), Opening::NotNeeded);
  here->wait(client(1), at(0));
  EXPECT_EQ(here->take_slot(at(0)), Opening::Granted);
  EXPECT_EQ(there->take_slot(at(0)), Opening::NotNeeded) << "one is on its way";
}

TEST_F(PoolOfTwoWorkers, TheReserveOpensForThoseWhoWaitedLong) {
  set([](PoolSettings& settings) {
    settings.reserve_pool_size = 1;
    settings.reserve_pool_timeout = milliseconds(100);
  });
  for (uintptr_t i = 1; i <= 4; i++) {
    here->wait(client(i), at(0));
  }
  EXPECT_EQ(here->take_slot(at(1)), Opening::Granted);
  EXPECT_EQ(here->take_slot(at(1)), Opening::Granted);
  EXPECT_EQ(here->take_slot(at(99)), Opening::AtLimit);
  EXPECT_EQ(here->take_slot(at(100)), Opening::Granted);
  EXPECT_EQ(here->take_slot(at(100)), Opening::AtLimit);
}

TEST_F(PoolOfTwoWorkers, TheMinimumIsOpenedWithoutAnyoneWaiting) {
  set([](PoolSettings& settings) { settings.min_pool_size = 1; });
  EXPECT_EQ(here->take_slot(at(0), true), Opening::Granted);
  EXPECT_EQ(here->take_slot(at(0), true), Opening::NotNeeded);
}

TEST_F(PoolOfTwoWorkers, LimitsOfDatabaseAndUserHoldAcrossPoolsAndLeakNothing) {
  set([](PoolSettings& settings) { settings.max_db_connections = 1; });
  const auto second = directory.pool("db", "alice");
  second->settings = shared->settings;
  Pool alices(second, 0);
  here->wait(client(1), at(0));
  alices.wait(client(2), at(0));
  EXPECT_EQ(here->take_slot(at(0)), Opening::Granted);
  EXPECT_EQ(alices.take_slot(at(0)), Opening::AtLimit);
  EXPECT_EQ(second->links.used(), 0);
  set([](PoolSettings& settings) { settings.max_user_connections = 1; });
  here->wait(client(3), at(0));
  EXPECT_EQ(here->take_slot(at(0)), Opening::AtLimit);
  EXPECT_EQ(shared->links.used(), 1);
  EXPECT_EQ(shared->database->links.used(), 1);
}

TEST_F(PoolOfTwoWorkers, AfterAFailureAndInAStampedeItIsNotYetTime) {
  set([](PoolSettings& settings) { settings.pool_size = 100; });
  for (uintptr_t i = 1; i <= 20; i++) {
    here->wait(client(i), at(0));
  }
  shared->retry_at.store(at(50).time_since_epoch().count());
  EXPECT_EQ(here->take_slot(at(49)), Opening::NotYet);
  for (int i = 0; i < Pool::kMaxConnecting; i++) {
    EXPECT_EQ(here->take_slot(at(50)), Opening::Granted);
  }
  EXPECT_EQ(here->take_slot(at(50)), Opening::NotYet);
}

TEST_F(PoolOfTwoWorkers, WhatARefusedLoginWasIsToldUntilTheNextTry) {
  shared->retry_at.store(at(50).time_since_epoch().count());
  EXPECT_FALSE(here->refusal(at(49)));  // nothing has failed
  shared->last_failure = Error{sqlstate::kCannotConnectNow, "the server is not there"};
  EXPECT_FALSE(here->refusal(at(49)));  // it may be back at any moment: who comes waits
  shared->last_failure = Error{"28000", "not you"};
  ASSERT_TRUE(here->refusal(at(49)));
  EXPECT_EQ(here->refusal(at(49))->message, "server login failed: not you");
  EXPECT_FALSE(here->refusal(at(50)));

  shared->links.take(0);  // one that is logged in, and can be waited for
  EXPECT_FALSE(here->refusal(at(49)));
  shared->connecting.store(1);  // one that is not
  EXPECT_TRUE(here->refusal(at(49)));
  shared->renew_links();
  EXPECT_FALSE(here->refusal(at(49)));
}

TEST(PoolDirectory, HasOneOfEachName) {
  PoolDirectory directory;
  const auto pool = directory.pool("db", "bob");
  EXPECT_EQ(directory.pool("db", "bob"), pool);
  EXPECT_NE(directory.pool("db", "alice"), pool);
  EXPECT_EQ(directory.pool("db", "alice")->database, pool->database);
  EXPECT_EQ(directory.pool("other", "bob")->user, pool->user);
  EXPECT_EQ(directory.pools().size(), 3U);
  EXPECT_NE(directory.database("other")->scope.id, pool->database->scope.id);
}

TEST(Slots, AreNeverMoreThanTheLimit) {
  Slots slots;
  EXPECT_TRUE(slots.take(1));
  EXPECT_FALSE(slots.take(1));
  EXPECT_TRUE(slots.take(0)) << "no limit";
  slots.give_back();
  EXPECT_FALSE(slots.take(1));
  EXPECT_EQ(slots.used(), 1);
}

TEST_F(PoolOfTwoWorkers, AReplicationClientsSlotIsCountedLikeAnyOther) {
  EXPECT_TRUE(here->take_slot_for_replication());
  EXPECT_FALSE(here->is_at_limit());
  EXPECT_TRUE(there->take_slot_for_replication());
  EXPECT_TRUE(here->is_at_limit());
  EXPECT_FALSE(here->take_slot_for_replication());
  EXPECT_EQ(shared->database->links.used(), 2);
  here->wait(client(1), at(0));
  EXPECT_EQ(here->take_slot(at(1)), Opening::AtLimit);
  there->release_slot();
  EXPECT_EQ(here->take_slot(at(2)), Opening::Granted);
}

TEST_F(PoolOfTwoWorkers, WhileAReplicationClientWantsASlotNoOtherLinkIsOpened) {
  there->wait(client(1), at(0));
  shared->slots_wanted = 1;
  EXPECT_EQ(there->take_slot(at(1)), Opening::AtLimit);
  shared->slots_wanted = 0;
  EXPECT_EQ(there->take_slot(at(1)), Opening::Granted);
}

TEST_F(PoolOfTwoWorkers, TheDatabasesAndTheUsersLimitAreLimitsOfThePool) {
  set([](PoolSettings& settings) { settings.max_db_connections = 1; });
  EXPECT_TRUE(here->take_slot_for_replication());
  EXPECT_TRUE(there->is_at_limit());
  EXPECT_FALSE(there->take_slot_for_replication());
  EXPECT_EQ(shared->links.used(), 1);
}

}  // namespace
}  // namespace sportello::proxy
