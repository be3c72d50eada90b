// 26000 and 0A000 for statements that the link was thought to have, or that a DDL made stale: prepared again
// and run again unseen, where nothing has been seen yet.
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

struct StaleStatement : ::testing::Test {
  MemoryWorker worker;
  LinkState link = memory_link();
  MemorySession a{worker, &link};

  void SetUp() override {
    a.client(client::parse("s", "SELECT * FROM t") + client::sync()).server(kParsed + kReady);
    a.to_server();
    a.to_client();
  }
};

TEST_F(StaleStatement, IsPreparedAndRunAgainUnseen) {
  for (const std::string& error : {server::error("26000", "prepared statement does not exist"),
                                   server::error("0A000", "cached plan must not change result type")}) {
    a.client(client::bind("", "s", {"7"}) + client::execute() + client::sync());
    a.to_server();
    a.server(error + kReady, 1);
    EXPECT_THAT(a.to_client(), IsEmpty());
    EXPECT_THAT(a.to_server(), ElementsAre("Close S sportello_1", "Parse sportello_1 'SELECT * FROM t'",
                                           "Bind '' sportello_1 (7)", "Execute ''", "Sync"));
    a.server(kClosed + kParsed + kBound + server::row("1") + server::complete("SELECT 1") + kReady, 1);
    EXPECT_THAT(a.to_client(),
                ElementsAre("BindComplete", "DataRow (1)", "CommandComplete 'SELECT 1'", "ReadyForQuery I"));
    EXPECT_FALSE(a.holds_link());
  }
}

TEST_F(StaleStatement, AWriteIsRunAgainTooAsItsFirstRunDidNothing) {
  a.client(client::parse("w", "INSERT INTO t VALUES ($1)") + client::sync()).server(kParsed + kReady);
  a.client(client::bind("", "w", {"7"}) + client::execute() + client::sync());
  a.server(server::error("26000") + kReady);
  a.to_client();
  a.server(kClosed + kParsed + kBound + server::complete("INSERT 0 1") + kReady);
  EXPECT_THAT(a.to_client(), ElementsAre("BindComplete", "CommandComplete 'INSERT 0 1'", "ReadyForQuery I"));
}

TEST_F(StaleStatement, DescribedFirstIsHealedToo) {
  a.client(client::describe('S', "s") + client::sync()).server(server::error("26000") + kReady);
  EXPECT_THAT(a.to_client(), IsEmpty());
  a.server(kClosed + kParsed + server::parameter_description() + server::no_data() + kReady);
  EXPECT_THAT(a.to_client(), ElementsAre("ParameterDescription", "NoData", "ReadyForQuery I"));
}

TEST_F(StaleStatement, AfterAParseThatNoServerSawIsHealedWithOneParseComplete) {
  MemorySession b(worker, &link);
  b.client(client::parse("mine", "SELECT * FROM t") + client::bind("", "mine") + client::execute() +
           client::sync());
  EXPECT_THAT(b.to_client(), ElementsAre("ParseComplete"));
  b.server(server::error("26000") + kReady);
  b.server(kClosed + kParsed + kBound + server::complete("SELECT 0") + kReady);
  EXPECT_THAT(b.to_client(), ElementsAre("BindComplete", "CommandComplete 'SELECT 0'", "ReadyForQuery I"));
}

TEST_F(StaleStatement, StillStaleIsToldOnce) {
  a.client(client::bind("", "s") + client::execute() + client::sync());
  a.server(server::error("26000") + kReady);
  a.to_server();
  a.server(kClosed + kParsed + server::error("26000") + kReady);
  EXPECT_THAT(a.to_client(), ElementsAre("ERROR 26000 'no'", "ReadyForQuery I"));
  EXPECT_THAT(a.to_server(), IsEmpty()) << "no third time";
  EXPECT_FALSE(a.holds_link());
}

TEST_F(StaleStatement, InATransactionItIsTheClients) {
  a.client(client::query("BEGIN")).server(server::complete("BEGIN") + server::ready('T'));
  a.to_client();
  a.client(client::bind("", "s") + client::execute() + client::sync());
  a.server(server::error("0A000", "cached plan must not change result type") + server::ready('E'));
  EXPECT_THAT(a.to_client(),
              ElementsAre("ERROR 0A000 'cached plan must not change result type'", "ReadyForQuery E"));
}

TEST_F(StaleStatement, InAPipelineItIsTheClients) {
  a.client(client::bind("", "s") + client::execute() + client::sync() + client::bind("", "s") +
           client::execute() + client::sync());
  a.server(server::error("26000") + kReady);
  EXPECT_EQ(a.to_client()[0], "ERROR 26000 'no'");
  a.server(kBound + server::complete("SELECT 0") + kReady);
  EXPECT_FALSE(a.holds_link());
}

