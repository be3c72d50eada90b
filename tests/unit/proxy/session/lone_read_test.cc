// Looking ahead for what a replica may answer, the way back from a replica, and what writes keep others from.
#include "proxy/router/router.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <deque>

#include "tests/unit/cache/catalog_fixture.h"
#include "tests/unit/proxy/support/memory_link.h"
#include "tests/unit/proxy/support/messages.h"
#include "tests/unit/proxy/support/outbox_text.h"

namespace sportello::proxy {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const std::string kReady = server::ready();
const std::string kSet = server::parse_complete() + server::bind_complete();

struct LoneReads : ::testing::Test {
  std::shared_ptr<DatabaseScope> scope = std::make_shared<DatabaseScope>();
  std::shared_ptr<DatabaseNames> names = std::make_shared<DatabaseNames>(scope);
  Limbo limbo;
  MemoryWorker worker;
  LinkState replica = memory_link();
  LinkState primary = memory_link();
  ClientSession session{worker.context, *scope, 1};
  Outbox to_server;
  Outbox to_client;
  cache::Oid t = 0;
  std::deque<std::string> sent;

  LoneReads() {
    static uint64_t ids = 50'000;
    scope->id = ++ids;
    worker.context.limbo = &limbo;
    cache::CatalogFixture world;
    t = world.relation("public.t");
    world.relation("public.hot", 'r', 'u');
    const cache::Oid anything = world.function("public.anything", 'v');
    world.function("public.pure", 'i');
    world.view_of("public.writes", {t}, {anything});
    scope->catalog.publish(world.build(), 0);
    scope->paths.publish(std::make_shared<DefaultPaths>(DefaultPaths{.of_server = "public"}));
    session.begin(intern_settings(plain_settings()));
    session.track_writes(std::make_unique<SessionFreshness>(names, 1, "alice"));
  }

