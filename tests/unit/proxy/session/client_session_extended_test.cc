// The extended protocol: virtual statements, pipelines, errors that skip to Sync, and the unnamed statement.
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
const std::string kClosed = server::close_complete();
const std::string kReady = server::ready();
const std::string kOne = server::row("1") + server::complete("SELECT 1");

struct Extended : ::testing::Test {
  MemoryWorker worker;
  LinkState link = memory_link();
  LinkState other = memory_link();
  MemorySession a{worker, &link};
  MemorySession b{worker, &link};

  // `session` prepares and has its answer.
  void prepare(MemorySession& session, std::string_view name, std::string_view text) {
    session.client(client::parse(name, text) + client::sync());
    if (session.holds_link()) {
      const Trace sent = session.to_server();
      std::string answer;
      for (const std::string& line : sent) {
        answer += line.starts_with("Parse") ? kParsed : line.starts_with("Close") ? kClosed : "";
      }
      session.server(answer + kReady);
    }
    ASSERT_FALSE(session.holds_link());
    session.to_server();
    session.to_client();
  }
};

TEST_F(Extended, UnnamedStatementIsForwardedAsItCame) {
  const std::string asked = client::parse("", "SELECT $1", {23}) + client::bind("", "", {"7"}) +
                            client::describe('P', "") + client::execute() + client::sync();
  a.client(asked);
  EXPECT_EQ(a.bytes_to_server(), asked);
  a.server(kParsed + kBound + server::no_data() + kOne);
  EXPECT_TRUE(a.holds_link());
  a.server(kReady);
  EXPECT_FALSE(a.holds_link());
  EXPECT_EQ(a.commands(), 1U);
}

TEST_F(Extended, NamedStatementGetsANameOfOurs) {
  a.client(client::parse("mine", "SELECT 1") + client::describe('S', "mine") +
           client::bind("p", "mine", {"7"}) + client::execute("p", 5) + client::sync());
  EXPECT_THAT(a.to_server(), ElementsAre("Parse sportello_1 'SELECT 1'", "Describe S sportello_1",
                                         "Bind p sportello_1 (7)", "Execute p 5", "Sync"));
  a.server(kParsed + server::parameter_description() + server::row_description() + kBound + server::row("1") +
           server::portal_suspended() + kReady);
  EXPECT_THAT(a.to_client(),
              ElementsAre("ParseComplete", "ParameterDescription", "RowDescription", "BindComplete",
                          "DataRow (1)", "PortalSuspended", "ReadyForQuery I"));
}

TEST_F(Extended, EveryCutOfABatchGivesTheSameBytes) {
  const std::string asked = client::parse("mine", "SELECT $1") + client::describe('S', "mine") +
                            client::bind("", "mine", {"value"}) + client::execute() + client::close('P', "") +
                            client::close('S', "mine") + client::sync();
  const std::string answer = kParsed + server::parameter_description() + server::row_description() + kBound +
                             kOne + kClosed + kReady;
  Trace sent;
  Trace seen;
  for (size_t cut = asked.size(); cut > 0; cut--) {
    MemoryWorker fresh;
    LinkState its_link = memory_link();
    MemorySession c(fresh, &its_link);
    c.client(asked, cut).server(answer, cut);
    EXPECT_FALSE(c.holds_link()) << cut;
    if (sent.empty()) {
      sent = c.to_server();
      seen = c.to_client();
      EXPECT_EQ(seen.size(), 9U);
    } else {
      EXPECT_EQ(c.to_server(), sent) << cut;
      EXPECT_EQ(c.to_client(), seen) << cut;
    }
  }
}

TEST_F(Extended, NamedStatementIsPreparedOnALinkThatLacksItInTheSameWrite) {
  prepare(a, "mine", "SELECT 1");
  a.next_link = &other;
  a.client(client::bind("", "mine") + client::execute() + client::sync());
  EXPECT_THAT(a.to_server(),
              ElementsAre("Parse sportello_1 'SELECT 1'", "Bind '' sportello_1", "Execute ''", "Sync"));
  a.server(kParsed + kBound + kOne + kReady);
  EXPECT_THAT(a.to_client(),
              ElementsAre("BindComplete", "DataRow (1)", "CommandComplete 'SELECT 1'", "ReadyForQuery I"));
}

TEST_F(Extended, AStatementPreparedBeforeIsPreparedWithoutALinkAndOncePerLink) {
  prepare(a, "mine", "SELECT 1");
  b.client(client::parse("yours", "SELECT 1") + client::sync());
  EXPECT_FALSE(b.holds_link());
  EXPECT_THAT(b.to_client(), ElementsAre("ParseComplete", "ReadyForQuery I"));
  b.client(client::bind("", "yours") + client::execute() + client::sync());
  EXPECT_THAT(b.to_server(), ElementsAre("Bind '' sportello_1", "Execute ''", "Sync"));
}

