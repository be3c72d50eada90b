// The simple protocol, function calls, and what every message has in common: cuts, lengths, unknown types.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/proxy/support/memory_link.h"
#include "tests/unit/proxy/support/messages.h"

namespace sportello::proxy {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct SimpleQuery : ::testing::Test {
  MemoryWorker worker;
  LinkState link = memory_link();
  MemorySession a{worker, &link};
};

TEST_F(SimpleQuery, IsForwardedAndItsAnswerComesBackAndTheLinkIsFree) {
  a.client(client::query("SELECT 1"));
  EXPECT_TRUE(a.holds_link());
  EXPECT_THAT(a.to_server(), ElementsAre("Query 'SELECT 1'"));
  a.server(server::selected("1"));
  EXPECT_THAT(a.to_client(),
              ElementsAre("RowDescription", "DataRow (1)", "CommandComplete 'SELECT 1'", "ReadyForQuery I"));
  EXPECT_FALSE(a.holds_link());
  EXPECT_EQ(a.commands(), 1U);
}

TEST_F(SimpleQuery, WaitsUntakenForALink) {
  a.next_link = nullptr;
  a.client(client::query("SELECT 1"));
  EXPECT_EQ(a.last_step().need, ClientStep::Need::Link);
  EXPECT_EQ(a.last_step().taken, 0U);
  EXPECT_THAT(a.to_server(), IsEmpty());
  EXPECT_THAT(a.to_client(), IsEmpty());
}

TEST_F(SimpleQuery, KeepsItsLinkInATransactionAndGivesItBackAtItsEnd) {
  a.client(client::query("BEGIN")).server(server::complete("BEGIN") + server::ready('T'));
  EXPECT_TRUE(a.holds_link());
  EXPECT_FALSE(a.last_answer().ended_transaction);
  a.client(client::query("SELEKT")).server(server::error("42601", "syntax") + server::ready('E'));
  EXPECT_TRUE(a.holds_link());
  a.client(client::query("ROLLBACK")).server(server::complete("ROLLBACK") + server::ready());
  EXPECT_FALSE(a.holds_link());
  EXPECT_TRUE(a.last_answer().ended_transaction);
}

TEST_F(SimpleQuery, MayBeSentAheadAndTheLinkStaysUntilAllAreAnswered) {
  a.client(client::query("SELECT 1") + client::query("SELECT 2"));
  EXPECT_THAT(a.to_server(), ElementsAre("Query 'SELECT 1'", "Query 'SELECT 2'"));
  a.server(server::selected("1"));
  EXPECT_TRUE(a.holds_link());
  a.server(server::selected("2"));
  EXPECT_FALSE(a.holds_link());
  EXPECT_EQ(a.commands(), 2U);
}

TEST_F(SimpleQuery, MayHoldSeveralStatementsOrNone) {
  a.client(client::query("SELECT 1; SELECT 2"));
  a.server(server::row_description() + server::row("1") + server::complete("SELECT 1") +
           server::row_description() + server::row("2") + server::complete("SELECT 1") + server::ready());
  EXPECT_FALSE(a.holds_link());
  a.client(client::query("")).server(server::empty_query() + server::ready());
  EXPECT_FALSE(a.holds_link());
}

TEST_F(SimpleQuery, PassesNoticesAndNotificationsOn) {
  a.client(client::query("SELECT 1"));
  a.server(server::notice("careful") + server::notification("c", "p") + server::selected("1"));
  const Trace seen = a.to_client();
  EXPECT_EQ(seen[0], "Notice 'careful'");
  EXPECT_EQ(seen[1], "Notification c 'p'");
}

TEST_F(SimpleQuery, CanBeCutAnywhereInEitherDirection) {
  const std::string asked = client::query("SELECT 'some text'");
  const std::string answer =
      server::notice("n") + server::parameter("TimeZone", "UTC") + server::selected("1");
  for (size_t cut = 1; cut < answer.size(); cut++) {
    a.client(asked, cut);
    EXPECT_EQ(a.bytes_to_server(), asked) << cut;
    a.server(answer, cut);
    EXPECT_EQ(a.bytes_to_client(), answer) << cut;
    EXPECT_FALSE(a.holds_link()) << cut;
  }
}

TEST_F(SimpleQuery, LongerThanIsLookedIntoStreamsAndPins) {
  worker.context.inspect_max = 64;
  const std::string asked = client::query("SELECT '" + std::string(500, 'x') + "'");
  for (size_t cut = 1; cut < asked.size(); cut += 7) {
    LinkState other = memory_link();
    MemorySession b(worker, &other);
    b.client(asked, cut);
    EXPECT_EQ(b.untaken(), 0U);
    EXPECT_EQ(b.bytes_to_server(), asked) << cut;
    b.server(server::selected("1"));
    EXPECT_TRUE(b.holds_link()) << "nobody knows what it left there";
    EXPECT_EQ(b.session().pin_reasons(), "long statement");
  }
}

TEST_F(SimpleQuery, StreamsBeforeItHasCome) {
  worker.context.inspect_max = 64;
  const std::string asked = client::query("SELECT '" + std::string(500, 'x') + "'");
  a.client(asked.substr(0, 100));
  EXPECT_EQ(a.bytes_to_server().size(), 100U);
  EXPECT_TRUE(a.session().in_message());
}

TEST_F(SimpleQuery, WithoutItsTerminatorIsAProtocolViolation) {
  a.client(client::message('Q', "SELECT 1"));
  EXPECT_EQ(a.last_step().need, ClientStep::Need::Close);
  EXPECT_EQ(a.last_step().reason, CloseReason::ProtocolViolation);
  EXPECT_THAT(a.to_server(), IsEmpty());
}

TEST_F(SimpleQuery, DropsTheUnnamedStatementAsPostgreSqlDoes) {
  a.client(client::parse("", "SELECT 1") + client::sync());
  a.server(server::parse_complete() + server::ready());
  a.client(client::query("SELECT 2")).server(server::selected("2"));
  a.to_server();
  a.client(client::bind("", "") + client::sync());
  EXPECT_THAT(a.to_server(), ElementsAre("Close S ''", "Bind '' ''", "Sync")) << "the server refuses it";
}

// S43
TEST_F(SimpleQuery, InsideAnUnsyncedPipelineIsAnsweredInTurn) {
  a.client(client::unnamed("SELECT 1") + client::query("SELECT 2") + client::sync());
  a.server(server::parse_complete() + server::bind_complete() + server::row("1") +
           server::complete("SELECT 1") + server::selected("2"));
  EXPECT_TRUE(a.holds_link());
  a.server(server::ready());
  EXPECT_FALSE(a.holds_link());
}

// S43
TEST_F(SimpleQuery, IsSkippedAfterAnErrorOfAnUnsyncedPipeline) {
  a.client(client::unnamed("SELEKT") + client::query("SELECT 2") + client::sync());
  a.server(server::error("42601") + server::ready());
  EXPECT_THAT(a.to_client(), ElementsAre("ERROR 42601 'no'", "ReadyForQuery I"));
  EXPECT_FALSE(a.holds_link());
}

TEST_F(SimpleQuery, TerminateEndsTheSession) {
  a.client(client::terminate());
  EXPECT_EQ(a.last_step().need, ClientStep::Need::Close);
  EXPECT_EQ(a.last_step().reason, CloseReason::ClientTerminated);
}

TEST_F(SimpleQuery, UnknownTypesAndBadLengthsEndTheSession) {
  // S09
  for (const std::string& bytes :
       {client::message('q', ""), client::message('\0', ""), client::message('p', "secret"),
        std::string("Q\0\0\0\0", 5), std::string("Q\0\0\0\3", 5), std::string("Q\xff\xff\xff\xff", 5),
        std::string("Q\x80\0\0\0", 5)}) {
    MemorySession b(worker, &link);
    b.client(bytes);
    EXPECT_EQ(b.last_step().need, ClientStep::Need::Close);
    EXPECT_EQ(b.last_step().reason, CloseReason::ProtocolViolation);
    EXPECT_NE(b.last_step().detail, nullptr);
    EXPECT_FALSE(b.holds_link());
  }
}

TEST_F(SimpleQuery, MessagesWithAWrongBodyEndTheSession) {
  for (const std::string& bytes :
       {client::message('S', "x"), client::message('P', "no terminator"),
        client::message('P', {"a\0b\0\0", 5}), client::message('P', {"a\0b\0\0\1", 6}),
        client::message('B', "x"), client::message('D', {"X\0", 2}), client::message('D', "S"),
        client::message('C', {"Sx\0y", 4}), client::message('F', "xx")}) {
    LinkState other = memory_link();
    MemorySession b(worker, &other);
    b.client(bytes);
    EXPECT_EQ(b.last_step().reason, CloseReason::ProtocolViolation) << bytes[0];
  }
}

TEST_F(SimpleQuery, SyncAndFlushWithoutALinkAreAnsweredWithoutAServer) {
  a.client(client::flush() + client::sync());
  EXPECT_FALSE(a.holds_link());
  EXPECT_THAT(a.to_client(), ElementsAre("ReadyForQuery I"));
}

struct PinCase {
  const char* text;
  const char* reasons;
};

class PinnedBy : public ::testing::TestWithParam<PinCase> {};

TEST_P(PinnedBy, TheStatementsEffect) {
  MemoryWorker worker;
  LinkState link = memory_link();
  MemorySession a(worker, &link);
  a.client(client::query(GetParam().text)).server(server::complete("OK") + server::ready());
  EXPECT_EQ(a.session().pin_reasons(), GetParam().reasons);
  EXPECT_EQ(a.holds_link(), *GetParam().reasons != '\0');
}

INSTANTIATE_TEST_SUITE_P(
    Pins, PinnedBy,
    ::testing::Values(PinCase{"SELECT 1", ""}, PinCase{"SET work_mem = '1MB'", ""},
                      PinCase{"SET app.x = 'it''s'", "setting"}, PinCase{"SET TimeZone = 'Europe/Rome'", ""},
                      PinCase{"SET ROLE bob", "role"},
                      PinCase{"SET SESSION AUTHORIZATION bob", "session authorization"},
                      PinCase{"PREPARE p AS SELECT 1", "sql prepare"}, PinCase{"LISTEN c", "listen"},
                      PinCase{"CREATE TEMP TABLE t (a int)", "temporary object"},
                      PinCase{"DECLARE c CURSOR WITH HOLD FOR SELECT 1", "hold cursor"},
                      PinCase{"SELECT pg_advisory_lock(1)", "advisory lock"},
                      PinCase{"LOAD 'auto_explain'", "load"}, PinCase{"SELECT lastval()", "sequence state"},
                      PinCase{"SELECT setseed(0)", "session function"},
                      PinCase{"FROBNICATE the session", "unknown statement"},
                      PinCase{"LISTEN c; CREATE TEMP TABLE t (a int)", "listen, temporary object"}));

TEST_F(SimpleQuery, AnUnreportedSettingPins) {
  link.reported &= ~(1U << static_cast<unsigned>(Tracked::DefaultTransactionReadOnly));  // PostgreSQL 13
  a.client(client::query("SET default_transaction_read_only = on"))
      .server(server::complete("SET") + server::ready());
  EXPECT_EQ(a.session().pin_reasons(), "unreported setting");
  EXPECT_TRUE(a.holds_link());
}

TEST_F(SimpleQuery, DiscardAllUnpins) {
  a.client(client::query("CREATE TEMP TABLE t (a int)")).server(server::complete("CREATE") + server::ready());
  EXPECT_TRUE(a.holds_link());
  a.client(client::query("DISCARD ALL")).server(server::complete("DISCARD ALL") + server::ready());
  EXPECT_FALSE(a.holds_link());
}

TEST_F(SimpleQuery, DiscardAllDoesNotUnpinWhatWasSentAfterIt) {
  a.client(client::query("DISCARD ALL; ") + client::query("CREATE TEMP TABLE t (a int)"));
  a.client(client::query("LISTEN c") + client::query("DISCARD ALL") + client::query("LISTEN d"));
  for (const char* tag : {"CREATE TABLE", "LISTEN", "DISCARD ALL"}) {
    a.server(server::complete(tag) + server::ready());
  }
  a.server(server::complete("LISTEN") + server::ready());
  EXPECT_TRUE(a.holds_link()) << "the last LISTEN is in force on the link";
}

TEST_F(SimpleQuery, ASlipOfThePenPinsNobody) {
  a.client(client::query("SELEKT 1")).server(server::error("42601", "syntax error") + server::ready());
  EXPECT_FALSE(a.holds_link());
  a.client(client::query("FROBNICATE")).server(server::error("XX000") + server::ready());
  EXPECT_TRUE(a.holds_link()) << "that one had begun";
}

TEST_F(SimpleQuery, WhatWasSkippedPinsNobody) {
  a.client(client::unnamed("SELECT 1/0") + client::unnamed("CREATE TEMP TABLE t (a int)") + client::sync());
  a.server(server::parse_complete() + server::bind_complete() + server::error("22012") + server::ready());
  EXPECT_FALSE(a.holds_link());
  a.client(client::unnamed("SELECT 1/0") + client::unnamed("CREATE TEMP TABLE t (a int)") + client::sync() +
           client::unnamed("CREATE TEMP TABLE t (a int)") + client::sync());
  a.server(server::parse_complete() + server::bind_complete() + server::error("22012") + server::ready() +
           server::parse_complete() + server::bind_complete() + server::complete("CREATE TABLE") +
           server::ready());
  EXPECT_TRUE(a.holds_link()) << "the second time it was not skipped";
}

TEST_F(SimpleQuery, LeavesDoubtAfterAFunctionNobodyKnows) {
  a.client(client::query("SELECT my_function()"));
  EXPECT_TRUE(a.session().leaves_doubt());
  EXPECT_FALSE(a.session().pinned());
}

TEST_F(SimpleQuery, FunctionCallOfALargeObjectFunctionDoesNotPin) {
  a.client(client::function_call(952));
  EXPECT_THAT(a.to_server(), ElementsAre("FunctionCall 952"));
  a.server(server::function_result() + server::ready());
  EXPECT_THAT(a.to_client(), ElementsAre("FunctionCallResponse", "ReadyForQuery I"));
  EXPECT_FALSE(a.holds_link());
  a.client(client::function_call(952)).server(server::error("42883") + server::ready());
  EXPECT_FALSE(a.holds_link());
}

TEST_F(SimpleQuery, FunctionCallOfAnyOtherFunctionPins) {
  a.client(client::function_call(12345), 1).server(server::function_result() + server::ready(), 1);
  EXPECT_EQ(a.session().pin_reasons(), "function call");
  EXPECT_TRUE(a.holds_link());
}

TEST_F(SimpleQuery, ASessionThatKeepsItsLinkNeverGivesItBack) {
  a.session().keep_link_forever();
  a.client(client::query("SELECT 1")).server(server::selected("1"));
  EXPECT_TRUE(a.holds_link());
}

TEST_F(SimpleQuery, RefusedFailsAloneAndTheSessionGoesOn) {
  a.next_link = nullptr;
  const std::string asked = client::query("SELECT 1");
  Outbox out;
  EXPECT_EQ(a.session().refuse(asked, {"53300", "full"}, out), asked.size());
  out.seal();
  EXPECT_EQ(out.own(), server::error("53300", "full") + server::ready());
}

TEST_F(SimpleQuery, RefusedExtendedSkipsToItsSync) {
  a.next_link = nullptr;
  const std::string asked = client::unnamed("SELECT 1") + client::sync();
  Outbox to_client;
  Outbox to_server;
  EXPECT_EQ(a.session().refuse(asked, {"53300", "full"}, to_client), 0U);
  const ClientStep step = a.session().on_client_bytes(asked, to_server, to_client);
  EXPECT_EQ(step.taken, asked.size());
  EXPECT_EQ(step.need, ClientStep::Need::Nothing);
  EXPECT_EQ(to_client.own(), server::error("53300", "full") + server::ready());
}

}  // namespace
}  // namespace sportello::proxy
