// A transaction block that is begun here and on a server only when that is needed: what the client is told,
// what the server is sent, and what becomes of the block when a link is lost or refused.
#include "proxy/session/deferred_block.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

#include "protocol/sqlstate.h"
#include "tests/unit/cache/catalog_fixture.h"
#include "tests/unit/proxy/support/memory_link.h"
#include "tests/unit/proxy/support/messages.h"
#include "tests/unit/proxy/support/outbox_text.h"

namespace sportello::proxy {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Need = ClientStep::Need;

const std::string kBegun = server::complete("BEGIN") + server::ready('T');
const std::string kRolledBack = server::complete("ROLLBACK") + server::ready();

struct DeferredBlocks : ::testing::Test {
  std::shared_ptr<DatabaseScope> scope = std::make_shared<DatabaseScope>();
  Limbo limbo;
  MemoryWorker worker;
  LinkState primary = memory_link();
  LinkState replica = memory_link();
  ClientSession session{worker.context, *scope, 1};
  Outbox to_server;
  Outbox to_client;
  std::deque<std::string> said;

  DeferredBlocks() {
    static uint64_t ids = 60'000;
    scope->id = ++ids;
    scope->begins_read_committed = true;
    worker.context.limbo = &limbo;
    cache::CatalogFixture world;
    world.relation("public.t");
    world.function("public.recent", 's');
    scope->catalog.publish(world.build(), 0);
    scope->paths.publish(std::make_shared<DefaultPaths>(DefaultPaths{.of_server = "public"}));
    session.begin(intern_settings(plain_settings()));
    session.track_writes(
        std::make_unique<SessionFreshness>(std::make_shared<DatabaseNames>(scope), 1, "alice"));
    session.defer_begin();
  }