TEST_F(Extended, SameNameOtherTextIsAnotherStatement) {  // S41
  prepare(a, "s", "SELECT 'a'");
  prepare(b, "s", "SELECT 'b'");
  a.client(client::bind("", "s") + client::sync()).server(kBound + kReady);
  b.client(client::bind("", "s") + client::sync()).server(kBound + kReady);
  const Trace of_a = a.to_server();
  EXPECT_EQ(a.session().prepared_statements(), 1U);
  EXPECT_NE(a.bytes_to_server() + of_a[0], b.bytes_to_server());
}

TEST_F(Extended, SameTextOtherTypesIsAnotherStatement) {  // S41
  a.client(client::parse("x", "SELECT $1", {23}) + client::parse("y", "SELECT $1", {25}) + client::sync());
  EXPECT_THAT(a.to_server(),
              ElementsAre("Parse sportello_1 'SELECT $1'", "Parse sportello_2 'SELECT $1'", "Sync"));
}

TEST_F(Extended, SameTextTwiceInOneBatchIsPreparedOnce) {
  a.client(client::parse("x", "SELECT 1") + client::parse("y", "SELECT 1") + client::sync());
  EXPECT_THAT(a.to_server(), ElementsAre("Parse sportello_1 'SELECT 1'", "Sync"));
  a.server(kParsed + kReady);
  EXPECT_THAT(a.to_client(), ElementsAre("ParseComplete", "ParseComplete", "ReadyForQuery I"));
  EXPECT_EQ(a.session().prepared_statements(), 2U);
}

TEST_F(Extended, AfterDdlAParseOfTheSameTextIsPlannedAnew) {
  prepare(a, "s", "SELECT * FROM t");
  a.client(client::query("ALTER TABLE t ADD c int")).server(server::complete("ALTER TABLE") + kReady);
  a.to_server();
  b.client(client::parse("s", "SELECT * FROM t") + client::sync());
  EXPECT_TRUE(b.holds_link()) << "nothing is proven of it";
  b.server(kParsed + kReady);
}

TEST_F(Extended, PipelineOfSeveralSyncsIsAnsweredInOrder) {
  a.client(client::unnamed("SELECT 1") + client::sync() + client::unnamed("SELECT 2") + client::sync() +
           client::sync());
  a.server(kParsed + kBound + kOne + kReady);
  EXPECT_TRUE(a.holds_link());
  a.server(kParsed + kBound + kOne + kReady);
  EXPECT_TRUE(a.holds_link());
  a.server(kReady);
  EXPECT_FALSE(a.holds_link());
  EXPECT_EQ(a.commands(), 3U);
}

TEST_F(Extended, LinkStaysWhileAnythingIsUnsynced) {
  a.client(client::unnamed("SELECT 1") + client::flush()).server(kParsed + kBound + kOne);
  EXPECT_TRUE(a.holds_link());
  EXPECT_FALSE(a.last_answer().free);
  a.client(client::sync()).server(kReady);
  EXPECT_FALSE(a.holds_link());
}

TEST_F(Extended, ErrorSkipsToSyncAndUndoesTheNamesOfWhatWasSkipped) {
  prepare(a, "kept", "SELECT 'kept'");
  a.client(client::parse("x", "SELEKT") + client::parse("y", "SELECT 2") + client::close('S', "kept") +
           client::sync() + client::parse("z", "SELECT 3") + client::sync());
  a.server(server::error("42601") + kReady + kParsed + kReady);
  EXPECT_THAT(a.to_client(),
              ElementsAre("ERROR 42601 'no'", "ReadyForQuery I", "ParseComplete", "ReadyForQuery I"));
  EXPECT_EQ(a.session().prepared_statements(), 2U) << "kept and z";
  EXPECT_FALSE(a.holds_link());
  a.to_server();
  a.client(client::bind("", "kept") + client::bind("", "y") + client::sync());
  const Trace sent = a.to_server();
  EXPECT_EQ(sent[1], "Bind '' y") << "the server says that it does not exist";
}

TEST_F(Extended, MessagesAfterAnErrorBeforeSyncAreNotSent) {
  a.client(client::unnamed("SELEKT") + client::flush()).server(server::error("42601"));
  a.to_server();
  a.client(client::bind("", "") + client::execute() + client::query("SELECT 1") + client::sync());
  EXPECT_THAT(a.to_server(), ElementsAre("Sync"));
  a.server(kReady);
  EXPECT_FALSE(a.holds_link());
}