  RouteReason reason(std::string_view bytes) { return session.lone_read(bytes).reason; }
  size_t length(std::string_view bytes) {
    const LoneRead read = session.lone_read(bytes);
    return read.reason == RouteReason::Replica ? read.bytes : 0;
  }
  void send(std::string_view bytes) {
    session.on_client_bytes(sent.emplace_back(bytes), to_server, to_client);
  }
  // What is in an outbox is a view of it.
  ServerStep answer(const std::string& bytes) {
    return session.on_server_bytes(sent.emplace_back(bytes), to_server, to_client);
  }
  cache::ReadNeeds needs() {
    const std::vector<const cache::TableState*> reads = {&scope->tables.of(t)};
    return cache::needs_of(reads, scope->tables.all(), session.freshness()->last_write());
  }
};

TEST_F(LoneReads, AQueryIsTakenWithoutWhatFollows) {
  const std::string read = client::query("SELECT * FROM t");
  EXPECT_EQ(length(read), read.size());
  EXPECT_THAT(session.reading(), ElementsAre(&scope->tables.of(t)));
  EXPECT_EQ(length(read + client::query("DELETE FROM t")), read.size());
  EXPECT_EQ(length(client::query("DELETE FROM t") + read), 0U);
}

TEST_F(LoneReads, ABatchIsTakenUpToItsSync) {
  const std::string batch = client::parse("", "SELECT * FROM t") + client::bind("", "") +
                            client::describe('P', "") + client::execute() + client::sync();
  EXPECT_EQ(length(batch), batch.size());
  const std::string write =
      client::parse("", "DELETE FROM t") + client::bind("", "") + client::execute() + client::sync();
  EXPECT_EQ(length(batch + write), batch.size());
  for (size_t cut = 0; cut < batch.size(); cut++) {
    EXPECT_EQ(length(std::string_view(batch).substr(0, cut)), 0U) << cut;
  }
}

TEST_F(LoneReads, AWriteAnywhereInTheBatchKeepsItFromReplicas) {
  const std::string read = client::parse("", "SELECT * FROM t") + client::bind("", "") + client::execute();
  const std::string write = client::parse("", "DELETE FROM t") + client::bind("", "") + client::execute();
  EXPECT_EQ(length(read + write + client::sync()), 0U);
  EXPECT_EQ(length(write + read + client::sync()), 0U);
  EXPECT_EQ(length(read + client::query("SELECT 1") + client::sync()), 0U);
  EXPECT_EQ(length(client::bind("", "nobody") + client::execute() + client::sync()), 0U);
  EXPECT_EQ(length(client::parse("a", "SELECT 1") + client::sync()), 0U);
}

TEST_F(LoneReads, TheReasonIsTold) {
  EXPECT_EQ(reason(client::query("SELECT 1; SELECT 2")), RouteReason::NotARead);
  EXPECT_EQ(reason(client::query("SELECT * FROM t FOR SHARE")), RouteReason::NotARead);
  EXPECT_EQ(reason(client::query("SELECT pg_advisory_lock(1)")), RouteReason::NotARead);
  EXPECT_EQ(reason(client::query("BEGIN")), RouteReason::NotARead);
  EXPECT_EQ(reason(client::query("SELECT anything()")), RouteReason::MayWrite);
  EXPECT_EQ(reason(client::query("SELECT pure()")), RouteReason::Replica);
  EXPECT_EQ(reason(client::query("SELECT * FROM nowhere")), RouteReason::NamesUnknown);
  EXPECT_EQ(reason(client::query("SELECT * FROM hot")), RouteReason::NotOnReplicas);
  EXPECT_EQ(reason(client::query("SELECT 1 /* sportello: primary */")), RouteReason::HintPrimary);
  scope->ddl_epoch.fetch_add(1);
  EXPECT_EQ(reason(client::query("SELECT * FROM t")), RouteReason::NamesUnknown);
}

TEST_F(LoneReads, AnErrorOfTheReplicaIsAskedOfThePrimary) {
  const std::string read = client::query("SELECT * FROM t");
  ASSERT_EQ(length(read), read.size());
  session.take_link(replica, to_server, LinkUse::LoneRead);
  send(read);
  drain(to_server);
  EXPECT_EQ(answer(server::row_description()).taken, 0U);  // waits for what comes
  ServerStep step = answer(server::row_description() +
                           server::error("25006", "cannot execute in a read-only transaction") + kReady);
  EXPECT_TRUE(step.free);
  ASSERT_NE(step.again, nullptr);
  EXPECT_THAT(drain(to_client), IsEmpty());
  EXPECT_TRUE(session.take_fled_read_only());
  session.leave_link();
  session.take_link(primary, to_server);
  session.run_again(std::move(*step.again), to_server);
  EXPECT_EQ(drain(to_server), read);
  EXPECT_TRUE(answer(server::selected("1")).free);
  EXPECT_EQ(drain(to_client), server::selected("1"));
}

// Its functions were declared better than they are.
TEST_F(LoneReads, WhatAReplicaRefusedForWritingIsAWrite) {
  const std::string read = client::query("SELECT * FROM t");
  ASSERT_EQ(length(read), read.size());
  session.take_link(replica, to_server, LinkUse::LoneRead);
  send(read);
  drain(to_server);
  ServerStep step = answer(server::error("25006", "cannot execute in a read-only transaction") + kReady);
  ASSERT_NE(step.again, nullptr);
  session.leave_link();
  ASSERT_TRUE(session.take_fled_read_only());
  step.again->only_reads = false;
  const uint64_t before = needs().last_write;
  session.take_link(primary, to_server, LinkUse::Replay);
  session.run_again(std::move(*step.again), to_server);
  EXPECT_TRUE(needs().fenced);
  const LinkLoss loss = session.lose_link({sqlstate::kConnectionFailure, "gone"}, to_client);
  EXPECT_FALSE(loss.again);
  EXPECT_THAT(drain(to_client), ::testing::HasSubstr(sqlstate::kTransactionResolutionUnknown));
  EXPECT_GT(session.freshness()->last_write(), before);
}

TEST_F(LoneReads, AShapeThatWasRefusedIsAWriteFromThenOn) {
  session.freshness()->names().refuse_shape(
      worker.context.facts->look_up("SELECT * FROM t", true)->fingerprint);
  EXPECT_EQ(reason(client::query("SELECT * FROM t")), RouteReason::ShapeRefused);
  session.take_link(primary, to_server);
  send(client::query("SELECT * FROM t"));
  EXPECT_TRUE(needs().fenced);
  EXPECT_FALSE(session.lose_link({sqlstate::kConnectionFailure, "gone"}, to_client).again);
}

TEST_F(LoneReads, OfABatchOfSeveralShapesNoneIsTakenForTheRefused) {
  const auto fingerprint = [&](const std::string& batch) {
    return session.lone_read(batch + client::sync()).fingerprint;
  };
  const std::string one = client::unnamed("SELECT * FROM t WHERE a = 1");
  EXPECT_NE(fingerprint(one), 0U);
  EXPECT_EQ(fingerprint(one + client::unnamed("SELECT * FROM t WHERE a = 2")), fingerprint(one));
  EXPECT_EQ(fingerprint(one + client::unnamed("SELECT 1")), 0U);
}

// A conflict with replay is an error, and at once the end of the connection.
TEST_F(LoneReads, AnErrorAndAGoodbyeInOneBreathAreAskedOfThePrimary) {
  const std::string read = client::query("SELECT * FROM t");
  ASSERT_EQ(length(read), read.size());
  session.take_link(replica, to_server, LinkUse::LoneRead);
  send(read);
  drain(to_server);
  const ServerStep step =
      answer(server::error("40001", "canceling statement due to conflict with recovery") + kReady +
             server::fatal("40001", "terminating connection due to conflict with recovery"));
  EXPECT_TRUE(step.broken);
  EXPECT_EQ(step.again, nullptr);
  const LinkLoss loss = session.lose_link({sqlstate::kConnectionFailure, "gone"}, to_client);
  ASSERT_TRUE(loss.again.has_value());
  EXPECT_TRUE(loss.again->of_lone_read);
  EXPECT_EQ(loss.again->bytes, read);
  EXPECT_THAT(drain(to_client), IsEmpty());
}

// A server that goes down first sends what it had ready, then says goodbye.
TEST_F(LoneReads, AServersGoodbyeInFrontOfTheEndIsUnseen) {
  const std::string goodbye = kSet + server::row_description() + server::row("1") +
                              server::complete("SELECT 1") + server::fatal("57P01", "terminating connection");
  for (size_t cut = 0; cut < goodbye.size(); cut++) {
    const std::string batch = client::parse("", "SELECT " + std::to_string(cut) + " FROM t") +
                              client::bind("", "") + client::describe('P', "") + client::execute() +
                              client::sync();
    LinkState one = memory_link();
    LinkState two = memory_link();
    session.take_link(one, to_server);
    send(batch);
    drain(to_server);
    const size_t taken = cut == 0 ? 0 : answer(goodbye.substr(0, cut)).taken;
    const ServerStep step = answer(goodbye.substr(taken));
    ASSERT_TRUE(step.broken) << cut;
    LinkLoss loss = session.lose_link(*step.broken, to_client);
    EXPECT_THAT(drain(to_client), IsEmpty()) << cut;
    ASSERT_TRUE(loss.again) << cut;
    // The next link leads to the same dying server.
    session.take_link(two, to_server);
    session.run_again(*std::move(loss.again), to_server);
    EXPECT_EQ(drain(to_server), batch);
    LinkLoss second = session.lose_link({"08006", "reset"}, to_client);
    EXPECT_THAT(drain(to_client), IsEmpty()) << cut;
    ASSERT_TRUE(second.again) << cut;
    LinkState three = memory_link();
    session.take_link(three, to_server);
    session.run_again(*std::move(second.again), to_server);
    EXPECT_EQ(drain(to_server), batch);
    const std::string good =
        kSet + server::row_description() + server::row("1") + server::complete("SELECT 1") + kReady;
    EXPECT_TRUE(answer(good).free);
    EXPECT_EQ(drain(to_client), good);
    session.leave_link();
  }
}

TEST_F(LoneReads, AServerThatDiesWithoutAWordMayHaveDiedOfTheRead) {
  session.take_link(primary, to_server);
  send(client::query("SELECT * FROM t"));
  unsigned runs = 0;
  for (;; runs++) {
    LinkLoss loss = session.lose_link({"08006", "reset"}, to_client);
    if (!loss.again) {
      break;
    }
    primary = memory_link();
    session.take_link(primary, to_server);
    session.run_again(*std::move(loss.again), to_server);
    drain(to_server);
  }
  EXPECT_EQ(runs, Replay::kMostWordlessRuns);
  EXPECT_THAT(drain(to_client), ::testing::HasSubstr("08006"));
}

TEST_F(LoneReads, AWriteIsNotRunAgainWhateverTheServerSays) {
  session.take_link(primary, to_server);
  send(client::query("INSERT INTO t VALUES (1)"));
  const ServerStep step = answer(server::fatal("57P01", "terminating connection"));
  ASSERT_TRUE(step.broken);
  EXPECT_FALSE(session.lose_link(*step.broken, to_client).again);
  EXPECT_THAT(drain(to_client), ::testing::HasSubstr("08007"));
}

TEST_F(LoneReads, ABatchThatFledKeepsItsNames) {
  const std::string batch =
      client::parse("s", "SELECT * FROM t") + client::bind("", "s") + client::execute() + client::sync();
  ASSERT_EQ(length(batch), batch.size());
  session.take_link(replica, to_server, LinkUse::LoneRead);
  send(batch);
  drain(to_server);
  ASSERT_TRUE(session.flee());  // a table of it is being written
  ServerStep step = answer(kSet + server::row("1") + server::complete("SELECT 1") + kReady);
  ASSERT_NE(step.again, nullptr);
  EXPECT_THAT(drain(to_client), IsEmpty());
  session.leave_link();
  session.take_link(primary, to_server);
  session.run_again(std::move(*step.again), to_server);
  drain(to_server);
  const std::string good = kSet + server::row("2") + server::complete("SELECT 1") + kReady;
  EXPECT_TRUE(answer(good).free);
  EXPECT_EQ(drain(to_client), good);
  EXPECT_EQ(session.prepared_statements(), 1U);
}

TEST_F(LoneReads, WhatTheClientCancelledIsItsOwn) {
  const std::string read = client::query("SELECT * FROM t");
  length(read);
  session.take_link(replica, to_server, LinkUse::LoneRead);
  send(read);
  EXPECT_EQ(answer(server::error("57014", "canceling statement due to user request") + kReady).again,
            nullptr);
  EXPECT_FALSE(drain(to_client).empty());
}

TEST_F(LoneReads, AWriteIsFencedUntilItIsAnsweredAndIsTheSessionsFloor) {
  const uint64_t before = needs().last_write;
  session.take_link(primary, to_server);
  send(client::query("UPDATE t SET a = 1"));
  EXPECT_TRUE(needs().fenced);
  answer(server::complete("UPDATE 1") + kReady);
  EXPECT_FALSE(needs().fenced);
  EXPECT_GT(needs().last_write, before);
  EXPECT_EQ(session.freshness()->last_write(), scope->board.sequence());
  EXPECT_EQ(scope->tables.all().fences.load(), 0U);
}

TEST_F(LoneReads, ATransactionIsFencedFromItsCommitOn) {
  session.take_link(primary, to_server);
  send(client::query("BEGIN"));
  answer(server::complete("BEGIN") + server::ready('T'));
  send(client::query("UPDATE t SET a = 1"));
  EXPECT_FALSE(needs().fenced);
  answer(server::complete("UPDATE 1") + server::ready('T'));
  send(client::query("COMMIT"));
  EXPECT_TRUE(needs().fenced);
  answer(server::complete("COMMIT") + kReady);
  EXPECT_FALSE(needs().fenced);
  EXPECT_EQ(scope->tables.of(t).last_write.load(), scope->board.sequence());
}

TEST_F(LoneReads, AWriteThatNobodyUnderstandsIsOneToEveryTable) {
  session.take_link(primary, to_server);
  send(client::query("SELECT anything()"));
  EXPECT_EQ(scope->tables.all().fences.load(), 1U);
  answer(server::selected("1"));
  EXPECT_EQ(scope->tables.all().fences.load(), 0U);
}

// How many fences over all tables it takes to send it, and whether it may be run again.
struct UnknownNames : LoneReads {
  std::deque<LinkState> links;

