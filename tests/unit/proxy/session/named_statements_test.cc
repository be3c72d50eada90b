// max_prepared_statements = 0: named statements keep their client's names, and the session its link.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/proxy/support/memory_link.h"
#include "tests/unit/proxy/support/messages.h"

namespace sportello::proxy {
namespace {

using ::testing::ElementsAre;

const std::string kParsed = server::parse_complete();
const std::string kBound = server::bind_complete();
const std::string kReady = server::ready();

struct PassedNames : ::testing::Test {
  PassedNames() {
    worker.context.max_prepared_statements = 0;
    a = std::make_unique<MemorySession>(worker, &link);
  }

  MemoryWorker worker;
  LinkState link = memory_link();
  std::unique_ptr<MemorySession> a;
};

TEST_F(PassedNames, EveryMessageGoesAsItCame) {
  const std::string asked = client::parse("mine", "SELECT $1", {23}) + client::describe('S', "mine") +
                            client::bind("", "mine", {"7"}) + client::execute() + client::close('S', "mine") +
                            client::sync();
  for (size_t cut = asked.size(); cut > 0; cut--) {
    LinkState its_link = memory_link();
    MemorySession c(worker, &its_link);
    c.client(asked, cut);
    EXPECT_EQ(c.bytes_to_server(), asked) << cut;
    c.server(kParsed + server::parameter_description() + server::no_data() + kBound +
             server::complete("SELECT 1") + server::close_complete() + kReady);
    EXPECT_EQ(c.to_client().size(), 7U);
  }
}

TEST_F(PassedNames, TheSessionKeepsItsLinkAndSaysWhy) {
  a->client(client::parse("mine", "SELECT 1") + client::sync()).server(kParsed + kReady);
  EXPECT_TRUE(a->holds_link());
  EXPECT_EQ(a->session().pin_reasons(), "named statement");
  a->client(client::query("DISCARD ALL")).server(server::complete("DISCARD ALL") + kReady);
  EXPECT_FALSE(a->holds_link());
  EXPECT_EQ(a->session().prepared_statements(), 0U);
}

TEST_F(PassedNames, AFailedParsePinsNobody) {
  a->client(client::parse("mine", "SELEKT") + client::sync()).server(server::error("42601") + kReady);
  EXPECT_FALSE(a->holds_link());
  EXPECT_EQ(a->session().prepared_statements(), 0U);
}

TEST_F(PassedNames, AKnownTextIsPreparedOnTheServerAllTheSame) {
  a->client(client::parse("mine", "SELECT 1") + client::sync()).server(kParsed + kReady);
  LinkState other = memory_link();
  MemorySession b(worker, &other);
  b.client(client::parse("yours", "SELECT 1") + client::sync());
  EXPECT_THAT(b.to_server(), ElementsAre("Parse yours 'SELECT 1'", "Sync"));
}

TEST_F(PassedNames, WhatTheStatementDoesIsNotedAllTheSame) {
  a->client(client::parse("mine", "LISTEN c") + client::bind("", "mine") + client::execute() +
            client::sync());
  a->server(kParsed + kBound + server::complete("LISTEN") + kReady);
  EXPECT_EQ(a->session().pin_reasons(), "listen, named statement");
}

TEST_F(PassedNames, TheServerItselfRefusesADuplicate) {
  a->client(client::parse("mine", "SELECT 1") + client::sync()).server(kParsed + kReady);
  a->to_server();
  a->client(client::parse("mine", "SELECT 2") + client::sync());
  EXPECT_THAT(a->to_server(), ElementsAre("Parse mine 'SELECT 2'", "Sync"));
  a->server(server::error("42P05") + kReady);
  EXPECT_EQ(a->session().prepared_statements(), 1U);
}

TEST_F(PassedNames, DeallocateIsTheServers) {
  a->client(client::parse("mine", "SELECT 1") + client::sync()).server(kParsed + kReady);
  a->to_server();
  a->client(client::query("DEALLOCATE mine"));
  EXPECT_THAT(a->to_server(), ElementsAre("Query 'DEALLOCATE mine'"));
  a->server(server::complete("DEALLOCATE") + kReady);
  EXPECT_EQ(a->session().prepared_statements(), 0U);
}

TEST_F(PassedNames, TheUnnamedStatementNeedsNoPinHoweverOften) {
  for (int n = 0; n < 20; n++) {
    a->client(client::parse("", "SELECT 1") + client::sync());
    if (a->holds_link()) {
      a->server(kParsed + kReady);
    }
    a->to_server();
    a->client(client::bind("", "") + client::execute() + client::sync());
    EXPECT_THAT(a->to_server(), ElementsAre("Bind '' ''", "Execute ''", "Sync")) << n;
    a->server(kBound + server::row("1") + server::complete("SELECT 1") + kReady);
    EXPECT_FALSE(a->holds_link());
  }
}

TEST_F(PassedNames, ASessionStaysAsItWasAtLogin) {
  worker.context.max_prepared_statements = 200;
  a->client(client::parse("mine", "SELECT 1") + client::sync());
  EXPECT_THAT(a->to_server(), ElementsAre("Parse mine 'SELECT 1'", "Sync"));
}

TEST_F(PassedNames, ANameThatIsOneOfOursStaysVirtual) {
  a->client(client::parse("sportello_7", "SELECT 1") + client::sync());
  EXPECT_NE(a->to_server()[0], "Parse sportello_7 'SELECT 1'");
}

TEST_F(PassedNames, ALongStatementKeepsItsName) {
  const std::string text = "SELECT '" + std::string(100'000, 'x') + "'";
  const std::string asked = client::parse("long", text) + client::sync();
  a->client(asked, 10'000);
  EXPECT_EQ(a->bytes_to_server(), asked);
}

}  // namespace
}  // namespace sportello::proxy
