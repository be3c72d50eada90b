// COPY in both directions and both protocols, and CopyData where none belongs (owed_answer.h, 3).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/proxy/support/memory_link.h"
#include "tests/unit/proxy/support/messages.h"

namespace sportello::proxy {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct Copy : ::testing::Test {
  MemoryWorker worker;
  LinkState link = memory_link();
  MemorySession a{worker, &link};
};

TEST_F(Copy, InEndsWithCopyDone) {
  a.client(client::query("COPY t FROM STDIN")).server(server::copy_in());
  EXPECT_TRUE(link.copy_in);
  a.client(client::copy_data("1\n") + client::copy_data("2\n") + client::copy_done(), 1);
  EXPECT_THAT(a.to_server(),
              ElementsAre("Query 'COPY t FROM STDIN'", "CopyData '1\n'", "CopyData '2\n'", "CopyDone"));
  a.server(server::complete("COPY 2") + server::ready());
  EXPECT_FALSE(a.holds_link());
}

TEST_F(Copy, InEndsWithCopyFail) {
  a.client(client::query("COPY t FROM STDIN")).server(server::copy_in());
  a.client(client::copy_data("1\n") + client::copy_fail("changed my mind"));
  a.server(server::error("57014") + server::ready());
  EXPECT_FALSE(a.holds_link());
  EXPECT_FALSE(link.copy_in);
}

TEST_F(Copy, InFailsOnTheServerAndTheRestOfTheDataIsIgnored) {
  a.client(client::query("COPY t FROM STDIN")).server(server::copy_in());
  a.client(client::copy_data("bad\n")).server(server::error("22P02") + server::ready());
  EXPECT_FALSE(a.holds_link());
  a.to_server();
  a.client(client::copy_data("2\n") + client::copy_done());
  EXPECT_EQ(a.untaken(), 0U);
  EXPECT_THAT(a.to_server(), IsEmpty()) << "nobody else's server gets it";
  a.client(client::query("SELECT 1")).server(server::selected("1"));
  EXPECT_FALSE(a.holds_link());
}

TEST_F(Copy, InMaySendItsDataBeforeTheServerAsks) {
  a.client(client::query("COPY t FROM STDIN") + client::copy_data("1\n") + client::copy_done());
  a.server(server::copy_in() + server::complete("COPY 1") + server::ready(), 1);
  EXPECT_FALSE(a.holds_link());
  EXPECT_FALSE(link.copy_in);
}

TEST_F(Copy, InSentAheadOfAFailureOwesNothing) {
  a.client(client::query("COPY nothing FROM STDIN") + client::copy_data("1\n") + client::copy_done());
  a.server(server::error("42P01") + server::ready());
  EXPECT_FALSE(a.holds_link());
  EXPECT_TRUE(link.owed.empty());
}

TEST_F(Copy, OutIsForwardedInAnyCut) {
  const std::string answer = server::copy_out() + server::copy_data("1\n") +
                             server::copy_data(std::string(1000, 'x')) + server::copy_done() +
                             server::complete("COPY 2") + server::ready();
  for (size_t cut : {1UL, 2UL, 5UL, 6UL, 7UL, 100UL, 5000UL}) {
    a.client(client::query("COPY t TO STDOUT")).server(answer, cut);
    EXPECT_EQ(a.bytes_to_client(), answer) << cut;
    EXPECT_FALSE(a.holds_link()) << cut;
  }
}

TEST_F(Copy, InByTheExtendedProtocolSwallowsTheSyncThatItReads) {
  a.client(client::unnamed("COPY t FROM STDIN") + client::sync());
  a.server(server::parse_complete() + server::bind_complete() + server::copy_in());
  a.client(client::copy_data("1\n") + client::copy_done() + client::sync());
  a.server(server::complete("COPY 1"));
  EXPECT_TRUE(a.holds_link());
  a.server(server::ready());
  EXPECT_FALSE(a.holds_link()) << "one ReadyForQuery, for the second Sync";
  EXPECT_EQ(a.commands(), 1U);
}

TEST_F(Copy, InByTheExtendedProtocolSentAllAhead) {
  a.client(client::unnamed("COPY t FROM STDIN") + client::copy_data("1\n") + client::copy_done() +
           client::sync());
  a.server(server::parse_complete() + server::bind_complete() + server::copy_in() +
               server::complete("COPY 1") + server::ready(),
           1);
  EXPECT_FALSE(a.holds_link());
}

TEST_F(Copy, InByTheExtendedProtocolSyncWithinItsDataOwesNothing) {
  a.client(client::unnamed("COPY t FROM STDIN"));
  a.server(server::parse_complete() + server::bind_complete() + server::copy_in());
  a.client(client::copy_data("1\n") + client::sync() + client::flush() + client::copy_data("2\n") +
           client::copy_done() + client::sync());
  a.server(server::complete("COPY 2") + server::ready());
  EXPECT_FALSE(a.holds_link());
}

TEST_F(Copy, InByTheExtendedProtocolFailsAndSkipsToSync) {
  a.client(client::unnamed("COPY t FROM STDIN") + client::sync());
  a.server(server::parse_complete() + server::bind_complete() + server::copy_in());
  a.client(client::copy_data("bad\n")).server(server::error("22P02"));
  EXPECT_TRUE(a.holds_link());
  a.client(client::copy_data("2\n") + client::copy_done() + client::sync()).server(server::ready());
  EXPECT_FALSE(a.holds_link());
  EXPECT_THAT(a.to_client(), ElementsAre("ParseComplete", "BindComplete", "CopyInResponse",
                                         "ERROR 22P02 'no'", "ReadyForQuery I"));
}

TEST_F(Copy, StrayCopyDataIsIgnored) {
  a.client(client::copy_data("x") + client::copy_done() + client::copy_fail("y"));
  EXPECT_EQ(a.untaken(), 0U);
  EXPECT_FALSE(a.holds_link());
  EXPECT_THAT(a.to_server(), IsEmpty());
  EXPECT_THAT(a.to_client(), IsEmpty());
}

TEST_F(Copy, StrayCopyDataInATransactionIsIgnored) {
  a.client(client::query("BEGIN")).server(server::complete("BEGIN") + server::ready('T'));
  a.to_server();
  a.client(client::copy_data("x") + client::copy_done());
  EXPECT_THAT(a.to_server(), IsEmpty());
  a.client(client::query("COMMIT")).server(server::complete("COMMIT") + server::ready());
  EXPECT_FALSE(a.holds_link());
}

TEST_F(Copy, AQueryInsteadOfDataEndsItWithOneReadyForQuery) {
  a.client(client::query("COPY t FROM STDIN")).server(server::copy_in());
  a.client(client::query("SELECT 1"));
  a.server(server::error("08P01", "unexpected message type 0x51 during COPY from stdin") + server::ready());
  EXPECT_FALSE(a.holds_link()) << "nothing more is coming";
}

TEST_F(Copy, AQuerySentAheadInsteadOfDataEndsItWithOneReadyForQuery) {
  a.client(client::query("COPY t FROM STDIN") + client::query("SELECT 1"));
  a.server(server::copy_in());
  a.server(server::error("08P01", "unexpected message type 0x51 during COPY from stdin") + server::ready());
  EXPECT_FALSE(a.holds_link()) << "nothing more is coming";
}

TEST_F(Copy, ALongQueryInsteadOfDataEndsItWithOneReadyForQuery) {
  worker.context.inspect_max = 64;
  a.client(client::query("COPY t FROM STDIN")).server(server::copy_in());
  a.client(client::query("SELECT '" + std::string(300, 'x') + "'"));
  a.server(server::error("08P01") + server::ready());
  EXPECT_TRUE(link.owed.empty()) << "nothing more is coming";
}

TEST_F(Copy, LongDataStreams) {
  const std::string data = client::copy_data(std::string(100'000, 'd'));
  a.client(client::query("COPY t FROM STDIN")).server(server::copy_in());
  a.bytes_to_server();
  a.client(data.substr(0, 1000));
  EXPECT_EQ(a.bytes_to_server().size(), 1000U);
  a.client(data.substr(1000), 333);
  EXPECT_EQ(a.bytes_to_server().size(), data.size() - 1000);
}

}  // namespace
}  // namespace sportello::proxy