  uint32_t fences_for(std::string_view text) {
    session.take_link(links.emplace_back(memory_link()), to_server);
    send(client::query(text));
    const uint32_t fences = scope->tables.all().fences.load();
    const bool again = session.lose_link({"08006", "gone"}, to_client).again.has_value();
    EXPECT_EQ(again, fences == 0) << text;
    limbo = Limbo();
    return fences;
  }
};

TEST_F(UnknownNames, WhateverReadsATableMayWrite) {
  EXPECT_EQ(fences_for("SELECT * FROM t"), 0U);
  EXPECT_EQ(fences_for("SELECT * FROM nowhere"), 1U) << "somebody may have made it past us";
  scope->catalog.withdraw();
  EXPECT_EQ(fences_for("SELECT * FROM t"), 1U);
  EXPECT_EQ(fences_for("SELECT 1"), 0U);
  EXPECT_EQ(fences_for("SELECT (x).y FROM (SELECT 1) x"), 1U);
}

TEST_F(UnknownNames, WhatWasKnownAMomentAgoTellsWhatOnlyReads) {
  scope->catalog.set_lapsed(false);
  EXPECT_EQ(fences_for("SELECT * FROM t"), 0U);
  scope->catalog.withdraw();
  EXPECT_EQ(fences_for("SELECT * FROM t"), 0U);
  EXPECT_EQ(fences_for("SELECT * FROM writes"), 1U);
  EXPECT_EQ(reason(client::query("SELECT * FROM t")), RouteReason::NamesUnknown) << "and nothing else";
  scope->ddl_epoch.fetch_add(1);
  EXPECT_EQ(fences_for("SELECT * FROM t"), 1U);
  scope->ddl_epoch.fetch_sub(1);
  EXPECT_EQ(fences_for("SELECT * FROM t"), 0U);
  scope->catalog.set_lapsed(true);
  EXPECT_EQ(fences_for("SELECT * FROM t"), 1U);
}

TEST_F(LoneReads, ALostCommitKeepsItsFence) {  // cache/README.md, F8
  session.take_link(primary, to_server);
  send(client::query("UPDATE t SET a = 1"));
  session.lose_link({"08006", "gone"}, to_client);
  EXPECT_TRUE(needs().fenced);
  EXPECT_EQ(session.freshness()->last_write(), scope->board.sequence());
  const TimePoint now = Clock::now();
  limbo.tick(now);
  EXPECT_TRUE(needs().fenced);
  limbo.tick(now + Limbo::kKept);
  EXPECT_TRUE(needs().fenced);
  scope->lost_fences.still_open(scope->lost_fences.ask(), {}, now + Limbo::kKept);
  EXPECT_FALSE(needs().fenced);
}

TEST_F(LoneReads, ALostCommitKeepsItsFenceUntilItsProcessIsGone) {  // cache/README.md, F8
  primary.process_id = 77;
  session.take_link(primary, to_server);
  send(client::query("UPDATE t SET a = 1"));
  session.lose_link({"08006", "gone"}, to_client);
  const TimePoint now = Clock::now();
  limbo.tick(now);
  EXPECT_THAT(scope->lost_fences.ask().process_ids, IsEmpty());
  limbo.tick(now + Limbo::kKept);
  EXPECT_TRUE(limbo.is_empty());
  EXPECT_TRUE(needs().fenced);
  EXPECT_THAT(scope->lost_fences.ask().process_ids, ElementsAre(77U));
  scope->lost_fences.still_there(scope->lost_fences.ask(), {}, now + Limbo::kKept);
  EXPECT_FALSE(needs().fenced);
}

TEST_F(LoneReads, WhoLeavesABlockLeavesNoFence) {
  primary.process_id = 77;
  session.take_link(primary, to_server);
  send(client::query("UPDATE t SET a = 1; COMMIT; BEGIN"));
  answer(server::complete("UPDATE 1") + server::complete("COMMIT") + server::complete("BEGIN") +
         server::ready('T'));
  session.leave_link();
  EXPECT_FALSE(needs().fenced);
  EXPECT_TRUE(limbo.is_empty());
}

TEST_F(LoneReads, ASavepointIsNoCommit) {
  session.take_link(primary, to_server);
  send(client::query("BEGIN"));
  answer(server::complete("BEGIN") + server::ready('T'));
  send(client::query("UPDATE t SET a = 1"));
  answer(server::complete("UPDATE 1") + server::ready('T'));
  for (const char* statement : {"SAVEPOINT a", "ROLLBACK TO a", "RELEASE a"}) {
    send(client::query(statement));
    EXPECT_FALSE(needs().fenced) << statement;
    answer(server::complete("SAVEPOINT") + server::ready('T'));
  }
  send(client::query("SELECT 1; COMMIT"));
  EXPECT_TRUE(needs().fenced);
}

TEST_F(LoneReads, ACommitAndChainSettlesWhatCameBeforeIt) {
  session.take_link(primary, to_server);
  send(client::query("BEGIN"));
  answer(server::complete("BEGIN") + server::ready('T'));
  for (const char* end : {"COMMIT AND CHAIN", "ROLLBACK AND CHAIN"}) {
    send(client::query("UPDATE t SET a = 1"));
    answer(server::complete("UPDATE 1") + server::ready('T'));
    send(client::query(end));
    EXPECT_TRUE(needs().fenced) << end;
    answer(server::complete("COMMIT") + server::ready('T'));
    EXPECT_FALSE(needs().fenced) << end;
  }
  // What is sent behind it is of the next block.
  send(client::query("COMMIT AND CHAIN"));
  send(client::query("UPDATE t SET a = 1"));
  answer(server::complete("COMMIT") + server::ready('T') + server::complete("UPDATE 1") + server::ready('T'));
  send(client::query("COMMIT"));
  EXPECT_TRUE(needs().fenced);
  answer(server::complete("COMMIT") + kReady);
  EXPECT_FALSE(needs().fenced);
}

TEST_F(LoneReads, AReadOfAViewThatMayWriteIsAWriteToEveryTable) {
  session.take_link(primary, to_server);
  send(client::query("SELECT * FROM writes"));
  EXPECT_EQ(scope->tables.all().fences.load(), 1U);
  const LinkLoss loss = session.lose_link({"08006", "gone"}, to_client);
  EXPECT_FALSE(loss.again.has_value()) << "a write is not sent twice";
}

TEST_F(LoneReads, WhatAFunctionMayHaveDoneIsOverWithItsLink) {
  session.take_link(primary, to_server);
  send(client::query("SELECT pure()"));
  EXPECT_TRUE(answer(server::selected("1")).free);
  session.leave_link();
  session.take_link(primary, to_server);
  send(client::query("UPDATE t SET a = 1"));
  EXPECT_EQ(scope->tables.all().fences.load(), 0U);
  EXPECT_TRUE(needs().fenced);
  answer(server::complete("UPDATE 1") + kReady);
}

}  // namespace
}  // namespace sportello::proxy