TEST_F(Extended, AStatementWhosePreparationWasSkippedIsPreparedForTheNextBatchOfThePipeline) {
  prepare(a, "mine", "SELECT 1");
  a.next_link = &other;
  a.client(client::parse("", "SELEKT") + client::bind("", "mine") + client::sync() +
           client::bind("", "mine") + client::execute() + client::sync());
  EXPECT_THAT(a.to_server(),
              ElementsAre("Parse '' 'SELEKT'", "Parse sportello_1 'SELECT 1'", "Bind '' sportello_1", "Sync",
                          "Close S sportello_1", "Parse sportello_1 'SELECT 1'", "Bind '' sportello_1",
                          "Execute ''", "Sync"));
  a.server(server::error("42601") + kReady + kClosed + kParsed + kBound + kOne + kReady);
  EXPECT_FALSE(a.holds_link());
  EXPECT_THAT(a.to_client(), ElementsAre("ERROR 42601 'no'", "ReadyForQuery I", "BindComplete", "DataRow (1)",
                                         "CommandComplete 'SELECT 1'", "ReadyForQuery I"));
}

TEST_F(Extended, DuplicateNamesFailAsPostgreSqlFailsThem) {
  prepare(a, "s", "SELECT 1");
  a.client(client::parse("s", "SELECT 2") + client::sync());
  EXPECT_THAT(a.to_server(), ElementsAre("Close S s", "Parse s ''", "Parse s 'SELECT 2'", "Sync"));
  a.server(kClosed + kParsed + server::error("42P05", "prepared statement \"s\" already exists") + kReady);
  EXPECT_THAT(a.to_client(),
              ElementsAre("ERROR 42P05 'prepared statement \"s\" already exists'", "ReadyForQuery I"));
  EXPECT_TRUE(link.tainted) << "cleaned before anyone else gets it";
  EXPECT_EQ(a.session().prepared_statements(), 1U);
}

TEST_F(Extended, DuplicateNameOfAKnownTextFailsToo) {
  prepare(a, "s", "SELECT 1");
  prepare(b, "t", "SELECT 2");
  a.client(client::parse("s", "SELECT 2") + client::sync());
  EXPECT_TRUE(a.holds_link());
  EXPECT_EQ(a.to_server().size(), 4U);
}

TEST_F(Extended, NameThatWasNeverPreparedFailsOnTheServer) {
  a.client(client::bind("", "nobody") + client::sync());
  EXPECT_THAT(a.to_server(), ElementsAre("Bind '' nobody", "Sync"));
  a.server(server::error("26000") + kReady);
  EXPECT_FALSE(a.holds_link());
}

TEST_F(Extended, ANameOfOursIsNoDoorToOthersStatements) {  // S41
  prepare(a, "mine", "SELECT 'secret'");
  a.client(client::bind("", "mine") + client::sync());
  const std::string bytes = a.bytes_to_server();
  const size_t at = bytes.find("sportello_");
  const std::string real = bytes.substr(at, bytes.find('\0', at) - at);
  a.server(kBound + kReady);
  b.client(client::bind("", real) + client::sync());
  EXPECT_EQ(b.bytes_to_server().find(std::string(1, '\0') + real + '\0'), std::string::npos);
  b.server(server::error("26000") + kReady);
  b.client(client::close('S', real) + client::sync());
  EXPECT_THAT(b.to_server(), IsEmpty()) << "nothing to close, nothing under way";
  b.client(client::query("BEGIN")).server(server::complete("BEGIN") + server::ready('T'));
  b.to_server();
  b.client(client::close('S', real) + client::sync());
  EXPECT_THAT(b.to_server(), ElementsAre("Sync"));
}

TEST_F(Extended, CloseOfAStatementLeavesItToTheOthers) {
  prepare(a, "s", "SELECT 1");
  a.client(client::bind("", "s") + client::close('S', "s") + client::sync());
  EXPECT_THAT(a.to_server(), ElementsAre("Bind '' sportello_1", "Sync"));
  a.server(kBound + kReady);
  EXPECT_THAT(a.to_client(), ElementsAre("BindComplete", "CloseComplete", "ReadyForQuery I"));
  EXPECT_EQ(a.session().prepared_statements(), 0U);
}

TEST_F(Extended, CloseOfAPortalIsTheServers) {
  prepare(a, "s", "SELECT 1");
  a.client(client::bind("s", "s") + client::close('P', "s") + client::sync());
  EXPECT_THAT(a.to_server(), ElementsAre("Bind s sportello_1", "Close P s", "Sync"));
  a.server(kBound + kClosed + kReady);
  EXPECT_EQ(a.session().prepared_statements(), 1U);
}

