// What write_with_next() keeps back goes in front of whatever is written next, however that is written.
#include "proxy/net/transport.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>

namespace sportello::proxy {
namespace {

struct TransportTest : testing::Test, Transport::Handler {
  TransportTest() {
    std::array<int, 2> ends{};
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()), 0);
    peer = ends[0];
    transport = std::make_unique<Transport>(loop, ends[1], this);
    EXPECT_TRUE(transport->watch());
  }
  ~TransportTest() override {
    close(peer);
    transport.reset();
  }

  void on_readable() override {}
  void on_drained() override {}

  void write_with_next(std::string_view bytes) {
    box.own().append(bytes);
    transport->write_with_next(box);
    EXPECT_TRUE(box.empty());
  }

  // All that the peer has been sent.
  std::string received() {
    std::string all;
    std::array<char, 4096> some;
    for (ssize_t n = 0; (n = recv(peer, some.data(), some.size(), 0)) > 0;) {
      all.append(some.data(), static_cast<size_t>(n));
    }
    return all;
  }

  EventLoop loop;
  Outbox box;
  int peer = -1;
  std::unique_ptr<Transport> transport;
};

TEST_F(TransportTest, AFewBytesGoWithTheNextWrite) {
  write_with_next("first ");
  write_with_next("second ");
  EXPECT_EQ(received(), "");
  EXPECT_EQ(transport->unsent_bytes(), 0U);
  const std::string theirs = "third ";
  box.forward(theirs);
  box.own() = "fourth";
  transport->write(box);
  EXPECT_EQ(received(), "first second third fourth");
}

TEST_F(TransportTest, WhatIsKeptBackGoesOnce) {
  write_with_next("first ");
  transport->write("second ");
  transport->write("third");
  EXPECT_EQ(received(), "first second third");
}

TEST_F(TransportTest, NothingToWriteSendsNothing) {
  write_with_next("first ");
  transport->write(box);
  transport->write("");
  EXPECT_EQ(received(), "");
  transport->write("second");
  EXPECT_EQ(received(), "first second");
}

TEST_F(TransportTest, MoreThanAFewBytesGoAtOnceAndInOrder) {
  write_with_next("first ");
  write_with_next("second, too long to wait");
  EXPECT_EQ(received(), "first second, too long to wait");
}

TEST_F(TransportTest, WhatIsKeptBackGoesInFrontOfALargeWrite) {
  write_with_next("first ");
  const std::string large(16384, 'x');
  box.own() = "own ";
  box.forward(large);
  transport->write(box);
  EXPECT_EQ(received(), "first own " + large);
}

TEST_F(TransportTest, WhatIsKeptBackWaitsBehindWhatThePeerHasNotTaken) {
  const std::string large(4UL << 20, 'x');
  transport->write(large);
  ASSERT_GT(transport->unsent_bytes(), 0U);
  write_with_next("first ");
  transport->write("second");
  std::string all = received();
  while (transport->unsent_bytes() > 0) {
    loop.turn(true);
    all += received();
  }
  EXPECT_EQ(all, large + "first second");
}

}  // namespace
}  // namespace sportello::proxy
