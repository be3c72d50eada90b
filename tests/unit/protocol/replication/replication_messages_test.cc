#include "protocol/replication/replication_messages.h"

#include <gtest/gtest.h>

#include "tests/unit/protocol/replication/log_messages.h"

namespace sportello::replication {
namespace {

TEST(ReplicationMessages, APieceOfTheLogHoldsWhatThePluginWrote) {
  const std::string bytes = xlog_data(0x1'0000'0010, "hello");
  const Result<StreamMessage> message = decode_stream_message(bytes);
  ASSERT_TRUE(message.ok());
  const auto& piece = std::get<XLogData>(*message);
  EXPECT_EQ(piece.start, Lsn{0x1'0000'0010});
  EXPECT_EQ(piece.data, "hello");
}

TEST(ReplicationMessages, AKeepaliveSaysHowFarAndWhetherToReply) {
  for (const bool wants_reply : {false, true}) {
    const std::string bytes = keepalive(0x2'0000'0000, wants_reply);
    const Result<StreamMessage> message = decode_stream_message(bytes);
    ASSERT_TRUE(message.ok());
    EXPECT_EQ(std::get<Keepalive>(*message).end, Lsn{0x2'0000'0000});
    EXPECT_EQ(std::get<Keepalive>(*message).wants_reply, wants_reply);
  }
}

TEST(ReplicationMessages, EveryTruncationIsAnError) {
  const std::string sign = keepalive(1, true);
  for (size_t size = 0; size < sign.size(); ++size) {
    EXPECT_FALSE(decode_stream_message(sign.substr(0, size)).ok()) << size;
  }
  const std::string piece = xlog_data(1, "");
  for (size_t size = 0; size < piece.size(); ++size) {
    EXPECT_FALSE(decode_stream_message(piece.substr(0, size)).ok()) << size;
  }
  EXPECT_TRUE(decode_stream_message(piece).ok());
  EXPECT_FALSE(decode_stream_message(sign + '\0').ok());
}

TEST(ReplicationMessages, AnUnknownTypeIsAnError) { EXPECT_FALSE(decode_stream_message("x").ok()); }

TEST(ReplicationMessages, TheStatusSaysOnePositionThreeTimes) {
  const std::string status =
      encode_standby_status({.flushed = {0x0102030405060708}, .sent_at = 5, .wants_reply = true});
  const std::string position("\x01\x02\x03\x04\x05\x06\x07\x08", 8);
  EXPECT_EQ(status, "r" + position + position + position + std::string("\0\0\0\0\0\0\0\x05\x01", 9));
}

}  // namespace
}  // namespace sportello::replication