TEST_F(StaleStatement, AfterTheFirstAnswerItIsTheClients) {
  a.client(client::bind("p", "s") + client::bind("", "s") + client::execute() + client::sync());
  a.server(kBound + server::error("26000") + kReady);
  EXPECT_THAT(a.to_client(), ElementsAre("BindComplete", "ERROR 26000 'no'", "ReadyForQuery I"));
}

TEST_F(StaleStatement, OtherUnsupportedFeaturesAreTheClients) {
  a.client(client::bind("", "s") + client::execute() + client::sync());
  a.server(server::error("0A000", "not implemented") + kReady);
  EXPECT_EQ(a.to_client()[0], "ERROR 0A000 'not implemented'");
}

TEST_F(StaleStatement, ANameThatTheClientNeverPreparedIsNotHealed) {
  a.client(client::bind("", "nobody") + client::execute() + client::sync());
  a.server(server::error("26000") + kReady);
  EXPECT_THAT(a.to_client(), ElementsAre("ERROR 26000 'no'", "ReadyForQuery I"));
}

TEST_F(StaleStatement, LinkLostWhileHealingIsRunAgainOnAnother) {
  LinkState other = memory_link();
  a.client(client::bind("", "s") + client::execute() + client::sync()).server(server::error("26000"));
  a.to_server();
  a.next_link = &other;
  EXPECT_FALSE(a.dies().session_ends);
  EXPECT_THAT(a.to_client(), IsEmpty());
  EXPECT_THAT(a.to_server(), ElementsAre("Parse sportello_1 'SELECT * FROM t'", "Bind '' sportello_1",
                                         "Execute ''", "Sync"));
  a.server(kParsed + kBound + server::complete("SELECT 0") + kReady);
  EXPECT_THAT(a.to_client(), ElementsAre("BindComplete", "CommandComplete 'SELECT 0'", "ReadyForQuery I"));
}

TEST_F(StaleStatement, ARestartAfterHealingIsAsUnseenAsWithoutIt) {
  a.client(client::bind("", "s") + client::execute() + client::sync())
      .server(server::error("26000") + kReady);
  LinkState other = memory_link();
  a.next_link = &other;
  a.to_server();
  a.dies();
  EXPECT_THAT(a.to_client(), IsEmpty());
  EXPECT_THAT(a.to_server(), ::testing::SizeIs(4));  // prepared there, too
  const std::string good =
      server::parse_complete() + server::bind_complete() + server::row("1") + server::complete("SELECT 1");
  a.server(good + kReady);
  EXPECT_THAT(a.to_client(),
              ElementsAre("BindComplete", "DataRow (1)", "CommandComplete 'SELECT 1'", "ReadyForQuery I"));
}

// ---- who has been told what the rows are, and does not ask again ----

const std::string kTypeHasChanged = server::error("0A000", "cached plan must not change result type");
const std::string kRows = server::row("1") + server::complete("SELECT 1");

struct DescribedStatement : StaleStatement {
  const std::string run = client::bind("", "s", {"7"}) + client::execute() + client::sync();
  LinkState other = memory_link();

  void SetUp() override {
    StaleStatement::SetUp();
    a.client(client::describe('S', "s") + client::sync())
        .server(server::parameter_description() + server::row_description({"id"}) + kReady);
    a.to_server();
    a.to_client();
  }
  static std::string described_as(const std::vector<std::string>& names) {
    return kParsed + server::parameter_description() + server::row_description(names);
  }
};

TEST_F(DescribedStatement, IsNotHealedAsItsRowsWouldBeMisread) {
  a.client(run).server(kTypeHasChanged + kReady);
  EXPECT_THAT(a.to_client(),
              ElementsAre("ERROR 0A000 'cached plan must not change result type'", "ReadyForQuery I"));
  EXPECT_FALSE(a.holds_link());
}

// pgx gives Bind a format for each column that it was told of.
TEST_F(DescribedStatement, IsNotHealedWhereItsPortalIsDescribedToo) {
  a.client(client::bind("", "s") + client::describe('P', "") + client::execute() + client::sync());
  a.server(kTypeHasChanged + kReady);
  EXPECT_EQ(a.to_client()[0], "ERROR 0A000 'cached plan must not change result type'");
}

TEST_F(StaleStatement, OfWhichOnlyPortalsWereDescribedIsHealedWhereTheyAreAgain) {
  const std::string run =
      client::bind("", "s") + client::describe('P', "") + client::execute() + client::sync();
  a.client(run).server(kBound + server::row_description() + kRows + kReady);
  a.to_client();
  a.client(run).server(kTypeHasChanged + kReady);
  EXPECT_THAT(a.to_client(), IsEmpty());
}

TEST_F(StaleStatement, OfWhichOnlyAPortalWasDescribedIsNotHealedWithoutThat) {
  a.client(client::bind("", "s") + client::describe('P', "") + client::execute() + client::sync());
  a.server(kBound + server::row_description() + kRows + kReady);
  a.to_client();
  a.client(client::bind("", "s") + client::execute() + client::sync()).server(kTypeHasChanged + kReady);
  EXPECT_EQ(a.to_client()[0], "ERROR 0A000 'cached plan must not change result type'");
}