TEST_F(Extended, CloseWithoutALinkNeedsNone) {
  prepare(a, "s", "SELECT 1");
  a.client(client::close('S', "s") + client::close('S', "t") + client::close('P', "s") + client::sync());
  EXPECT_FALSE(a.holds_link());
  EXPECT_THAT(a.to_client(),
              ElementsAre("CloseComplete", "CloseComplete", "CloseComplete", "ReadyForQuery I"));
  EXPECT_EQ(a.session().prepared_statements(), 0U);
}

TEST_F(Extended, AClosedNameCanBePreparedAgainInTheSameBatch) {
  prepare(a, "s", "SELECT 1");
  a.client(client::close('S', "s") + client::parse("s", "SELECT 2") + client::bind("", "s") + client::sync());
  // Close without a link was answered; the Parse needs one.
  EXPECT_THAT(a.to_server(), ElementsAre("Parse sportello_2 'SELECT 2'", "Bind '' sportello_2", "Sync"));
}

TEST_F(Extended, DescribeOfBothKinds) {
  prepare(a, "s", "SELECT 1");
  a.client(client::describe('S', "s") + client::bind("", "s") + client::describe('P', "") + client::sync());
  EXPECT_THAT(a.to_server(),
              ElementsAre("Describe S sportello_1", "Bind '' sportello_1", "Describe P ''", "Sync"));
  a.server(server::parameter_description() + server::row_description() + kBound + server::row_description() +
           kReady);
  EXPECT_FALSE(a.holds_link());
}

TEST_F(Extended, LeastRecentlyUsedStatementIsEvictedFromALink) {
  worker.context.max_prepared_statements = 2;
  prepare(a, "s1", "SELECT 1");
  prepare(a, "s2", "SELECT 2");
  a.client(client::bind("", "s1") + client::sync()).server(kBound + kReady);
  a.to_server();
  a.client(client::parse("s3", "SELECT 3") + client::sync());
  EXPECT_THAT(a.to_server(), ElementsAre("Close S sportello_2", "Parse sportello_3 'SELECT 3'", "Sync"));
  a.server(kClosed + kParsed + kReady);
  EXPECT_EQ(link.statements.size(), 2U);
  a.client(client::bind("", "s2") + client::sync());
  EXPECT_THAT(a.to_server(), ElementsAre("Close S sportello_1", "Parse sportello_2 'SELECT 2'",
                                         "Bind '' sportello_2", "Sync"));
  a.server(kClosed + kParsed + kBound + kReady);
  EXPECT_FALSE(a.holds_link());
}

TEST_F(Extended, UnnamedStatementOutlivesItsSyncAndItsLink) {
  a.client(client::parse("", "SELECT 'a'") + client::sync()).server(kParsed + kReady);
  EXPECT_FALSE(a.holds_link());
  a.to_server();
  a.next_link = &other;
  a.client(client::bind("", "") + client::execute() + client::sync());
  EXPECT_THAT(a.to_server(), ElementsAre("Parse '' 'SELECT 'a''", "Bind '' ''", "Execute ''", "Sync"));
  a.server(kParsed + kBound + kOne + kReady);
  a.client(client::bind("", "") + client::sync());
  EXPECT_THAT(a.to_server(), ElementsAre("Bind '' ''", "Sync")) << "that link has it now";
}

TEST_F(Extended, UnnamedStatementIsNeverAnotherSessions) {
  a.client(client::parse("", "SELECT 'a'") + client::sync()).server(kParsed + kReady);
  b.client(client::bind("", "") + client::execute() + client::sync());
  EXPECT_THAT(b.to_server(), ElementsAre("Close S ''", "Bind '' ''", "Execute ''", "Sync"));
  b.server(kClosed + server::error("26000") + kReady);
  b.client(client::describe('S', "") + client::sync());
  EXPECT_THAT(b.to_server(), ElementsAre("Close S ''", "Describe S ''", "Sync"));
  b.server(kClosed + server::error("26000") + kReady);
  a.to_server();
  a.client(client::bind("", "") + client::sync());
  EXPECT_THAT(a.to_server(), ElementsAre("Parse '' 'SELECT 'a''", "Bind '' ''", "Sync"));
}

