// What a session refuses whatever it says: messages over max_packet_size, and Query under disable_pqexec; and
// how much of a long one it waits for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "protocol/frontend_messages.h"
#include "tests/unit/proxy/support/memory_link.h"
#include "tests/unit/proxy/support/messages.h"

namespace sportello::proxy {
namespace {

using ::testing::HasSubstr;

struct MessageLimits : ::testing::Test {
  MessageLimits() { worker.context.max_packet_size = 100; }

  MemoryWorker worker;
  LinkState link = memory_link();
  MemorySession a{worker, &link};
};

TEST_F(MessageLimits, AMessageOfTheLimitPasses) {
  const std::string query = client::query(std::string(95, ' '));
  ASSERT_EQ(query.size(), 101U) << "the length does not count the type";
  a.client(query);
  EXPECT_EQ(a.last_step().need, ClientStep::Need::Nothing);
  EXPECT_TRUE(a.holds_link());
}

TEST_F(MessageLimits, ALongerOneEndsTheConnectionAtItsHeader) {
  const std::string query = client::query(std::string(96, ' '));
  a.client(query.substr(0, 4));
  EXPECT_EQ(a.last_step().need, ClientStep::Need::Nothing);
  a.client(query.substr(4, 1));
  EXPECT_EQ(a.last_step().need, ClientStep::Need::Close);
  EXPECT_EQ(a.last_step().reason, CloseReason::ProtocolViolation);
  EXPECT_THAT(*a.last_step().detail, HasSubstr("max_packet_size"));
}

TEST_F(MessageLimits, TheFrontOfALongMessageTakesNoServer) {
  worker.context.max_packet_size = 1 << 20;
  worker.context.inspect_max = 256;
  const std::string parse = client::parse("s", std::string(1000, ' '));
  a.client(parse.substr(0, 7));
  EXPECT_EQ(a.last_step().need, ClientStep::Need::Nothing);
  EXPECT_FALSE(a.holds_link());
  a.client(parse.substr(7));
  EXPECT_TRUE(a.holds_link());
}

TEST_F(MessageLimits, ALongerRowBreaksTheServerConnection) {
  a.client(client::query("SELECT 1"));
  a.server(server::selected(std::string(200, 'x')));
  EXPECT_TRUE(a.last_answer().broken);
  EXPECT_THAT(a.last_answer().broken->message, HasSubstr("max_packet_size"));
}

TEST_F(MessageLimits, DisablePqexecTakesTheExtendedProtocolOnly) {
  worker.context.simple_query_disabled = true;
  a.client(client::sync());
  EXPECT_EQ(a.last_step().need, ClientStep::Need::Nothing);
  a.client(client::query("SELECT 1"));
  EXPECT_EQ(a.last_step().need, ClientStep::Need::Close);
  EXPECT_EQ(*a.last_step().detail, "PQexec disallowed");
}

}  // namespace
}  // namespace sportello::proxy