TEST_F(DescribedStatement, GoesAtOnceToTheLinkThatDescribedIt) {
  a.client(run);
  EXPECT_THAT(a.to_server(), ElementsAre("Bind '' sportello_1 (7)", "Execute ''", "Sync"));
}

TEST_F(DescribedStatement, AnotherLinkIsAskedOnceBeforeItRunsThere) {
  a.next_link = &other;
  a.client(run);
  EXPECT_THAT(a.to_server(),
              ElementsAre("Parse sportello_1 'SELECT * FROM t'", "Describe S sportello_1", "Sync"));
  a.server(described_as({"id"}) + kReady, 1);
  EXPECT_THAT(a.to_client(), IsEmpty());
  EXPECT_THAT(a.to_server(), ElementsAre("Bind '' sportello_1 (7)", "Execute ''", "Sync"));
  a.server(kBound + kRows + kReady);
  EXPECT_THAT(a.to_client(),
              ElementsAre("BindComplete", "DataRow (1)", "CommandComplete 'SELECT 1'", "ReadyForQuery I"));
  EXPECT_FALSE(a.holds_link());
  a.client(run);
  EXPECT_THAT(a.to_server(), ElementsAre("Bind '' sportello_1 (7)", "Execute ''", "Sync"));
}

TEST_F(DescribedStatement, OfOtherRowsThereIsPostgresqlsErrorAndNothingRuns) {
  a.next_link = &other;
  a.client(run);
  a.to_server();
  a.server(described_as({"id", "extra"}) + kReady);
  EXPECT_EQ(a.to_server()[0], "Describe S  sportello_stale_rows");
  a.server(server::error("26000") + kReady);
  EXPECT_THAT(a.to_client(),
              ElementsAre("ERROR 0A000 'cached plan must not change result type'", "ReadyForQuery I"));
  EXPECT_FALSE(a.holds_link());
}

TEST_F(DescribedStatement, InATransactionItIsAskedForWithinIt) {
  a.next_link = &other;
  a.client(client::query("BEGIN")).server(server::complete("BEGIN") + server::ready('T'));
  a.to_client();
  a.to_server();
  a.client(run);
  EXPECT_THAT(a.to_server(),
              ElementsAre("Parse sportello_1 'SELECT * FROM t'", "Describe S sportello_1", "Flush"));
  a.server(described_as({"id"}));
  a.to_server();
  a.server(kBound + kRows + server::ready('T'));
  EXPECT_THAT(a.to_client(),
              ElementsAre("BindComplete", "DataRow (1)", "CommandComplete 'SELECT 1'", "ReadyForQuery T"));
}

TEST_F(DescribedStatement, AStatementThatCannotBePreparedThereIsToldOnce) {
  a.next_link = &other;
  a.client(run).server(server::error("42P01") + kReady);
  EXPECT_THAT(a.to_client(), ElementsAre("ERROR 42P01 'no'", "ReadyForQuery I"));
  EXPECT_EQ(a.untaken(), 0U);
}

TEST_F(DescribedStatement, WhatIsRunAgainOnAnotherLinkIsAskedForFirst) {
  a.client(run);
  a.to_server();
  a.next_link = &other;
  EXPECT_FALSE(a.dies().session_ends);
  EXPECT_THAT(a.to_server(),
              ElementsAre("Parse sportello_1 'SELECT * FROM t'", "Describe S sportello_1", "Sync"));
  a.server(described_as({"id"}) + kReady);
  EXPECT_THAT(a.to_server(), ElementsAre("Bind '' sportello_1 (7)", "Execute ''", "Sync"));
  a.server(kBound + kRows + kReady);
  EXPECT_THAT(a.to_client(),
              ElementsAre("BindComplete", "DataRow (1)", "CommandComplete 'SELECT 1'", "ReadyForQuery I"));
}

TEST_F(DescribedStatement, WhatIsRunAgainAndHasOtherRowsIsAnError) {
  a.client(run);
  a.next_link = &other;
  a.dies();
  a.server(described_as({"id", "extra"}) + kReady);
  a.server(server::error("26000") + kReady);
  EXPECT_THAT(a.to_client(),
              ElementsAre("ERROR 0A000 'cached plan must not change result type'", "ReadyForQuery I"));
  EXPECT_FALSE(a.holds_link());
}

TEST_F(DescribedStatement, ALinkLostWhileItIsAskedIsNoLossToTheClient) {
  a.next_link = &other;
  a.client(run);
  EXPECT_FALSE(a.dies().session_ends);
  EXPECT_THAT(a.to_client(), IsEmpty());
  EXPECT_GT(a.untaken(), 0U);
}

}  // namespace
}  // namespace sportello::proxy
