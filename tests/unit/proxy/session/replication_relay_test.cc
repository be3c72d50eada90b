// Which message is under way on a replication connection, in whatever pieces its bytes come.
#include "proxy/session/replication_relay.h"

#include <gtest/gtest.h>

#include "tests/unit/proxy/support/messages.h"

namespace sportello::proxy {
namespace {

using Verdict = ReplicationRelay::Verdict;

std::string message(char type, std::string_view body = {}) {
  std::string bytes(1, type);
  for (int shift = 24; shift >= 0; shift -= 8) {
    bytes.push_back(static_cast<char>((body.size() + 4) >> static_cast<unsigned>(shift)));
  }
  return bytes.append(body);
}

const std::string kQuery = message('Q', std::string_view("IDENTIFY_SYSTEM\0", 16));
const std::string kReady = message('Z', "I");
const std::string kCopyBoth = message('W', std::string_view("\0\0\0", 3));
const std::string kData = message('d', "some of the write-ahead log");

struct Relay : ::testing::Test {
  ReplicationRelay relay{ReplicationKind::Physical, "walreceiver"};

  Verdict client(std::string_view bytes, size_t cut = SIZE_MAX) {
    Verdict last = Verdict::PassOn;
    for (; !bytes.empty() && last == Verdict::PassOn; bytes.remove_prefix(std::min(cut, bytes.size()))) {
      last = relay.on_client_bytes(bytes.substr(0, cut));
    }
    return last;
  }
  bool server(std::string_view bytes, size_t cut = SIZE_MAX) {
    bool fine = true;
    for (; !bytes.empty() && fine; bytes.remove_prefix(std::min(cut, bytes.size()))) {
      fine = relay.on_server_bytes(bytes.substr(0, cut));
    }
    return fine;
  }
};

TEST(Replication, ValuesAreReadAsPostgreSqlReadsThem) {
  for (const char* value : {"true", "TRUE", "t", "on", "yes", "y", "1"}) {
    EXPECT_EQ(parse_replication(value), ReplicationKind::Physical) << value;
  }
  for (const char* value : {"false", "F", "off", "of", "no", "0"}) {
    EXPECT_EQ(parse_replication(value), ReplicationKind::None) << value;
  }
  EXPECT_EQ(parse_replication("database"), ReplicationKind::Logical);
  for (const char* value : {"", "o", "DATABASE", "2", "truely", "01", "physical"}) {
    EXPECT_EQ(parse_replication(value), std::nullopt) << value;
  }
}

TEST_F(Relay, ACommandRunsUntilItsReadyForQuery) {
  EXPECT_FALSE(relay.runs_command());
  client(kQuery + kQuery);
  server(kReady);
  EXPECT_TRUE(relay.runs_command());
  server(kReady);
  EXPECT_FALSE(relay.runs_command());
}

TEST_F(Relay, AStreamIsNoCommandUntilTheServerEndsIt) {
  client(kQuery);
  server(kCopyBoth + kData);
  EXPECT_FALSE(relay.runs_command());
  client(kData);
  server(message('c'));
  EXPECT_TRUE(relay.runs_command()) << "what is left of START_REPLICATION ends by itself";
  server(kReady);
  EXPECT_FALSE(relay.runs_command());
}

TEST_F(Relay, EveryCutIsFollowedAlike) {
  const std::string asked = kQuery + kData + kData + message('c');
  const std::string answer = kCopyBoth + kData + kData;
  for (size_t cut = 1; cut <= asked.size(); cut++) {
    relay = ReplicationRelay(ReplicationKind::Logical, "");
    EXPECT_EQ(client(asked, cut), Verdict::PassOn) << cut;
    EXPECT_TRUE(server(answer, cut)) << cut;
    EXPECT_TRUE(relay.may_speak()) << cut;
    EXPECT_FALSE(relay.runs_command()) << cut;
    EXPECT_TRUE(server(message('C', std::string_view("COPY 0\0", 7)) + kReady, cut)) << cut;
    EXPECT_FALSE(relay.runs_command()) << cut;
  }
}

TEST_F(Relay, NothingOfOursMayBeSaidInTheMiddleOfAMessage) {
  const std::string stream = kCopyBoth + kData;
  for (size_t bytes = 0; bytes <= stream.size(); bytes++) {
    relay = ReplicationRelay(ReplicationKind::Logical, "");
    server(stream.substr(0, bytes));
    EXPECT_EQ(relay.may_speak(), bytes == 0 || bytes == kCopyBoth.size() || bytes == stream.size()) << bytes;
  }
}

TEST_F(Relay, TheClientsGoodbyeIsSeenAndNotWhatLooksLikeIt) {
  EXPECT_EQ(client(message('d', message('X'))), Verdict::PassOn);
  EXPECT_EQ(client(kData + message('X'), 1), Verdict::Terminate);
}

TEST_F(Relay, LengthsThatNoMessageHasAreViolations) {  // S09, S21
  for (const std::string_view length :
       {std::string_view("\0\0\0\0", 4), std::string_view("\0\0\0\3", 4), std::string_view("\x80\0\0\0", 4),
        std::string_view("\xff\xff\xff\xff", 4)}) {
    relay = ReplicationRelay(ReplicationKind::Logical, "");
    EXPECT_EQ(client("d" + std::string(length), 1), Verdict::Violation);
    EXPECT_FALSE(server("d" + std::string(length), 1));
  }
}

TEST_F(Relay, SoAreThoseOverTheConfiguredMost) {
  relay = ReplicationRelay(ReplicationKind::Logical, "", static_cast<uint32_t>(kData.size() - 1));
  EXPECT_EQ(client(kData), Verdict::PassOn);
  EXPECT_EQ(client(message('d', std::string(kData.size(), 'x'))), Verdict::Violation);
}

TEST_F(Relay, AServerThatEndsWithAnErrorHasSaidWhy) {
  server(kCopyBoth + message('E', std::string_view("SFATAL\0\0", 8)));
  EXPECT_TRUE(relay.ended_in_error());
  EXPECT_FALSE(relay.runs_command());
  server(kReady);
  EXPECT_FALSE(relay.ended_in_error());
}

}  // namespace
}  // namespace sportello::proxy