TEST_F(Extended, UnnamedStatementIsPreparedAgainAfterAnotherSessionsSettingsDroppedIt) {
  SettingsValues roman = plain_settings();
  roman.tracked[static_cast<size_t>(Tracked::TimeZone)] = "Europe/Rome";
  MemorySession c(worker, &link, roman);
  a.client(client::parse("", "SELECT now()") + client::sync()).server(kParsed + kReady);
  c.client(client::describe('P', "x") + client::sync());
  c.server(server::complete("SET") + server::parameter("TimeZone", "Europe/Rome") + kReady +
           server::error("34000") + kReady);
  ASSERT_FALSE(c.holds_link());
  a.to_server();
  a.client(client::bind("", "") + client::sync());
  EXPECT_THAT(a.to_server(), ElementsAre("Query 'SET \"TimeZone\" = E'UTC';'", "Parse '' 'SELECT now()'",
                                         "Bind '' ''", "Sync"))
      << "a simple query drops the unnamed statement";
}

TEST_F(Extended, UnnamedStatementThatIsKnownToBeGoodIsServedByName) {
  a.client(client::unnamed("SELECT 1") + client::sync()).server(kParsed + kBound + kOne + kReady);
  a.to_server();
  a.to_client();
  a.client(client::unnamed("SELECT 1") + client::sync());
  EXPECT_THAT(a.to_server(),
              ElementsAre("Parse sportello_1 'SELECT 1'", "Bind '' sportello_1", "Execute ''", "Sync"));
  a.server(kParsed + kBound + kOne + kReady);
  EXPECT_THAT(a.to_client(), ElementsAre("ParseComplete", "BindComplete", "DataRow (1)",
                                         "CommandComplete 'SELECT 1'", "ReadyForQuery I"));
  a.client(client::unnamed("SELECT 1") + client::sync());
  EXPECT_THAT(a.to_server(), ElementsAre("Bind '' sportello_1", "Execute ''", "Sync"));
}

TEST_F(Extended, HotUnnamedStatementOfATransactionIsServedByName) {
  a.client(client::query("BEGIN")).server(server::complete("BEGIN") + server::ready('T'));
  a.to_server();
  for (int i = 0; i < 5; i++) {
    a.client(client::unnamed("SELECT x FROM t") + client::sync());
    EXPECT_EQ(a.to_server()[0], "Parse '' 'SELECT x FROM t'") << i;
    a.server(kParsed + kBound + kOne + server::ready('T'));
  }
  a.client(client::unnamed("SELECT x FROM t") + client::sync());
  EXPECT_THAT(a.to_server(), ElementsAre("Parse sportello_1 'SELECT x FROM t'", "Bind '' sportello_1",
                                         "Execute ''", "Sync"));
}

TEST_F(Extended, CloseOfTheUnnamedStatement) {
  a.client(client::query("BEGIN")).server(server::complete("BEGIN") + server::ready('T'));
  a.to_server();
  a.client(client::parse("", "SELECT 1") + client::close('S', "") + client::bind("", "") + client::sync());
  const Trace sent = a.to_server();
  EXPECT_EQ(sent[1], "Close S ''");
  EXPECT_EQ(sent.back(), "Sync");
  EXPECT_EQ(sent[sent.size() - 2], "Bind '' ''");
  a.server(kParsed + kClosed + kClosed + server::error("26000") + server::ready('E'));
  EXPECT_TRUE(link.owed.empty());
}

TEST_F(Extended, FailedParseOfTheUnnamedStatementDropsTheOneBefore) {
  a.client(client::parse("", "SELECT 1") + client::sync()).server(kParsed + kReady);
  a.client(client::parse("", "SELEKT") + client::sync()).server(server::error("42601") + kReady);
  a.to_server();
  a.client(client::bind("", "") + client::sync());
  EXPECT_THAT(a.to_server(), ElementsAre("Close S ''", "Bind '' ''", "Sync"));
}

TEST_F(Extended, DeallocateActsOnTheVirtualStatement) {
  prepare(a, "s", "SELECT 1");
  a.client(client::query("DEALLOCATE s"));
  EXPECT_THAT(a.to_server(), ElementsAre("Close S sportello_nothing", "Parse sportello_nothing ''",
                                         "Query 'DEALLOCATE sportello_nothing'"));
  a.server(kClosed + kParsed + server::complete("DEALLOCATE") + kReady);
  EXPECT_THAT(a.to_client(), ElementsAre("CommandComplete 'DEALLOCATE'", "ReadyForQuery I"));
  EXPECT_EQ(a.session().prepared_statements(), 0U);
  EXPECT_FALSE(a.holds_link());
}

