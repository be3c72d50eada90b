// A link dies: what is told, what is run again, and how a session behaves whose transaction went with it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/proxy/support/memory_link.h"
#include "tests/unit/proxy/support/messages.h"

namespace sportello::proxy {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const std::string kParsed = server::parse_complete();
const std::string kBound = server::bind_complete();
const std::string kReady = server::ready();

struct LinkLost : ::testing::Test {
  MemoryWorker worker;
  LinkState link = memory_link();
  LinkState other = memory_link();
  MemorySession a{worker, &link};

  LinkLoss dies() {
    a.to_server();
    a.to_client();
    a.next_link = &other;
    return a.dies();
  }
  void begin() { a.client(client::query("BEGIN")).server(server::complete("BEGIN") + server::ready('T')); }
};

TEST_F(LinkLost, ALoneReadIsRunAgainUnseen) {  // F1
  a.client(client::query("SELECT 1"));
  EXPECT_FALSE(dies().session_ends);
  EXPECT_THAT(a.to_client(), IsEmpty());
  EXPECT_THAT(a.to_server(), ElementsAre("Query 'SELECT 1'"));
  a.server(server::selected("1"));
  EXPECT_THAT(a.to_client(),
              ElementsAre("RowDescription", "DataRow (1)", "CommandComplete 'SELECT 1'", "ReadyForQuery I"));
  EXPECT_FALSE(a.holds_link());
}

TEST_F(LinkLost, ALoneExtendedReadIsRunAgainWithItsStatement) {  // F1
  a.client(client::parse("s", "SELECT 1") + client::sync()).server(kParsed + kReady);
  a.client(client::bind("", "s") + client::execute() + client::sync());
  dies();
  EXPECT_THAT(a.to_client(), IsEmpty());
  EXPECT_THAT(a.to_server(),
              ElementsAre("Parse sportello_1 'SELECT 1'", "Bind '' sportello_1", "Execute ''", "Sync"));
  a.server(kParsed + kBound + server::row("1") + server::complete("SELECT 1") + kReady);
  EXPECT_THAT(a.to_client(),
              ElementsAre("BindComplete", "DataRow (1)", "CommandComplete 'SELECT 1'", "ReadyForQuery I"));
}

TEST_F(LinkLost, ALoneUnnamedReadIsRunAgain) {
  a.client(client::unnamed("SELECT 1") + client::sync());
  dies();
  EXPECT_THAT(a.to_server(), ElementsAre("Parse '' 'SELECT 1'", "Bind '' ''", "Execute ''", "Sync"));
  a.server(kParsed + kBound + server::row("1") + server::complete("SELECT 1") + kReady);
  EXPECT_EQ(a.to_client().size(), 5U);
  EXPECT_FALSE(a.holds_link());
}

TEST_F(LinkLost, AnAnsweredParseIsNotAnsweredTwice) {
  a.client(client::parse("s", "SELECT 1") + client::bind("", "s")).server(kParsed);
  EXPECT_THAT(a.to_client(), ElementsAre("ParseComplete"));
  a.client(client::execute() + client::sync());
  dies();
  EXPECT_THAT(a.to_server(),
              ElementsAre("Parse sportello_1 'SELECT 1'", "Bind '' sportello_1", "Execute ''", "Sync"));
  a.server(kParsed + kBound + server::row("1") + server::complete("SELECT 1") + kReady);
  EXPECT_THAT(a.to_client(),
              ElementsAre("BindComplete", "DataRow (1)", "CommandComplete 'SELECT 1'", "ReadyForQuery I"));
}

TEST_F(LinkLost, WhatIsSentBehindAReadThatRunsAgainDoesNotRunWithoutIt) {
  a.client(client::query("SELECT 1"));
  dies();
  a.client(client::query("SELECT 2"));
  LinkState third = memory_link();
  a.to_server();
  a.next_link = &third;
  a.dies();
  EXPECT_THAT(a.to_server(), IsEmpty());
  EXPECT_THAT(a.to_client(), ElementsAre("ERROR 08006 'server connection lost'", "ReadyForQuery I",
                                         "ERROR 08006 'server connection lost'", "ReadyForQuery I"));
}

TEST_F(LinkLost, AReadWhoseSmallAnswerHasNoEndYetIsRunAgainUnseen) {  // F1
  const std::string rows = server::row_description() + server::row("1") + server::complete("SELECT 1");
  a.client(client::query("SELECT 1")).server(rows);
  EXPECT_THAT(a.to_client(), IsEmpty());
  EXPECT_FALSE(dies().session_ends);
  EXPECT_THAT(a.to_server(), ElementsAre("Query 'SELECT 1'"));
  a.server(rows + kReady);
  EXPECT_THAT(a.to_client(),
              ElementsAre("RowDescription", "DataRow (1)", "CommandComplete 'SELECT 1'", "ReadyForQuery I"));
}

TEST_F(LinkLost, AReadThatHasBegunToAnswerFails) {
  a.client(client::query("SELECT 1")).server(server::row_description() + server::row(server::kLargeValue));
  EXPECT_FALSE(dies().session_ends);
  EXPECT_THAT(a.to_server(), IsEmpty());
  EXPECT_THAT(a.to_client(), ElementsAre("ERROR 08006 'server connection lost'", "ReadyForQuery I"));
}

TEST_F(LinkLost, AWriteIsNeverRunAgain) {  // F3, S45
  for (const char* text : {"INSERT INTO t VALUES (1)", "WITH x AS (DELETE FROM t RETURNING 1) SELECT 1",
                           "SELECT my_function()", "SELECT nextval('s')", "SELECT 1; DELETE FROM t",
                           "CALL p()", "CREATE TABLE t (a int)", "TRUNCATE t", "COPY t FROM STDIN"}) {
    LinkState its_link = memory_link();
    MemorySession b(worker, &its_link);
    b.client(client::query(text));
    b.to_server();
    b.next_link = &other;
    EXPECT_FALSE(b.dies().session_ends) << text;
    EXPECT_THAT(b.to_server(), IsEmpty()) << text;
    EXPECT_THAT(b.to_client(),
                ElementsAre("ERROR 08007 'server connection lost: the outcome of the transaction is unknown'",
                            "ReadyForQuery I"))
        << text;
  }
}

TEST_F(LinkLost, AWriteByTheExtendedProtocolIsNeverRunAgain) {  // F3, S45
  a.client(client::unnamed("INSERT INTO t VALUES (1)") + client::sync());
  dies();
  EXPECT_THAT(a.to_server(), IsEmpty());
  EXPECT_THAT(a.to_client(),
              ElementsAre("ERROR 08007 'server connection lost: the outcome of the transaction is unknown'",
                          "ReadyForQuery I"));
}

// Its CommandComplete came, but outside a block it is the Sync that commits.
TEST_F(LinkLost, AWriteWhoseSyncIsNotAnsweredIsInDoubt) {  // F3
  a.client(client::unnamed("INSERT INTO t VALUES (1)") + client::sync())
      .server(kParsed + kBound + server::complete("INSERT 0 1"));
  dies();
  EXPECT_THAT(a.to_client(),
              ElementsAre("ERROR 08007 'server connection lost: the outcome of the transaction is unknown'",
                          "ReadyForQuery I"));
}

TEST_F(LinkLost, AStatementOfABlockWhoseSyncIsNotAnsweredIsTold) {  // F2
  begin();
  a.client(client::unnamed("INSERT INTO t VALUES (1)") + client::sync())
      .server(kParsed + kBound + server::complete("INSERT 0 1"));
  dies();
  EXPECT_THAT(a.to_client(), ElementsAre("ERROR 08006 'server connection lost'", "ReadyForQuery E"));
}

// psycopg prepares so, and expects one result.
TEST_F(LinkLost, AParseOfABlockWhoseSyncIsNotAnsweredIsToldByTheNextStatement) {  // F2
  begin();
  a.client(client::parse("s", "INSERT INTO t VALUES (1)") + client::sync()).server(kParsed);
  dies();
  EXPECT_THAT(a.to_client(), ElementsAre("ReadyForQuery E"));
  a.client(client::query("COMMIT"));
  EXPECT_THAT(a.to_client(), ElementsAre("ERROR 08006 'server connection lost'", "ReadyForQuery I"));
}

TEST_F(LinkLost, ABeginWhoseSyncIsNotAnsweredIsTold) {  // F2
  a.client(client::unnamed("BEGIN") + client::sync()).server(kParsed + kBound + server::complete("BEGIN"));
  dies();
  const std::vector<std::string> told = a.to_client();
  ASSERT_EQ(told.size(), 2U);
  EXPECT_THAT(told[0], ::testing::StartsWith("ERROR 0800"));
  EXPECT_EQ(told[1], "ReadyForQuery I");
}

TEST_F(LinkLost, AReadWhoseRowsHaveAllComeIsDone) {
  a.client(client::unnamed("SELECT 1") + client::sync())
      .server(kParsed + kBound + server::row(server::kLargeValue) + server::complete("SELECT 1"));
  dies();
  EXPECT_THAT(a.to_client(), ElementsAre("ReadyForQuery I"));
}

TEST_F(LinkLost, ACommitInFlightIsInDoubt) {  // F3
  begin();
  a.client(client::query("COMMIT"));
  dies();
  EXPECT_THAT(a.to_client(),
              ElementsAre("ERROR 08007 'server connection lost: the outcome of the transaction is unknown'",
                          "ReadyForQuery I"))
      << "the transaction is over, however it ended";
}

TEST_F(LinkLost, AStatementInATransactionFailsTheTransactionUntilRollback) {  // F2
  begin();
  a.client(client::query("SELECT 1"));
  dies();
  EXPECT_THAT(a.to_server(), IsEmpty());
  EXPECT_THAT(a.to_client(), ElementsAre("ERROR 08006 'server connection lost'", "ReadyForQuery E"));
  a.client(client::query("SELECT 2"));
  EXPECT_THAT(a.to_client(),
              ElementsAre("ERROR 25P02 'current transaction is aborted, commands ignored until end of "
                          "transaction block'",
                          "ReadyForQuery E"));
  a.client(client::query("ROLLBACK"));
  EXPECT_THAT(a.to_client(), ElementsAre("CommandComplete 'ROLLBACK'", "ReadyForQuery I"));
  EXPECT_FALSE(a.holds_link()) << "no server was needed";
  a.client(client::query("SELECT 3")).server(server::selected("3"));
  EXPECT_EQ(a.to_client().back(), "ReadyForQuery I");
}

TEST_F(LinkLost, AnIdleTransactionIsToldByItsNextStatement) {  // F2
  begin();
  dies();
  EXPECT_THAT(a.to_client(), IsEmpty()) << "it asked nothing";
  a.client(client::query("SELECT 1"));
  EXPECT_THAT(a.to_client(), ElementsAre("ERROR 08006 'server connection lost'", "ReadyForQuery E"));
  a.client(client::query("COMMIT"));
  EXPECT_THAT(a.to_client(), ElementsAre("CommandComplete 'ROLLBACK'", "ReadyForQuery I"));
}

// An application looks for an error: a tag would let it believe that its transaction is in the database.
TEST_F(LinkLost, ACommitThatIsTheFirstToHearOfItFailsAndEndsTheTransaction) {  // F2
  begin();
  dies();
  a.client(client::query("COMMIT"));
  EXPECT_THAT(a.to_client(), ElementsAre("ERROR 08006 'server connection lost'", "ReadyForQuery I"));
  EXPECT_FALSE(a.holds_link());
  a.client(client::query("SELECT 3")).server(server::selected("3"));
  EXPECT_EQ(a.to_client().back(), "ReadyForQuery I");
}

TEST_F(LinkLost, ACommitByTheExtendedProtocolThatIsTheFirstToHearOfItFails) {  // F2
  begin();
  dies();
  a.client(client::unnamed("COMMIT") + client::sync());
  EXPECT_THAT(a.to_client(),
              ElementsAre("ParseComplete", "ERROR 08006 'server connection lost'", "ReadyForQuery I"));
  EXPECT_FALSE(a.holds_link());
}

TEST_F(LinkLost, ARollbackThatIsTheFirstToHearOfItSucceeds) {
  begin();
  dies();
  a.client(client::query("ROLLBACK"));
  EXPECT_THAT(a.to_client(), ElementsAre("CommandComplete 'ROLLBACK'", "ReadyForQuery I"));
}

TEST_F(LinkLost, AFailedTransactionIsEndedByTheExtendedProtocol) {  // F2
  begin();
  dies();
  a.client(client::unnamed("SELECT 1") + client::sync());
  EXPECT_THAT(a.to_client(), ElementsAre("ERROR 08006 'server connection lost'", "ReadyForQuery E"));
  a.client(client::parse("", "ROLLBACK") + client::describe('S', "") + client::bind("", "") +
               client::describe('P', "") + client::execute() + client::sync(),
           1);
  EXPECT_THAT(a.to_client(), ElementsAre("ParseComplete", "ParameterDescription", "NoData", "BindComplete",
                                         "NoData", "CommandComplete 'ROLLBACK'", "ReadyForQuery I"));
  EXPECT_FALSE(a.holds_link());
}

TEST_F(LinkLost, AFailedTransactionIsNotEndedByWhatPostgreSqlWouldNotEndItWith) {
  begin();
  dies();
  for (const char* text :
       {"ROLLBACK TO s", "COMMIT AND CHAIN", "ROLLBACK; SELECT 1", "BEGIN", "DISCARD ALL"}) {
    a.client(client::query(text));
    EXPECT_EQ(a.to_client().back(), "ReadyForQuery E") << text;
  }
  a.client(client::function_call(952));
  EXPECT_EQ(a.to_client().back(), "ReadyForQuery E");
}

TEST_F(LinkLost, NamesPreparedByWhatWasLostAreUndone) {
  a.client(client::parse("kept", "SELECT 1") + client::sync()).server(kParsed + kReady);
  begin();
  a.client(client::parse("lost", "SELECT 2") + client::close('S', "kept") + client::sync());
  dies();
  EXPECT_EQ(a.session().prepared_statements(), 1U);
  EXPECT_THAT(a.to_client(), ElementsAre("ERROR 08006 'server connection lost'", "ReadyForQuery E"));
}

TEST_F(LinkLost, EveryBatchOfAPipelineIsTold) {
  a.client(client::unnamed("SELECT 1") + client::sync() + client::unnamed("SELECT 2") + client::sync() +
           client::query("SELECT 3"));
  dies();
  EXPECT_THAT(a.to_server(), IsEmpty()) << "what comes after it was sent already";
  EXPECT_THAT(a.to_client(), ElementsAre("ERROR 08006 'server connection lost'", "ReadyForQuery I",
                                         "ERROR 08006 'server connection lost'", "ReadyForQuery I",
                                         "ERROR 08006 'server connection lost'", "ReadyForQuery I"));
}

TEST_F(LinkLost, AnOpenBatchIsToldAtOnceAndItsRestPassedOver) {
  a.client(client::unnamed("SELECT 1") + client::flush()).server(kParsed + kBound);
  dies();
  EXPECT_THAT(a.to_client(), ElementsAre("ERROR 08006 'server connection lost'"));
  a.client(client::bind("", "") + client::execute() + client::sync());
  EXPECT_THAT(a.to_client(), ElementsAre("ReadyForQuery I"));
  a.client(client::query("SELECT 1")).server(server::selected("1"));
  EXPECT_FALSE(a.holds_link());
}

TEST_F(LinkLost, ABatchThatHadFailedIsNotToldTwice) {
  a.client(client::parse("", "SELEKT") + client::flush()).server(server::error("42601"));
  dies();
  EXPECT_THAT(a.to_client(), IsEmpty());
  a.client(client::sync());
  EXPECT_THAT(a.to_client(), ElementsAre("ReadyForQuery I"));
}

TEST_F(LinkLost, AFailedQueryIsOwedItsReadyForQueryOnly) {
  a.client(client::query("SELECT 1/0")).server(server::error("22012"));
  a.to_client();
  a.next_link = nullptr;
  a.dies();
  EXPECT_THAT(a.to_client(), ElementsAre("ReadyForQuery I"));
}

TEST_F(LinkLost, HalfAMessageCannotBeTakenBack) {
  const std::string row = server::row(std::string(20'000, 'x'));
  a.client(client::query("SELECT 1")).server(server::row_description() + row.substr(0, 9'000));
  EXPECT_TRUE(dies().session_ends);
}

TEST_F(LinkLost, APinnedSessionEndsWithItsLink) {
  a.client(client::query("CREATE TEMP TABLE t (a int)")).server(server::complete("CREATE TABLE") + kReady);
  EXPECT_TRUE(dies().session_ends);
}

TEST_F(LinkLost, WhoseSessionEndsIsToldIfAWriteIsInDoubt) {
  a.client(client::query("CREATE TEMP TABLE t (a int)")).server(server::complete("CREATE TABLE") + kReady);
  a.client(client::query("UPDATE accounts SET balance = 0"));
  const LinkLoss loss = dies();
  EXPECT_TRUE(loss.session_ends);
  EXPECT_EQ(loss.told.sqlstate, "08007");
}

TEST_F(LinkLost, WhoseSessionEndsUnderAReadIsInNoDoubt) {
  a.client(client::query("CREATE TEMP TABLE t (a int)")).server(server::complete("CREATE TABLE") + kReady);
  a.client(client::query("SELECT a FROM t"));
  const LinkLoss loss = dies();
  EXPECT_TRUE(loss.session_ends);
  EXPECT_EQ(loss.told.sqlstate, "08006");
}

TEST_F(LinkLost, WhoseSessionEndsIsToldIfALongStatementIsInDoubt) {
  worker.context.inspect_max = 64;
  a.client(client::query("INSERT INTO t VALUES ('" + std::string(100, 'v') + "')"));
  const LinkLoss loss = dies();
  EXPECT_TRUE(loss.session_ends);
  EXPECT_EQ(loss.told.sqlstate, "08007");
}

TEST_F(LinkLost, ALargeObjectFunctionIsInDoubt) {
  a.client(client::function_call(955));
  dies();
  EXPECT_THAT(a.to_client(),
              ElementsAre("ERROR 08007 'server connection lost: the outcome of the transaction is unknown'",
                          "ReadyForQuery I"));
}

// ---- A server that says that it has ended the session has rolled back what was under way ----

const std::string kUnknown =
    "ERROR 08007 'server connection lost: the outcome of the transaction is unknown'";

TEST_F(LinkLost, AWriteThatTheServerEndedIsToldSo) {  // F3
  for (const char* text :
       {"INSERT INTO t VALUES (1)", "WITH x AS (DELETE FROM t RETURNING 1) SELECT 1", "SELECT my_function()",
        "SELECT 1; DELETE FROM t", "TRUNCATE t", "COPY t FROM STDIN", "EXECUTE x"}) {
    LinkState its_link = memory_link();
    MemorySession b(worker, &its_link);
    b.client(client::query(text)).server(server::goodbye());
    EXPECT_FALSE(b.dies().session_ends) << text;
    EXPECT_THAT(b.to_client(), ElementsAre("ERROR 57P01 'terminating'", "ReadyForQuery I")) << text;
  }
}

TEST_F(LinkLost, AWriteByTheExtendedProtocolThatTheServerEndedIsToldSo) {  // F3
  a.client(client::unnamed("INSERT INTO t VALUES (1)") + client::sync())
      .server(kParsed + kBound + server::goodbye());
  dies();
  a.client(client::query("SELECT 1"));
  EXPECT_EQ(a.bytes_to_server(), client::query("SELECT 1"));
}

TEST_F(LinkLost, ABatchThatTheServerEndedIsToldWhy) {  // F3
  a.client(client::unnamed("INSERT INTO t VALUES (1)") + client::sync())
      .server(kParsed + kBound + server::goodbye("25P04", "too long"));
  a.dies();
  EXPECT_THAT(a.to_client(),
              ElementsAre("ParseComplete", "BindComplete", "ERROR 25P04 'too long'", "ReadyForQuery I"));
}

// All behind the statement that was not answered was never read.
TEST_F(LinkLost, WhatWasSentBehindWhatTheServerEndedDidNotHappen) {  // F3
  a.client(client::unnamed("INSERT INTO t VALUES (1)") + client::sync() +
           client::unnamed("INSERT INTO t VALUES (2)") + client::sync() + client::query("COMMIT"))
      .server(kParsed + kBound + server::goodbye());
  a.dies();
  EXPECT_THAT(a.to_client(), ElementsAre("ParseComplete", "BindComplete", "ERROR 57P01 'terminating'",
                                         "ReadyForQuery I", "ERROR 57P01 'terminating'", "ReadyForQuery I",
                                         "ERROR 57P01 'terminating'", "ReadyForQuery I"));
}

TEST_F(LinkLost, AStatementOfABlockThatTheServerEndedFailsTheBlock) {  // F2
  begin();
  a.to_client();
  a.client(client::query("UPDATE t SET a = 1")).server(server::goodbye());
  a.dies();
  EXPECT_THAT(a.to_client(), ElementsAre("ERROR 57P01 'terminating'", "ReadyForQuery E"));
  a.client(client::query("SELECT 2"));
  EXPECT_EQ(a.to_client().back(), "ReadyForQuery E");
}

TEST_F(LinkLost, ABlockThatTheServerEndedWhileItWasIdleIsToldByItsNextStatement) {  // F2
  begin();
  a.to_client();
  a.server(server::goodbye("25P03", "idle too long"));
  a.dies();
  EXPECT_THAT(a.to_client(), IsEmpty()) << "it asked nothing";
  a.client(client::query("SELECT 1"));
  EXPECT_THAT(a.to_client(), ElementsAre("ERROR 25P03 'idle too long'", "ReadyForQuery E"));
}

TEST_F(LinkLost, APinnedSessionThatTheServerEndedEndsWithItsWords) {
  a.client(client::query("CREATE TEMP TABLE t (a int)")).server(server::complete("CREATE TABLE") + kReady);
  a.client(client::query("UPDATE accounts SET balance = 0")).server(server::goodbye());
  const LinkLoss loss = dies();
  EXPECT_TRUE(loss.session_ends);
  EXPECT_EQ(loss.told.sqlstate, "57P01");
  EXPECT_EQ(loss.told.message, "terminating");
}

// What commits on its way, or may have: a goodbye says nothing of that.
TEST_F(LinkLost, WhatMayHaveCommittedBeforeTheGoodbyeIsInDoubt) {  // F3
  for (const char* text : {"PREPARE TRANSACTION 'x'", "COMMIT PREPARED 'x'", "CALL p()",
                           "DO 'BEGIN COMMIT; END'", "BEGIN; INSERT INTO t VALUES (1); COMMIT", "VACUUM t",
                           "CREATE INDEX CONCURRENTLY ON t (a)", "DROP DATABASE d"}) {
    LinkState its_link = memory_link();
    MemorySession b(worker, &its_link);
    b.client(client::query(text)).server(server::goodbye());
    const LinkLoss loss = b.dies();
    if (loss.session_ends) {
      EXPECT_EQ(loss.told.sqlstate, "08007") << text;
    } else {
      EXPECT_THAT(b.to_client(), ElementsAre(kUnknown, "ReadyForQuery I")) << text;
    }
  }
}

// What is bound in one batch is told together.
TEST_F(LinkLost, WhatCommitsOnItsWayBehindAWriteIsInDoubt) {  // F3
  a.client(client::unnamed("INSERT INTO t VALUES (1)") + client::unnamed("VACUUM t") + client::sync())
      .server(kParsed + kBound + server::complete("INSERT 0 1") + kParsed + kBound + server::goodbye());
  a.to_client();
  a.dies();
  EXPECT_THAT(a.to_client(), ElementsAre(kUnknown, "ReadyForQuery I"));
}

TEST_F(LinkLost, ACommitThatTheServerEndedIsInDoubt) {  // F3
  begin();
  a.client(client::query("COMMIT")).server(server::goodbye());
  a.to_client();
  a.dies();
  EXPECT_THAT(a.to_client(), ElementsAre(kUnknown, "ReadyForQuery I"));
}

TEST_F(LinkLost, AWriteThatWasCompleteBeforeTheGoodbyeIsInDoubt) {  // F3
  a.client(client::query("INSERT INTO t VALUES (1)"))
      .server(server::complete("INSERT 0 1") + server::goodbye());
  a.dies();
  EXPECT_THAT(a.to_client(), ElementsAre("CommandComplete 'INSERT 0 1'", kUnknown, "ReadyForQuery I"));
}

TEST_F(LinkLost, AWriteWhoseSyncWasUnderWayAtTheGoodbyeIsInDoubt) {  // F3
  a.client(client::unnamed("INSERT INTO t VALUES (1)") + client::sync())
      .server(kParsed + kBound + server::complete("INSERT 0 1") + server::goodbye());
  a.to_client();
  a.dies();
  EXPECT_THAT(a.to_client(), ElementsAre(kUnknown, "ReadyForQuery I"));
}

// Poolers say FATAL when they have lost a server, and a PANIC may come of a commit.
TEST_F(LinkLost, OnlyThatPlaceInPostgreSqlIsBelieved) {  // F3
  std::string panic = server::goodbye();
  for (size_t at = 0; (at = panic.find("FATAL", at)) != std::string::npos;) {
    panic.replace(at, 5, "PANIC");
  }
  for (const std::string& last :
       {server::fatal("57P01", "server went away"), panic, server::goodbye("08P01", "server conn crashed?"),
        server::goodbye("57P01", "terminating", "quickdie")}) {
    LinkState its_link = memory_link();
    MemorySession b(worker, &its_link);
    b.client(client::query("INSERT INTO t VALUES (1)")).server(last);
    b.dies();
    EXPECT_THAT(b.to_client(), ElementsAre(kUnknown, "ReadyForQuery I"));
  }
}

TEST_F(LinkLost, TheRestOfAStreamedMessageIsPassedOver) {
  worker.context.inspect_max = 64;
  a.client(client::parse("s", "SELECT $1") + client::sync()).server(kParsed + kReady);
  const std::string bind = client::bind("", "s", {std::string(1000, 'v')});
  a.client(bind.substr(0, 500));
  dies();
  EXPECT_THAT(a.to_client(), ElementsAre("ERROR 08006 'server connection lost'"));
  a.client(bind.substr(500) + client::execute() + client::sync());
  EXPECT_THAT(a.to_server(), IsEmpty());
  EXPECT_THAT(a.to_client(), ElementsAre("ReadyForQuery I"));
}

TEST_F(LinkLost, CopyInIsToldAndItsRestPassedOver) {
  a.client(client::query("COPY t FROM STDIN")).server(server::copy_in());
  a.client(client::copy_data("1\n"));
  dies();
  EXPECT_THAT(a.to_client(),
              ElementsAre("ERROR 08007 'server connection lost: the outcome of the transaction is unknown'",
                          "ReadyForQuery I"));
  a.client(client::copy_data("2\n") + client::copy_done());
  EXPECT_THAT(a.to_server(), IsEmpty());
  EXPECT_THAT(a.to_client(), IsEmpty());
}

TEST_F(LinkLost, SettingsNotYetAnsweredAreNobodysLoss) {
  SettingsValues values = plain_settings();
  values.tracked[static_cast<size_t>(Tracked::TimeZone)] = "Europe/Rome";
  MemorySession roman(worker, &link, values);
  roman.client(client::query("SELECT 1"));
  roman.to_server();
  roman.next_link = &other;
  roman.dies();
  EXPECT_THAT(roman.to_server(),
              ElementsAre("Query 'SET \"TimeZone\" = E'Europe/Rome';'", "Query 'SELECT 1'"));
  EXPECT_THAT(roman.to_client(), IsEmpty());
}

TEST_F(LinkLost, WhatCannotBeRunAgainFailsAsOne) {
  a.client(client::parse("s", "SELECT 1") + client::bind("", "s") + client::execute() + client::sync());
  a.next_link = nullptr;
  a.to_server();
  LinkLoss loss = a.dies();
  ASSERT_TRUE(loss.again.has_value());
  Outbox out;
  a.session().fail_replay(*loss.again, {"08006", "no server"}, out);
  EXPECT_EQ(out.own(), server::error("08006", "no server") + kReady);
  EXPECT_EQ(a.session().prepared_statements(), 0U);
}

TEST_F(LinkLost, TheServersGoodbyeIsNotTheClients) {
  a.client(client::query("SELECT 1")).server(server::fatal("57P01", "terminating connection"));
  EXPECT_TRUE(a.last_answer().broken);
  EXPECT_EQ(a.last_answer().broken->message, "terminating connection");
  EXPECT_THAT(a.to_client(), IsEmpty()) << "it may still be run again";
}

}  // namespace
}  // namespace sportello::proxy
