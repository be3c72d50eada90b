#include "protocol/startup_messages.h"

#include <gtest/gtest.h>

#include "protocol/sqlstate.h"
#include "protocol/wire.h"
#include "tests/unit/protocol/pieces.h"

namespace sportello {
namespace {

std::string packet(uint32_t code, std::string_view rest = {}) {
  std::string out;
  WireWriter(out).begin_untyped().u32(code).bytes(rest).end();
  return out;
}

std::string startup(const std::vector<std::pair<std::string, std::string>>& parameters,
                    uint32_t protocol = kProtocol30) {
  std::string out;
  append_startup_message(out, protocol, parameters);
  return out;
}

TEST(StartupMessages, AreDecodedInAnyCutAndNeverTooEarly) {
  const std::vector<std::string> packets = {startup({{"user", "bob"}, {"database", "db"}, {"_pq_.x", "1"}}),
                                            packet(kSslRequestCode), packet(kGssEncRequestCode),
                                            packet(kCancelRequestCode, "pid!secret"),
                                            packet(kCancelRequestCode, "pid!" + std::string(256, 'k'))};
  for (const std::string& bytes : packets) {
    for_all_cuts(bytes + "more", [&](const std::vector<std::string>& pieces) {
      std::string pending;
      bool done = false;
      for (const std::string& piece : pieces) {
        pending += piece;
        const StartupDecoded decoded = decode_startup_packet(pending);
        done = decoded.status == StartupStatus::Done;
        ASSERT_EQ(done, pending.size() >= bytes.size());
        ASSERT_NE(decoded.status, StartupStatus::Malformed) << decoded.error.message;
        if (done) {
          EXPECT_EQ(decoded.taken_bytes, bytes.size());
        }
      }
      EXPECT_TRUE(done);
    });
  }
}

TEST(StartupMessages, ParametersKeepTheirOrderAndTheLastOfANameCounts) {
  const auto decoded = decode_startup_packet(startup({{"user", "bob"}, {"a", "1"}, {"user", "alice"}}));
  const auto& message = std::get<StartupMessage>(decoded.packet);
  EXPECT_EQ(message.parameters.size(), 3U);
  EXPECT_EQ(message.parameter("user"), "alice");
  EXPECT_EQ(message.parameter("b"), "");
}

TEST(StartupMessages, ProtocolOptionsAreKeptApart) {  // S15
  const auto decoded = decode_startup_packet(startup({{"user", "bob"}, {"_pq_.x", "1"}}, kProtocol32));
  const auto& message = std::get<StartupMessage>(decoded.packet);
  EXPECT_EQ(message.protocol, kProtocol32);
  EXPECT_EQ(message.protocol_options, std::vector<std::string>{"_pq_.x"});
  EXPECT_EQ(message.parameters.size(), 1U);
}

TEST(StartupMessages, NewerMinorVersionsDecode) {
  EXPECT_EQ(decode_startup_packet(startup({}, (3U << 16) | 9999U)).status, StartupStatus::Done);
}

TEST(StartupMessages, OtherMajorVersionsAreRefused) {  // S15
  for (const uint32_t protocol : {0U, 2U << 16, 4U << 16, 0xffffffffU}) {
    const auto decoded = decode_startup_packet(packet(protocol));
    EXPECT_EQ(decoded.status, StartupStatus::Malformed);
    EXPECT_EQ(decoded.error.sqlstate, sqlstate::kFeatureNotSupported);
  }
}

TEST(StartupMessages, BadLengthsAreRefusedBeforeTheirBodyComes) {  // S09
  for (const uint32_t length :
       {0U, 1U, 4U, 7U, 10'001U, 10'000'000U, 0x7fffffffU, 0x80000000U, 0xffffffffU}) {
    std::string bytes(4, '\0');
    store_be32(bytes.data(), length);
    const auto decoded = decode_startup_packet(bytes);
    EXPECT_EQ(decoded.status, StartupStatus::Malformed) << length;
    EXPECT_EQ(decoded.error.sqlstate, "") << length;  // nobody is told, as PostgreSQL tells nobody
    EXPECT_EQ(decoded.error.message, "invalid length of startup packet") << length;
  }
}

TEST(StartupMessages, RequestsOfAnotherLengthAreRefused) {
  EXPECT_EQ(decode_startup_packet(packet(kSslRequestCode, "x")).status, StartupStatus::Malformed);
  EXPECT_EQ(decode_startup_packet(packet(kGssEncRequestCode, "x")).status, StartupStatus::Malformed);
  EXPECT_EQ(decode_startup_packet(packet(kCancelRequestCode, "pidkey")).status, StartupStatus::Malformed);
  EXPECT_EQ(decode_startup_packet(packet(kCancelRequestCode, std::string(4 + 257, 'k'))).status,
            StartupStatus::Malformed);
}

TEST(StartupMessages, CancelRequestHasItsKey) {
  const std::string bytes = packet(kCancelRequestCode, std::string("\0\0\0\7secret", 10));
  const auto decoded = decode_startup_packet(bytes);
  const auto& cancel = std::get<CancelRequest>(decoded.packet);
  EXPECT_EQ(cancel.process_id, 7U);
  EXPECT_EQ(cancel.secret_key, "secret");
  std::string out;
  append_cancel_request(out, 7, "secret");
  EXPECT_EQ(out, bytes);
}

TEST(StartupMessages, LayoutsWithoutTheirTerminatorsAreRefused) {  // S10
  for (const std::string_view rest :
       {std::string_view(), std::string_view("user"), std::string_view("user\0", 5),
        std::string_view("user\0bob", 8), std::string_view("user\0bob\0", 9),
        std::string_view("\0trailing", 9), std::string_view("user\0bob\0\0\0", 11)}) {
    EXPECT_EQ(decode_startup_packet(packet(kProtocol30, rest)).status, StartupStatus::Malformed) << rest;
  }
}

TEST(StartupMessages, LongestOneIsTaken) {
  const std::string longest = startup({{"user", std::string(kMaxStartupBytes - 8 - 5 - 1 - 1, 'u')}});
  ASSERT_EQ(longest.size(), kMaxStartupBytes);
  EXPECT_EQ(decode_startup_packet(longest).status, StartupStatus::Done);
}

TEST(StartupMessages, SslRequestIsMade) {
  std::string out;
  append_ssl_request(out);
  EXPECT_EQ(out, packet(kSslRequestCode));
}

}  // namespace
}  // namespace sportello