TEST_F(Extended, DeallocateThatFailsKeepsTheStatement) {
  prepare(a, "s", "SELECT 1");
  a.client(client::query("BEGIN")).server(server::complete("BEGIN") + server::ready('T'));
  a.client(client::query("SELEKT")).server(server::error("42601") + server::ready('E'));
  a.to_server();
  a.client(client::query("DEALLOCATE s"));
  EXPECT_THAT(a.to_server(), ElementsAre("Query 'DEALLOCATE s'"))
      << "the server refuses it, whatever its name";
  a.server(server::error("25P02") + server::ready('E'));
  EXPECT_EQ(a.session().prepared_statements(), 1U);
}

TEST_F(Extended, DeallocateThatMayComeInAFailedTransactionIsAnsweredAllTheSame) {
  prepare(a, "s", "SELECT 1");
  a.client(client::query("BEGIN") + client::query("SELEKT") + client::query("DEALLOCATE s"));
  EXPECT_THAT(a.to_server(),
              ElementsAre("Query 'BEGIN'", "Query 'SELEKT'", "Close S sportello_nothing",
                          "Parse sportello_nothing ''", "Sync", "Query 'DEALLOCATE sportello_nothing'"));
  a.server(server::complete("BEGIN") + server::ready('T') + server::error("42601") + server::ready('E') +
           kClosed + server::error("25P02") + server::ready('E') + server::error("25P02") +
           server::ready('E'));
  EXPECT_THAT(a.to_client(),
              ElementsAre("CommandComplete 'BEGIN'", "ReadyForQuery T", "ERROR 42601 'no'", "ReadyForQuery E",
                          "ERROR 25P02 'no'", "ERROR 25P02 'no'", "ReadyForQuery E"));
  EXPECT_EQ(a.session().prepared_statements(), 1U);
}

// ---- Parse of a known text, where PostgreSQL might refuse it ----

TEST_F(Extended, InAFailedTransactionAKnownTextIsTheServersToRefuse) {
  prepare(a, "s", "SELECT 1");
  a.client(client::query("BEGIN")).server(server::complete("BEGIN") + server::ready('T'));
  a.client(client::query("SELECT 1/0")).server(server::error("22012") + server::ready('E'));
  a.to_server();
  a.to_client();
  a.client(client::parse("t", "SELECT 1") + client::sync());
  EXPECT_THAT(a.to_server(), ElementsAre("Close S sportello_1", "Parse sportello_1 'SELECT 1'", "Sync"));
  a.server(kClosed + server::error("25P02") + server::ready('E'));
  EXPECT_THAT(a.to_client(), ElementsAre("ERROR 25P02 'no'", "ReadyForQuery E"));
  EXPECT_EQ(a.session().prepared_statements(), 1U);
}

TEST_F(Extended, SoItIsWhereAnErrorUnderWayMayFailTheTransaction) {
  prepare(a, "s", "SELECT 1");
  a.client(client::query("BEGIN")).server(server::complete("BEGIN") + server::ready('T'));
  a.to_server();
  a.to_client();
  a.client(client::query("SELECT 1/0") + client::parse("t", "SELECT 1") + client::sync());
  EXPECT_THAT(a.to_server(), ElementsAre("Query 'SELECT 1/0'", "Close S sportello_1",
                                         "Parse sportello_1 'SELECT 1'", "Sync"));
  a.server(server::error("22012") + server::ready('E') + kClosed + server::error("25P02") +
           server::ready('E'));
  EXPECT_THAT(a.to_client(),
              ElementsAre("ERROR 22012 'no'", "ReadyForQuery E", "ERROR 25P02 'no'", "ReadyForQuery E"));
}

TEST_F(Extended, SoItIsBehindABeginThatIsNotAnswered) {
  prepare(a, "s", "SELECT 1");
  a.client(client::query("BEGIN") + client::parse("t", "SELECT 1") + client::sync());
  EXPECT_THAT(a.to_server(),
              ElementsAre("Query 'BEGIN'", "Close S sportello_1", "Parse sportello_1 'SELECT 1'", "Sync"));
}

TEST_F(Extended, OutsideATransactionAKnownTextNeedsNoServerHoweverFarAhead) {
  prepare(a, "s", "SELECT 1");
  a.client(client::query("SELECT 1/0") + client::parse("t", "SELECT 1") + client::sync());
  EXPECT_THAT(a.to_server(), ElementsAre("Query 'SELECT 1/0'", "Sync"));
}

TEST_F(Extended, InAnOpenTransactionAKnownTextNeedsNoServerBehindItsOwnBatch) {
  prepare(a, "s", "SELECT 1");
  a.client(client::query("BEGIN")).server(server::complete("BEGIN") + server::ready('T'));
  a.to_server();
  a.to_client();
  a.client(client::bind("", "nobody") + client::parse("t", "SELECT 1") + client::sync());
  EXPECT_THAT(a.to_server(), ElementsAre("Bind '' nobody", "Sync"));
  a.server(server::error("26000") + server::ready('E'));
  EXPECT_THAT(a.to_client(), ElementsAre("ERROR 26000 'no'", "ReadyForQuery E"))
      << "it is skipped with the rest";
  EXPECT_EQ(a.session().prepared_statements(), 1U);
}

