// S21: what a server sends that it must not. The link is closed, and the client sees nothing of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/proxy/support/memory_link.h"
#include "tests/unit/proxy/support/messages.h"

namespace sportello::proxy {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::string begin_transaction() { return server::complete("BEGIN") + server::ready('T'); }

struct HostileServer : ::testing::Test {
  MemoryWorker worker;
  LinkState link = memory_link();
  MemorySession a{worker, &link};
};

TEST_F(HostileServer, AnswersThatNobodyAskedForBreakTheLink) {
  for (const std::string& message :
       {server::row("stray"), server::ready(), server::complete("SELECT 1"), server::parse_complete(),
        server::bind_complete(), server::close_complete(), server::copy_in(), server::copy_out(),
        server::copy_data("x"), server::function_result(), server::no_data(), server::error("XX000"),
        server::message('R', std::string(4, '\0')), server::message('K', std::string(8, '\0')),
        server::message('?', "")}) {
    LinkState its_link = memory_link();
    MemorySession b(worker, &its_link);
    b.client(client::query("BEGIN")).server(begin_transaction());
    b.to_client();
    b.server(message);
    EXPECT_TRUE(b.last_answer().broken) << message[0];
    EXPECT_FALSE(b.last_answer().free);
    EXPECT_EQ(b.last_answer().broken->sqlstate, sqlstate::kProtocolViolation);
    EXPECT_THAT(b.to_client(), IsEmpty()) << message[0];
  }
}

struct TurnCase {
  const char* what;
  std::string asked;
  std::string right;  // types that may come first
};

TEST_F(HostileServer, EveryMessageOutOfTurnBreaksTheLink) {
  const std::vector<TurnCase> cases = {
      {"Parse", client::parse("", "SELECT 1"), "1"},
      {"Bind", client::bind("", "none"), "2"},
      {"DescribeStatement", client::describe('S', "none"), "tTn"},
      {"DescribePortal", client::describe('P', ""), "Tn"},
      {"Execute", client::execute(), "DGHWdcCIs"},
      {"Close", client::close('P', ""), "3"},
      {"Sync", client::sync(), "Z"},
      {"Query", client::query("SELECT 1"), "TDGHWdcCIZ"},
      {"FunctionCall", client::function_call(952), "VZ"},
  };
  for (const TurnCase& turn : cases) {
    for (const char type : std::string("123CDEGHIKRSTVWZcdnstv?\xff")) {
      if (type == 'E' || type == 'S') {
        continue;  // may come at any time
      }
      LinkState its_link = memory_link();
      MemorySession b(worker, &its_link);
      b.client(client::query("BEGIN")).server(begin_transaction()).client(turn.asked);
      b.to_client();
      const std::string message = type == 'Z'   ? server::ready()
                                  : type == 'C' ? server::complete("X")
                                                : server::message(type, "");
      b.server(message);
      EXPECT_EQ(b.last_answer().broken != nullptr, turn.right.find(type) == std::string::npos)
          << turn.what << " " << type;
      if (b.last_answer().broken) {
        EXPECT_THAT(b.to_client(), IsEmpty()) << turn.what << " " << type;
      }
    }
  }
}

TEST_F(HostileServer, BadLengthsBreakTheLink) {
  for (const std::string& bytes :
       {std::string("D\0\0\0\0", 5), std::string("D\0\0\0\3", 5), std::string("D\x80\0\0\0", 5),
        std::string("D\xff\xff\xff\xff", 5), std::string("Z\0\0\0\4", 5), server::message('Z', "II"),
        server::message('Z', "x"), server::message('S', "no terminator"), std::string("E\x40\0\0\0", 5),
        std::string("Z\x40\0\0\0", 5)}) {
    LinkState its_link = memory_link();
    MemorySession b(worker, &its_link);
    b.client(client::query("SELECT 1")).server(bytes);
    EXPECT_TRUE(b.last_answer().broken);
    EXPECT_THAT(b.to_client(), IsEmpty());
  }
}

TEST_F(HostileServer, WhatCameBeforeTheFaultIsTheClients) {
  a.client(client::query("SELECT 1"));
  a.server(server::row_description() + server::row("1") + server::parse_complete() + server::row("2") +
           server::ready());
  EXPECT_TRUE(a.last_answer().broken);
  EXPECT_THAT(a.to_client(), ElementsAre("RowDescription", "DataRow (1)"));
}

TEST_F(HostileServer, ErrorsWithoutFieldsOrWithManyAreRelayed) {
  for (const std::string& body :
       {std::string(1, '\0'), std::string("SERROR\0", 7), std::string("CABC\0CXYZ\0CABC\0\0", 16)}) {
    LinkState its_link = memory_link();
    MemorySession b(worker, &its_link);
    const std::string error = server::message('E', body);
    b.client(client::query("SELECT 1")).server(error + server::ready());
    EXPECT_EQ(b.bytes_to_client(), error + server::ready());
    EXPECT_FALSE(b.holds_link());
  }
}

TEST_F(HostileServer, UnterminatedErrorsAndTagsBreakTheLink) {
  for (const std::string& message : {server::message('E', ""), server::message('E', "SERROR"),
                                     server::message('C', "SELECT 1"), server::message('C', "")}) {
    LinkState its_link = memory_link();
    MemorySession b(worker, &its_link);
    b.client(client::query("SELECT 1")).server(message);
    EXPECT_TRUE(b.last_answer().broken);
    EXPECT_THAT(b.to_client(), IsEmpty());
  }
}

TEST_F(HostileServer, TruncatedAnswersWaitForTheirRest) {
  const std::string answer = server::selected("1");
  for (size_t size = 0; size < answer.size(); size++) {
    LinkState its_link = memory_link();
    MemorySession b(worker, &its_link);
    b.client(client::query("SELECT 1"));
    if (size > 0) {
      b.server(answer.substr(0, size));
    }
    EXPECT_TRUE(b.holds_link()) << size;
    EXPECT_FALSE(b.last_answer().broken) << size;
    b.server(answer.substr(size));
    EXPECT_EQ(b.bytes_to_client(), answer) << size;
  }
}

TEST_F(HostileServer, AsynchronousMessagesOfAnIdleTransactionReachItsOwner) {  // S42
  a.client(client::query("BEGIN")).server(begin_transaction());
  a.to_client();
  a.server(server::notice("n") + server::notification("c", "p") +
           server::parameter("TimeZone", "Asia/Tokyo"));
  EXPECT_THAT(a.to_client(),
              ElementsAre("Notice 'n'", "Notification c 'p'", "ParameterStatus TimeZone 'Asia/Tokyo'"));
  EXPECT_TRUE(a.holds_link());
}

TEST_F(HostileServer, AnAnswerTooManyIsNotTheNextSessions) {
  a.client(client::query("SELECT 1")).server(server::selected("1") + server::row("canary"));
  EXPECT_TRUE(a.last_answer().broken);
  EXPECT_THAT(a.to_client(), ::testing::Not(::testing::Contains("DataRow (canary)")));
}

TEST(ClientSessionDeathTest, TakingALinkThatIsNotAtRestIsOurMistake) {
  MemoryWorker worker;
  LinkState link = memory_link();
  MemorySession a(worker);
  link.status = TransactionStatus::InBlock;
  Outbox out;
  EXPECT_DEATH(a.session().take_link(link, out), "at rest");
}

TEST(ClientSessionDeathTest, LeavingALinkThatIsNotHeldIsOurMistake) {
  MemoryWorker worker;
  MemorySession a(worker);
  EXPECT_DEATH(a.session().leave_link(), "held");
}

}  // namespace
}  // namespace sportello::proxy