  Need send(std::string_view bytes) {
    return session.on_client_bytes(said.emplace_back(bytes), to_server, to_client).need;
  }
  // What the client is told, all of it without a server.
  std::string told(std::string_view bytes) {
    EXPECT_EQ(send(bytes), Need::Nothing) << bytes;
    EXPECT_THAT(drain(to_server), IsEmpty());
    return drain(to_client);
  }
  void on_primary(std::string_view bytes) {
    ASSERT_EQ(send(bytes), Need::Link);
    session.take_link(primary, to_server);
    ASSERT_EQ(send(bytes), Need::Nothing);
  }
  void on_replica(std::string_view bytes) {
    ASSERT_EQ(session.lone_read(bytes).reason, RouteReason::Replica);
    session.take_link(replica, to_server, LinkUse::LoneRead);
    ASSERT_EQ(send(bytes), Need::Nothing);
  }
  ServerStep answer(const std::string& bytes) {
    return session.on_server_bytes(said.emplace_back(bytes), to_server, to_client);
  }
  RouteReason reason(std::string_view text) { return session.lone_read(client::query(text)).reason; }
};

TEST_F(DeferredBlocks, ABlockWithNothingInItNeedsNoServer) {
  EXPECT_EQ(told(client::query("BEGIN")), kBegun);
  EXPECT_EQ(told(client::query("END")), server::complete("COMMIT") + server::ready());
  EXPECT_EQ(told(client::query("start transaction isolation level serializable")),
            server::complete("START TRANSACTION") + server::ready('T'));
  EXPECT_EQ(told(client::query("abort")), kRolledBack);
  EXPECT_EQ(session.take_block_counts().transactions, 2U);
}

TEST_F(DeferredBlocks, SyncTellsThatABlockIsOpen) {
  told(client::query("BEGIN"));
  EXPECT_EQ(told(client::sync()), server::ready('T'));
}

TEST_F(DeferredBlocks, BeginGoesInFrontOfTheFirstStatement) {
  const std::string begin = client::query("BEGIN ISOLATION LEVEL REPEATABLE READ /* x */");
  const std::string insert = client::query("INSERT INTO t VALUES (1)");
  told(begin);
  on_primary(insert);
  EXPECT_EQ(drain(to_server), begin + insert);
  EXPECT_FALSE(answer(kBegun).free);
  EXPECT_THAT(drain(to_client), IsEmpty());
  const std::string inserted = server::complete("INSERT 0 1") + server::ready('T');
  EXPECT_FALSE(answer(inserted).free);
  EXPECT_EQ(drain(to_client), inserted);
  send(client::query("COMMIT"));
  EXPECT_TRUE(answer(server::complete("COMMIT") + server::ready()).free);
  EXPECT_FALSE(session.has_deferred_block());
}

TEST_F(DeferredBlocks, WhatIsMoreThanTheEndOfTheBlockIsAServersToAnswer) {
  for (const char* text : {"BEGIN", "COMMIT AND CHAIN", "ROLLBACK AND CHAIN", "SAVEPOINT a", "DISCARD ALL",
                           "COMMIT; SELECT 1", "PREPARE TRANSACTION 'x'", "SET TRANSACTION READ ONLY"}) {
    told(client::query("BEGIN"));
    EXPECT_EQ(send(client::query(text)), Need::Link) << text;
    told(client::query("ROLLBACK"));
  }
  EXPECT_EQ(send(client::query("COMMIT")), Need::Link);
  EXPECT_EQ(send(client::query("BEGIN; SELECT 1")), Need::Link);
}

TEST_F(DeferredBlocks, ALostLinkTakesTheBlockWithIt) {
  told(client::query("BEGIN"));
  on_primary(client::query("INSERT INTO t VALUES (1)"));
  drain(to_server);
  const LinkLoss loss = session.lose_link({sqlstate::kConnectionFailure, "gone"}, to_client);
  EXPECT_FALSE(loss.again.has_value());
  const std::string lost = drain(to_client);
  EXPECT_THAT(lost, HasSubstr(sqlstate::kConnectionFailure));  // nothing can have been committed
  EXPECT_TRUE(lost.ends_with(server::ready('E')));
  EXPECT_THAT(told(client::query("SELECT 1")), HasSubstr(sqlstate::kInFailedTransaction));
  EXPECT_EQ(told(client::query("ROLLBACK")), kRolledBack);
}

// Even a read alone is not asked elsewhere: what its transaction would see next must go with it.
TEST_F(DeferredBlocks, AReadOfALostBlockIsNotRunAgain) {
  told(client::query("BEGIN"));
  on_primary(client::query("SELECT * FROM t"));
  EXPECT_FALSE(session.lose_link({sqlstate::kConnectionFailure, "gone"}, to_client).again.has_value());
  EXPECT_TRUE(drain(to_client).ends_with(server::ready('E')));
}

TEST_F(DeferredBlocks, ARefusedLinkFailsTheBlock) {
  told(client::query("BEGIN"));
  const std::string insert = client::query("INSERT INTO t VALUES (1)");
  ASSERT_EQ(send(insert), Need::Link);
  EXPECT_EQ(session.refuse(insert, {sqlstate::kTooManyConnections, "no"}, to_client), insert.size());
  EXPECT_TRUE(drain(to_client).ends_with(server::ready('E')));
  EXPECT_THAT(told(client::query("INSERT INTO t VALUES (2)")), HasSubstr(sqlstate::kInFailedTransaction));
  EXPECT_EQ(told(client::query("COMMIT")), kRolledBack);
}

TEST_F(DeferredBlocks, ARefusedLinkFailsTheBlockOfABatchToo) {
  told(client::query("BEGIN"));
  const std::string batch = client::unnamed("INSERT INTO t VALUES (1)") + client::sync();
  ASSERT_EQ(send(batch), Need::Link);
  EXPECT_EQ(session.refuse(batch, {sqlstate::kTooManyConnections, "no"}, to_client), 0U);
  drain(to_client);
  EXPECT_EQ(told(batch), server::ready('E'));
}

// C10.
TEST_F(DeferredBlocks, ABlockRestsOnItsLinkWhileItHasOnlyRead) {
  const auto rests_after = [&](std::string_view begin, std::string_view text) {
    told(client::query(begin));
    on_primary(client::query(text));
    EXPECT_FALSE(session.rests_on_link()) << "its answer is still to come";
    answer(kBegun + server::selected("1", 'T'));
    const bool rests = session.rests_on_link();
    send(client::query("SELECT * FROM t"));
    answer(server::selected("1", 'T'));
    EXPECT_EQ(session.rests_on_link(), rests);
    send(client::query("COMMIT"));
    EXPECT_TRUE(answer(server::complete("COMMIT") + server::ready()).free) << text;
    session.leave_link();
    EXPECT_FALSE(session.rests_on_link());
    drain(to_client);
    drain(to_server);
    return rests;
  };
  EXPECT_TRUE(rests_after("BEGIN", "SELECT * FROM t"));
  EXPECT_FALSE(rests_after("BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT * FROM t"));
  for (const char* text :
       {"SELECT * FROM t FOR SHARE", "UPDATE t SET k = 1", "SET LOCAL a.b = 1", "SELECT recent()",
        "EXECUTE x", "LOCK t", "SAVEPOINT a", "SELECT nextval('s')", "SELECT 1; SELECT 2"}) {
    EXPECT_FALSE(rests_after("BEGIN", text)) << text;
  }
  scope->begins_read_committed = false;
  EXPECT_FALSE(rests_after("BEGIN", "SELECT * FROM t"));
}

// ---- READ ONLY ----

TEST_F(DeferredBlocks, PlainReadsOfAReadOnlyBlockMayGoToReplicas) {
  told(client::query("BEGIN READ ONLY"));
  EXPECT_EQ(reason("SELECT * FROM t"), RouteReason::Replica);
  EXPECT_EQ(reason("SELECT inet_server_port()"), RouteReason::Replica);
  EXPECT_EQ(reason("SELECT pg_is_in_recovery()"), RouteReason::Replica);
  EXPECT_EQ(reason("SELECT to_char(1, '9')"), RouteReason::Replica);
  EXPECT_NE(reason("SELECT pg_is_in_recovery(), * FROM t"), RouteReason::Replica);
  EXPECT_NE(reason("INSERT INTO t VALUES (1)"), RouteReason::Replica);
  EXPECT_NE(reason("DECLARE c CURSOR FOR SELECT * FROM t"), RouteReason::Replica);
}

// Two statements of one transaction see the same moment.
TEST_F(DeferredBlocks, WhatTellsOfItsTransactionIsNotAskedAlone) {
  told(client::query("BEGIN READ ONLY"));
  for (const char* text : {"SELECT now()", "SELECT CURRENT_DATE", "SELECT LOCALTIMESTAMP",
                           "SELECT 'today'::date", "SELECT recent()", "SELECT pg_backend_pid()",
                           "SELECT current_setting('transaction_isolation')", "SELECT age(k) FROM t"}) {
    EXPECT_NE(reason(text), RouteReason::Replica) << text;
  }
  told(client::query("COMMIT"));
  EXPECT_EQ(reason("SELECT now()"), RouteReason::Replica);
}

TEST_F(DeferredBlocks, OnlyReadCommittedReadOnlyBlocksAreReadAlone) {
  const auto reads_alone = [&](std::string_view begin) {
    told(client::query(begin));
    const RouteReason found = reason("SELECT * FROM t");
    told(client::query("ROLLBACK"));
    return found == RouteReason::Replica;
  };
  EXPECT_TRUE(reads_alone("BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY"));
  EXPECT_FALSE(reads_alone("BEGIN"));
  EXPECT_FALSE(reads_alone("BEGIN READ WRITE"));
  EXPECT_FALSE(reads_alone("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"));
  EXPECT_FALSE(reads_alone("/* sportello: primary */ BEGIN READ ONLY"));
  scope->begins_read_committed = false;
  EXPECT_FALSE(reads_alone("BEGIN READ ONLY"));
  EXPECT_TRUE(reads_alone("BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY"));
}

TEST_F(DeferredBlocks, AReadAloneIsAnsweredAsInABlock) {
  told(client::query("BEGIN READ ONLY"));
  const std::string read = client::query("SELECT * FROM t");
  on_replica(read);
  EXPECT_EQ(drain(to_server), read);  // no BEGIN
  EXPECT_TRUE(answer(server::selected("1")).free);
  session.leave_link();
  EXPECT_EQ(drain(to_client), server::selected("1", 'T'));
  EXPECT_EQ(told(client::query("COMMIT")), server::complete("COMMIT") + server::ready());
}

TEST_F(DeferredBlocks, ABatchAloneIsAnsweredAsInABlock) {
  told(client::query("BEGIN READ ONLY"));
  const std::string batch = client::unnamed("SELECT * FROM t") + client::sync();
  on_replica(batch);
  answer(server::parse_complete() + server::bind_complete() + server::row("1") +
         server::complete("SELECT 1") + server::ready());
  EXPECT_TRUE(drain(to_client).ends_with(server::ready('T')));
}

// In a block a portal lives on behind its Sync, and its rows are fetched in pieces.
TEST_F(DeferredBlocks, ABatchThatLeavesAPortalIsNotAskedAlone) {
  told(client::query("BEGIN READ ONLY"));
  const auto reason = [&](const std::string& batch) {
    return session.lone_read(batch + client::sync()).reason;
  };
  const std::string parse = client::parse("", "SELECT * FROM t");
  const std::string whole = client::bind("", "") + client::execute();
  EXPECT_EQ(reason(parse + whole), RouteReason::Replica);
  EXPECT_EQ(reason(parse + whole + whole), RouteReason::Replica);
  EXPECT_EQ(reason(parse + client::bind("", "") + client::execute("", 10)), RouteReason::NotALoneRead);
  EXPECT_EQ(reason(parse + client::bind("c", "") + client::execute("c")), RouteReason::NotALoneRead);
  EXPECT_EQ(reason(parse + client::bind("c", "") + whole), RouteReason::NotALoneRead);
  EXPECT_EQ(reason(parse + client::bind("", "")), RouteReason::NotALoneRead);
  EXPECT_EQ(reason(parse + whole + client::bind("", "")), RouteReason::NotALoneRead);
  told(client::query("COMMIT"));
  EXPECT_EQ(reason(parse + client::bind("c", "") + client::execute("c", 10)), RouteReason::Replica);
}

// What the replica says against a read, the primary is to say; what that says counts.
TEST_F(DeferredBlocks, AReadThatFailsFailsTheBlock) {
  told(client::query("BEGIN READ ONLY"));
  on_replica(client::query("SELECT * FROM t"));
  ServerStep step = answer(server::error("22012", "division by zero") + server::ready());
  ASSERT_NE(step.again, nullptr);
  EXPECT_THAT(drain(to_client), IsEmpty());
  session.leave_link();
  drain(to_server);
  session.take_link(primary, to_server, LinkUse::Replay);
  session.run_again(std::move(*step.again), to_server);
  EXPECT_EQ(drain(to_server), client::query("SELECT * FROM t"));
  EXPECT_TRUE(answer(server::error("22012", "division by zero") + server::ready()).free);
  session.leave_link();
  const std::string failed = drain(to_client);
  EXPECT_THAT(failed, HasSubstr("22012"));
  EXPECT_TRUE(failed.ends_with(server::ready('E')));
  EXPECT_THAT(told(client::query("SELECT * FROM t")), HasSubstr(sqlstate::kInFailedTransaction));
  EXPECT_EQ(told(client::query("COMMIT")), kRolledBack);
}

// What the primary has shown, a replica may not have yet.
TEST_F(DeferredBlocks, OnceThePrimaryHasAnsweredTheBlockIsBegunThere) {
  told(client::query("BEGIN READ ONLY"));
  const std::string read = client::query("SELECT * FROM t");
  on_replica(read);
  LinkLoss loss = session.lose_link({sqlstate::kConnectionFailure, "gone"}, to_client);
  ASSERT_TRUE(loss.again.has_value());
  EXPECT_THAT(drain(to_client), IsEmpty());
  drain(to_server);
  session.take_link(primary, to_server, LinkUse::Replay);
  session.run_again(std::move(*loss.again), to_server);
  answer(server::selected("1"));
  session.leave_link();
  drain(to_server);
  EXPECT_TRUE(drain(to_client).ends_with(server::ready('T')));
  EXPECT_EQ(session.lone_read(read).reason, RouteReason::NotALoneRead);
  on_primary(read);
  EXPECT_EQ(drain(to_server), client::query("BEGIN READ ONLY\n;SELECT") + read);
}

// After its first query a transaction is what it is.
TEST_F(DeferredBlocks, TheServerIsToldThatTheBlockHasAskedSomething) {
  const std::string set = client::query("SET TRANSACTION READ WRITE");
  told(client::query("BEGIN READ ONLY -- as ever"));
  on_replica(client::query("SELECT * FROM t"));
  answer(server::selected("1"));
  session.leave_link();
  drain(to_server);
  on_primary(set);
  EXPECT_EQ(drain(to_server), client::query("BEGIN READ ONLY -- as ever\n;SELECT") + set);
  answer(server::complete("BEGIN") + server::selected("", 'T') +
         server::error("25001", "must be set before any query") + server::ready('E'));
  answer(server::complete("ROLLBACK") + server::ready());
  EXPECT_THAT(drain(to_client), HasSubstr("25001"));
}

TEST_F(DeferredBlocks, AReadThatCannotBeRunAgainFailsTheBlock) {
  told(client::query("BEGIN READ ONLY"));
  on_replica(client::query("SELECT * FROM t"));
  LinkLoss loss = session.lose_link({sqlstate::kConnectionFailure, "gone"}, to_client);
  ASSERT_TRUE(loss.again.has_value());
  session.fail_replay(*loss.again, {sqlstate::kCannotConnectNow, "no primary"}, to_client);
  EXPECT_TRUE(drain(to_client).ends_with(server::ready('E')));
  drain(to_server);
  EXPECT_EQ(told(client::query("ROLLBACK")), kRolledBack);
}

// All of the answer but ReadyForQuery is with the client: it has what it asked for.
TEST_F(DeferredBlocks, ALinkLostAfterTheAnswerLosesNothing) {
  told(client::query("BEGIN READ ONLY"));
  for (const std::string& read :
       {client::query("SELECT * FROM t"), client::unnamed("SELECT * FROM t") + client::sync()}) {
    on_replica(read);
    drain(to_server);
    const std::string front = read.starts_with('P') ? server::parse_complete() + server::bind_complete()
                                                    : server::row_description();
    answer(front + server::row(server::kLargeValue) + server::complete("SELECT 1"));
    session.lose_link({sqlstate::kConnectionFailure, "gone"}, to_client);
    EXPECT_THAT(drain(to_client), ::testing::EndsWith(server::row(server::kLargeValue) +
                                                      server::complete("SELECT 1") + server::ready('T')));
    EXPECT_TRUE(session.has_deferred_block());
    replica = memory_link();
  }
}

TEST_F(DeferredBlocks, ALinkLostUnderAnAnswerFailsTheBlock) {
  told(client::query("BEGIN READ ONLY"));
  on_replica(client::query("SELECT * FROM t"));
  answer(server::row_description() + server::row(server::kLargeValue));
  session.lose_link({sqlstate::kConnectionFailure, "gone"}, to_client);
  EXPECT_TRUE(drain(to_client).ends_with(server::ready('E')));
  EXPECT_FALSE(session.has_deferred_block());
}

}  // namespace
}  // namespace sportello::proxy