TEST_F(Extended, ACloseOfOursThatWasSkippedLeavesTheLinkInDoubtOfWhatItHolds) {
  prepare(a, "s", "SELECT 1");
  a.client(client::query("BEGIN")).server(server::complete("BEGIN") + server::ready('T'));
  a.client(client::query("SELECT 1/0") + client::bind("", "nobody") + client::parse("t", "SELECT 1") +
           client::sync());
  a.server(server::error("22012") + server::ready('E') + server::error("25P02") + server::ready('E'));
  a.client(client::query("ROLLBACK")).server(server::complete("ROLLBACK") + kReady);
  a.to_server();
  a.client(client::bind("", "s") + client::sync());
  EXPECT_THAT(a.to_server(), ElementsAre("Close S sportello_1", "Parse sportello_1 'SELECT 1'",
                                         "Bind '' sportello_1", "Sync"));
}

TEST_F(Extended, UnderOtherSettingsATextIsAnotherStatement) {  // its constants are read when it is parsed
  prepare(a, "s", "SELECT '1/2/2024'::date");
  SettingsValues german = plain_settings();
  german.tracked[static_cast<size_t>(Tracked::DateStyle)] = "German, DMY";
  LinkState its_link = memory_link(german);
  MemorySession c(worker, &its_link, german);
  c.client(client::parse("s", "SELECT '1/2/2024'::date") + client::sync());
  EXPECT_THAT(c.to_server(), ElementsAre("Parse sportello_1 'SELECT '1/2/2024'::date'", "Sync"))
      << "not answered from what another has prepared";
  SettingsValues renamed = plain_settings();
  renamed.tracked[static_cast<size_t>(Tracked::ApplicationName)] = "other";
  LinkState another_link = memory_link(renamed);
  MemorySession d(worker, &another_link, renamed);
  d.client(client::parse("s", "SELECT '1/2/2024'::date") + client::sync());
  EXPECT_FALSE(d.holds_link()) << "a name of the application changes nothing";
}

TEST_F(Extended, DeallocateByTheExtendedProtocol) {
  prepare(a, "s", "SELECT 1");
  a.client(client::unnamed("DEALLOCATE s") + client::sync());
  EXPECT_THAT(a.to_server(),
              ElementsAre("Close S sportello_nothing", "Parse sportello_nothing ''",
                          "Parse '' 'DEALLOCATE sportello_nothing'", "Bind '' ''", "Execute ''", "Sync"));
  a.server(kClosed + kParsed + kParsed + kBound + server::complete("DEALLOCATE") + kReady);
  EXPECT_EQ(a.session().prepared_statements(), 1U) << "the unnamed one";
  EXPECT_FALSE(a.holds_link());
}

TEST_F(Extended, DeallocateThatOthersHaveProvenStillActsOnTheVirtualStatement) {
  b.client(client::parse("d", "DEALLOCATE s") + client::sync()).server(kParsed + kReady);
  prepare(a, "s", "SELECT 1");
  a.client(client::unnamed("DEALLOCATE s") + client::sync());
  ASSERT_TRUE(a.holds_link());
  EXPECT_EQ(a.to_server()[2], "Parse '' 'DEALLOCATE sportello_nothing'");
}

TEST_F(Extended, DeallocateAllForgetsTheSessionsNamesAndDoubtsTheLinks) {
  prepare(a, "s", "SELECT 1");
  prepare(b, "s", "SELECT 2");
  a.client(client::query("DEALLOCATE ALL")).server(server::complete("DEALLOCATE ALL") + kReady);
  EXPECT_EQ(a.session().prepared_statements(), 0U);
  EXPECT_EQ(b.session().prepared_statements(), 1U);
  b.to_server();
  b.client(client::bind("", "s") + client::sync());
  EXPECT_THAT(b.to_server(), ElementsAre("Close S sportello_1", "Parse sportello_1 'SELECT 2'",
                                         "Bind '' sportello_1", "Sync"));
  b.server(kClosed + kParsed + kBound + kReady);
  EXPECT_THAT(b.to_client(), ElementsAre("BindComplete", "ReadyForQuery I"));
}

