#include "tests/portal/load/load_client.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <thread>

namespace sportello::portal {
namespace {

const PortalFacts kFacts{10, 500, 1000, 200, {{"Bari", 16.8719, 41.1171}}};
const std::vector<Request> kRequests = {{"one", {{"SELECT 1", {}}}},
                                        {"block", {{"BEGIN", {}}, {"SELECT 1/0", {}}, {"COMMIT", {}}}}};

std::string message(char type, const std::string& body) {
  const auto length = htonl(static_cast<uint32_t>(body.size() + 4));
  return std::string(1, type) + std::string(reinterpret_cast<const char*>(&length), 4) + body;
}

const std::string kAuthenticationOk = message('R', std::string(4, '\0'));
const std::string kReadyIdle = message('Z', "I");
const std::string kReadyInBlock = message('Z', "T");
const std::string kReadyFailed = message('Z', "E");
std::string error(const std::string& sqlstate, const std::string& text,
                  const std::string& severity = "ERROR") {
  return message(
      'E', "S" + severity + '\0' + "V" + severity + '\0' + "C" + sqlstate + '\0' + "M" + text + '\0' + '\0');
}
std::string complete(const std::string& tag) { return message('C', tag + '\0'); }

// Answers each message of one client with the next text of its script, then closes.
class ScriptedServer {
 public:
  explicit ScriptedServer(std::vector<std::string> script) : listener_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{AF_INET, 0, {htonl(INADDR_LOOPBACK)}, {}};
    socklen_t length = sizeof address;
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), length), 0);
    EXPECT_EQ(listen(listener_, 1), 0);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
    thread_ = std::jthread([this, script = std::move(script)] { play(script); });
  }
  ~ScriptedServer() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }

  std::string conninfo() const {
    return "host=127.0.0.1 port=" + std::to_string(port_) +
           " user=u dbname=d sslmode=disable gssencmode=disable";
  }
  // After the client is done: what it sent after its startup packet.
  std::string heard() {
    thread_.join();
    thread_ = std::jthread([] {});
    return heard_;
  }

 private:
  void play(const std::vector<std::string>& script) {
    const int peer = accept(listener_, nullptr, nullptr);
    char buffer[4096];
    for (const auto& answer : script) {
      const auto got = recv(peer, buffer, sizeof buffer, 0);
      if (got <= 0) break;
      heard_.append(buffer, static_cast<size_t>(got));
      EXPECT_EQ(send(peer, answer.data(), answer.size(), MSG_NOSIGNAL), static_cast<ssize_t>(answer.size()));
    }
    close(peer);
  }

  int listener_;
  uint16_t port_ = 0;
  std::string heard_;
  std::jthread thread_;
};

// Runs one request to its end; its failure, if it failed.
std::optional<Failure> outcome(ScriptedServer& server, size_t request) {
  Reactor reactor;
  const auto conninfo = server.conninfo();
  bool over = false;
  std::optional<Failure> result;
  ClientWorld world{reactor, conninfo, kRequests, true,
                    [&](uint32_t, size_t, Clock::time_point, std::optional<Failure> failure) {
                      over = true;
                      result = std::move(failure);
                    }};
  LoadClient client(world, 0, Protocol::Extended, kFacts, 1);
  client.begin(request, Clock::now());
  const auto deadline = Clock::now() + std::chrono::seconds{10};
  while (!over && Clock::now() < deadline) {
    reactor.turn(
        std::chrono::milliseconds{100}, [&](uint32_t) { client.ready(); },
        [](uint32_t, Clock::time_point) {});
  }
  EXPECT_TRUE(over);
  EXPECT_EQ(client.state(), LoadClient::State::Thinking);
  return result;
}

TEST(LoadClient, SucceedsWhenItsStatementIsAnswered) {
  ScriptedServer server({kAuthenticationOk + kReadyIdle, complete("SELECT 1") + kReadyIdle});
  EXPECT_FALSE(outcome(server, 0));
}

TEST(LoadClient, NamesTheServersOwnReasonWhenItIsRefused) {
  ScriptedServer server({error("53300", "sorry, too many clients already", "FATAL")});
  const auto failure = outcome(server, 0);
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->sqlstate, "53300");
}

TEST(LoadClient, RollsBackWhatFailedInATransaction) {
  ScriptedServer server({kAuthenticationOk + kReadyIdle, complete("BEGIN") + kReadyInBlock,
                         error("22012", "division by zero") + kReadyFailed,
                         complete("ROLLBACK") + kReadyIdle});
  const auto failure = outcome(server, 1);
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->sqlstate, "22012");
  EXPECT_EQ(failure->message, "division by zero");
  EXPECT_NE(server.heard().find("ROLLBACK"), std::string::npos);
}

TEST(LoadClient, FailsWhenTheConnectionIsLost) {
  ScriptedServer server({kAuthenticationOk + kReadyIdle, ""});
  const auto failure = outcome(server, 0);
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->sqlstate, "08006");
}

}  // namespace
}  // namespace sportello::portal
