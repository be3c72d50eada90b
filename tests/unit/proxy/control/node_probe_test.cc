// The probe against a socket of the test's own; the rounds of the loop are turned by hand.
#include "proxy/control/node_probe.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <optional>

#include "tests/support/listening_socket.h"

namespace sportello::proxy {
namespace {

using std::chrono::milliseconds;

class NodeProbeTest : public testing::Test {
 protected:
  NodeProbeTest() {
    target_.server.host = "127.0.0.1";
    target_.server.port = server_.port();
  }
  ~NodeProbeTest() override {
    if (accepted_ >= 0) {
      close(accepted_);
    }
  }

  void turn() { loop_.turn(false); }

  void ask(NodeProbe& probe, milliseconds deadline) {
    probe.ask(deadline, [this](const NodeReport& report) { report_ = report; });
  }

  // Until the probe's SSLRequest is there.
  void take_the_request() {
    turn();
    accepted_ = server_.accept_one();
    ASSERT_GE(accepted_, 0);
    char request[8];
    ssize_t got = 0;
    while (got < 8) {
      turn();
      const ssize_t more =
          recv(accepted_, request + got, sizeof request - static_cast<size_t>(got), MSG_DONTWAIT);
      got += more > 0 ? more : 0;
    }
  }

  EventLoop loop_;
  ListeningSocket server_;
  int accepted_ = -1;
  NodeProbe::Target target_;
  std::optional<NodeReport> report_;
};

TEST_F(NodeProbeTest, AnyByteIsAnAnswer) {
  NodeProbe probe(loop_, target_);
  ask(probe, std::chrono::seconds(20));
  take_the_request();
  EXPECT_FALSE(report_.has_value());
  ASSERT_EQ(send(accepted_, "N", 1, MSG_NOSIGNAL), 1);
  while (!report_) {
    turn();
  }
  EXPECT_TRUE(report_->answered);
}

TEST_F(NodeProbeTest, AnAnswerThatComesInTheRoundOfTheDeadlineComesTooLate) {
  NodeProbe probe(loop_, target_);
  constexpr milliseconds kDeadline(200);
  const TimePoint begun = Clock::now();
  ask(probe, kDeadline);
  take_the_request();
  ASSERT_EQ(send(accepted_, "N", 1, MSG_NOSIGNAL), 1);
  while (Clock::now() - begun <= kDeadline + milliseconds(10)) {
  }
  turn();  // the timer first, then the socket
  ASSERT_TRUE(report_.has_value());
  EXPECT_FALSE(report_->answered);
  EXPECT_FALSE(probe.is_busy());
  turn();
}

}  // namespace
}  // namespace sportello::proxy