TEST_F(Extended, DiscardAllWithoutALinkNeedsNone) {
  prepare(a, "s", "SELECT 1");
  a.client(client::query("DISCARD ALL"));
  EXPECT_FALSE(a.holds_link());
  EXPECT_THAT(a.to_client(), ElementsAre("CommandComplete 'DISCARD ALL'", "ReadyForQuery I"));
  EXPECT_EQ(a.session().prepared_statements(), 0U);
}

TEST_F(Extended, DiscardAllWithParseSentBehindIt) {  // S41
  prepare(a, "s", "SELECT 1");
  a.client(client::query("LISTEN c")).server(server::complete("LISTEN") + kReady);
  a.to_server();
  a.client(client::query("DISCARD ALL") + client::parse("s", "SELECT 2") + client::bind("", "s") +
           client::sync());
  EXPECT_THAT(a.to_server(), ElementsAre("Query 'DISCARD ALL'", "Close S sportello_2",
                                         "Parse sportello_2 'SELECT 2'", "Bind '' sportello_2", "Sync"));
  a.server(server::complete("DISCARD ALL") + kReady + kClosed + kParsed + kBound + kReady);
  EXPECT_FALSE(a.holds_link());
  EXPECT_EQ(a.session().prepared_statements(), 1U);
}

TEST_F(Extended, ErrorOfOurOwnParseReachesTheClient) {
  prepare(a, "s", "SELECT * FROM dropped");
  a.next_link = &other;
  a.client(client::bind("", "s") + client::execute() + client::sync());
  a.server(server::error("42P01", "relation \"dropped\" does not exist") + kReady);
  EXPECT_THAT(a.to_client(),
              ElementsAre("ERROR 42P01 'relation \"dropped\" does not exist'", "ReadyForQuery I"));
  EXPECT_FALSE(a.holds_link());
  EXPECT_EQ(other.statements.size(), 0U);
}

TEST_F(Extended, LongParseStreamsUnderANameOfOursAndPins) {
  worker.context.inspect_max = 64;
  const std::string text = "SELECT '" + std::string(500, 'x') + "'";
  const std::string asked = client::parse("long", text) + client::bind("", "long") + client::sync();
  for (size_t cut = 1; cut < asked.size(); cut += 5) {
    LinkState its_link = memory_link();
    MemorySession c(worker, &its_link);
    c.client(asked, cut);
    const Trace sent = c.to_server();
    ASSERT_EQ(sent.size(), 3U) << cut;
    EXPECT_EQ(sent[0], "Parse sportello_1 'SELECT 'xxxxxxxxxxxx...(509)'") << cut;
    EXPECT_EQ(sent[1], "Bind '' sportello_1") << cut;
    c.server(kParsed + kBound + kReady, cut);
    EXPECT_EQ(c.session().pin_reasons(), "unknown statement, long statement");
    EXPECT_TRUE(c.holds_link());
  }
}

TEST_F(Extended, LongBindStreamsInAnyCut) {
  worker.context.inspect_max = 64;
  prepare(a, "s", "SELECT $1");
  const std::string asked =
      client::bind("", "s", {std::string(1000, 'v')}) + client::execute() + client::sync();
  for (size_t cut = 1; cut < asked.size(); cut += 13) {
    a.client(asked, cut);
    const std::string bytes = a.bytes_to_server();
    WireTracer tracer;
    EXPECT_EQ(tracer.frontend(bytes)[0], "Bind '' sportello_1 (vvvvvvvvvvvvvvvvvvvv...(1000))") << cut;
    a.server(kBound + kOne + kReady);
    EXPECT_FALSE(a.holds_link()) << cut;
  }
}

TEST_F(Extended, HalfAMessageTakesNoLink) {  // S59
  for (const std::string& whole :
       {client::bind("", "nobody"), client::describe('S', "nobody"), client::execute(),
        client::function_call(952), client::query("SELECT 1"), client::parse("", "SELECT 1")}) {
    MemorySession c(worker, &link);
    c.client(whole.substr(0, whole.size() - 1));
    EXPECT_FALSE(c.holds_link()) << whole[0];
    c.client(whole.substr(whole.size() - 1));
    EXPECT_TRUE(c.holds_link()) << whole[0];
    link = memory_link();
  }
}

TEST_F(Extended, NamesLongerThanIsLookedIntoAreRefused) {
  worker.context.inspect_max = 64;
  for (const char type : {'B', 'P', 'C', 'D'}) {
    LinkState its_link = memory_link();
    MemorySession c(worker, &its_link);
    c.client(client::message(type, std::string(100, 'S')).substr(0, 80));
    EXPECT_EQ(c.last_step().reason, CloseReason::ProtocolViolation) << type;
  }
}

}  // namespace
}  // namespace sportello::proxy
