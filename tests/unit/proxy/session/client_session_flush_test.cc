// A batch that only prepares and ends with Flush instead of Sync, as asyncpg's prepare() sends it: a Sync of
// ours brings its link to rest, and the client cannot tell (client_session.h, 5).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/proxy/support/memory_link.h"
#include "tests/unit/proxy/support/messages.h"

namespace sportello::proxy {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const std::string kDescribed = server::parameter_description() + server::row_description();
const std::string kPrepare = client::parse("s", "SELECT 1") + client::describe('S', "s") + client::flush();
const std::string kRun = client::bind("", "s") + client::execute() + client::sync();

struct Flushed : ::testing::Test {
  MemoryWorker worker;
  LinkState link = memory_link();
  MemorySession a{worker, &link};

  void prepare(size_t cut = SIZE_MAX) {
    a.client(kPrepare, cut).server(server::parse_complete() + kDescribed, cut);
  }
};

TEST_F(Flushed, TheLinkIsFreeOnceAllIsAnswered) {
  for (size_t cut = 1; cut <= kPrepare.size(); cut++) {
    MemoryWorker fresh;
    LinkState its_link = memory_link();
    MemorySession c(fresh, &its_link);
    c.client(kPrepare, cut).server(server::parse_complete() + server::parameter_description(), cut);
    EXPECT_THAT(c.to_server(),
                ElementsAre("Parse sportello_1 'SELECT 1'", "Describe S sportello_1", "Flush"));
    c.server(server::row_description(), cut);
    EXPECT_THAT(c.to_server(), ElementsAre("Sync"));
    EXPECT_TRUE(c.holds_link());
    c.server(server::ready(), cut);
    EXPECT_FALSE(c.holds_link()) << cut;
    EXPECT_THAT(c.to_client(), ElementsAre("ParseComplete", "ParameterDescription", "RowDescription"));
    EXPECT_EQ(c.commands(), 0U);
  }
}

TEST_F(Flushed, TheClientsSyncIsAnsweredWithoutAServer) {
  prepare();
  a.server(server::ready());
  a.to_client();
  a.to_server();
  a.client(client::sync());
  EXPECT_FALSE(a.holds_link());
  EXPECT_THAT(a.to_client(), ElementsAre("ReadyForQuery I"));
  EXPECT_THAT(a.to_server(), IsEmpty());
}

TEST_F(Flushed, WhatFollowsRunsAsIfTheBatchHadGoneOn) {
  prepare();
  a.server(server::ready());
  a.to_client();
  a.to_server();
  a.client(kRun);
  EXPECT_THAT(a.to_server(), ElementsAre("Bind '' sportello_1", "Execute ''", "Sync"));
  a.server(server::bind_complete() + server::row("1") + server::complete("SELECT 1") + server::ready());
  EXPECT_FALSE(a.holds_link());
  EXPECT_THAT(a.to_client(),
              ElementsAre("BindComplete", "DataRow (1)", "CommandComplete 'SELECT 1'", "ReadyForQuery I"));
}

TEST_F(Flushed, WhatIsSentBeforeOurSyncIsAnsweredGoesBehindIt) {
  prepare();
  a.to_server();
  a.to_client();
  a.client(kRun);
  EXPECT_THAT(a.to_server(), ElementsAre("Bind '' sportello_1", "Execute ''", "Sync"));
  a.server(server::ready());
  EXPECT_TRUE(a.holds_link());
  EXPECT_THAT(a.to_client(), IsEmpty());
  a.server(server::bind_complete() + server::row("1") + server::complete("SELECT 1") + server::ready());
  EXPECT_THAT(a.to_client(),
              ElementsAre("BindComplete", "DataRow (1)", "CommandComplete 'SELECT 1'", "ReadyForQuery I"));
  EXPECT_FALSE(a.holds_link());
}

TEST_F(Flushed, NothingIsPutBetweenWhatTheClientSendsAhead) {
  a.client(kPrepare + kRun);
  a.to_server();
  a.server(server::parse_complete() + kDescribed);
  EXPECT_THAT(a.to_server(), IsEmpty()) << "Bind and Execute are under way";
  a.server(server::bind_complete() + server::row("1") + server::complete("SELECT 1"));
  EXPECT_THAT(a.to_server(), IsEmpty());
  a.server(server::ready());
  EXPECT_FALSE(a.holds_link());
}

TEST_F(Flushed, AfterAnErrorEverythingUpToTheClientsSyncIsPassedOver) {
  a.client(client::parse("s", "SELEKT") + client::describe('S', "s") + client::flush());
  a.server(server::error("42601"));
  EXPECT_THAT(a.to_server(),
              ElementsAre("Parse sportello_1 'SELEKT'", "Describe S sportello_1", "Flush", "Sync"));
  a.server(server::ready());
  EXPECT_FALSE(a.holds_link());
  EXPECT_THAT(a.to_client(), ElementsAre("ERROR 42601 'no'"));
  a.client(client::parse("t", "SELECT 2") + client::bind("", "t") + client::execute() +
           client::query("DROP TABLE t") + client::flush());
  EXPECT_FALSE(a.holds_link());
  EXPECT_THAT(a.to_client(), IsEmpty());
  a.client(client::sync());
  EXPECT_THAT(a.to_client(), ElementsAre("ReadyForQuery I"));
  EXPECT_THAT(a.to_server(), IsEmpty());
  EXPECT_EQ(a.session().prepared_statements(), 0U);
  a.client(client::query("SELECT 3"));
  EXPECT_THAT(a.to_server(), ElementsAre("Query 'SELECT 3'"));
}

TEST_F(Flushed, TheSameBeforeOurSyncIsAnswered) {
  a.client(client::parse("s", "SELEKT") + client::flush()).server(server::error("42601"));
  a.to_server();
  a.to_client();
  a.client(client::bind("", "s") + client::execute() + client::sync() + client::query("SELECT 3"));
  EXPECT_THAT(a.to_server(), ElementsAre("Query 'SELECT 3'"));
  EXPECT_THAT(a.to_client(), ElementsAre("ReadyForQuery I")) << "of the client's Sync";
  a.server(server::ready() + server::selected("3"));
  EXPECT_THAT(a.to_client(),
              ElementsAre("RowDescription", "DataRow (3)", "CommandComplete 'SELECT 1'", "ReadyForQuery I"));
  EXPECT_FALSE(a.holds_link());
}

TEST_F(Flushed, AnErrorBehindWhichTheClientHasSentMoreSkipsThatToo) {
  a.client(client::parse("s", "SELEKT") + client::flush() + client::bind("", "s") + client::execute());
  a.to_server();
  a.server(server::error("42601"));
  EXPECT_THAT(a.to_server(), IsEmpty())
      << "what was sent ahead is the server's to skip up to the client's Sync";
  a.client(client::sync());
  EXPECT_THAT(a.to_server(), ElementsAre("Sync"));
  a.server(server::ready());
  EXPECT_FALSE(a.holds_link());
}

TEST_F(Flushed, AParseThatNeedsNoServerNeedsNoSync) {
  prepare();
  a.server(server::ready());
  MemorySession b{worker, &link};
  b.client(client::parse("mine", "SELECT 1") + client::flush());
  EXPECT_FALSE(b.holds_link());
  EXPECT_THAT(b.to_client(), ElementsAre("ParseComplete"));
}

TEST_F(Flushed, ATransactionIsTheClientsToEnd) {
  a.client(client::query("BEGIN")).server(server::complete("BEGIN") + server::ready('T'));
  a.to_server();
  a.client(kPrepare).server(server::parse_complete() + kDescribed);
  EXPECT_THAT(a.to_server(), ElementsAre("Parse sportello_1 'SELECT 1'", "Describe S sportello_1", "Flush"));
}

TEST_F(Flushed, APortalIsNotClosedUnderItsClient) {
  a.client(client::parse("s", "SELECT 1") + client::bind("p", "s") + client::flush());
  a.to_server();
  a.server(server::parse_complete() + server::bind_complete());
  EXPECT_THAT(a.to_server(), IsEmpty());
  a.client(client::describe('P', "p") + client::flush()).server(server::row_description());
  EXPECT_THAT(a.to_server(), ElementsAre("Describe P p", "Flush"));
  a.client(client::sync()).server(server::ready());
  EXPECT_FALSE(a.holds_link());
}

TEST_F(Flushed, ALinkThatDiesBehindOurSyncIsNobodysLoss) {
  prepare();
  a.to_client();
  EXPECT_FALSE(a.dies().session_ends);
  EXPECT_THAT(a.to_client(), IsEmpty());
  LinkState next = memory_link();
  a.next_link = &next;
  a.to_server();
  a.client(kRun);
  // The rows that it was told of are those of the link that died.
  EXPECT_THAT(a.to_server(), ElementsAre("Parse sportello_1 'SELECT 1'", "Describe S sportello_1", "Sync"));
  a.server(server::parse_complete() + kDescribed + server::ready());
  EXPECT_THAT(a.to_server(), ElementsAre("Bind '' sportello_1", "Execute ''", "Sync"));
}

TEST_F(Flushed, HalfAMessageOfTheClientsIsNotCutByOurSync) {
  const std::string bind = client::bind("", "s", {std::string(100'000, 'x')});
  a.client(kPrepare + bind.substr(0, 70'000));
  a.to_server();
  a.server(server::parse_complete() + kDescribed);
  EXPECT_EQ(a.bytes_to_server(), "");
}

}  // namespace
}  // namespace sportello::proxy
