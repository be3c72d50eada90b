// What write_with_next() keeps back goes in front of whatever is written next, however that is written. What
// was not read is told of again.
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

  // One read of at most `most` bytes.
  void on_readable() override {
    told++;
    std::array<char, 4096> buffer;
    const auto result = transport->read(std::span(buffer).first(most));
    read_bytes.append(buffer.data(), result.bytes);
    ended = ended || result.status == Transport::ReadStatus::Eof;
    if (result.status == Transport::ReadStatus::Data && pauses) {
      transport->pause();
    }
    if (result.status == Transport::ReadStatus::Data && goes) {
      transport.reset();
    }
  }
  void on_drained() override {}

  void peer_sends(std::string_view bytes) const {
    EXPECT_EQ(send(peer, bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  }
  void turn(int times) {
    for (int i = 0; i < times; i++) {
      loop.turn(false);
    }
  }

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
  std::string read_bytes;
  size_t most = 4096;
  int told = 0;
  bool ended = false;
  bool pauses = false;  // after each read
  bool goes = false;    // likewise
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

TEST_F(TransportTest, AReadThatFilledItsBufferIsFollowedByAnother) {
  most = 4;
  peer_sends("0123456789");
  turn(5);
  EXPECT_EQ(read_bytes, "0123456789");
}

TEST_F(TransportTest, ASocketThatWasEmptiedIsLeftAlone) {
  peer_sends("0123456789");
  turn(5);
  EXPECT_EQ(told, 1);
  peer_sends("more");
  turn(5);
  EXPECT_EQ(read_bytes, "0123456789more");
  EXPECT_EQ(told, 2);
}

TEST_F(TransportTest, WhatCameWhilePausedIsReadAfterwards) {
  transport->pause();
  peer_sends("0123456789");
  turn(5);
  EXPECT_EQ(told, 0);
  transport->resume();
  turn(5);
  EXPECT_EQ(read_bytes, "0123456789");
}

TEST_F(TransportTest, WhatWasLeftWhenItPausedIsReadAfterwards) {
  most = 4;
  pauses = true;
  peer_sends("0123456789");
  for (int i = 0; i < 4; i++) {
    turn(3);
    EXPECT_EQ(told, std::min(i + 1, 3));
    transport->resume();
  }
  EXPECT_EQ(read_bytes, "0123456789");
}

TEST_F(TransportTest, WhatCameWhileHeldIsReadAfterwards) {
  transport->hold();
  peer_sends("0123456789");
  transport->resume();
  turn(5);
  EXPECT_EQ(told, 0);
  transport->release();
  turn(5);
  EXPECT_EQ(read_bytes, "0123456789");
}

TEST_F(TransportTest, TheEndIsToldBehindTheLastBytes) {
  peer_sends("goodbye");
  shutdown(peer, SHUT_WR);
  turn(5);
  EXPECT_EQ(read_bytes, "goodbye");
  EXPECT_TRUE(ended);
}

TEST_F(TransportTest, APausedOneHearsOfTheEnd) {
  transport->pause();
  shutdown(peer, SHUT_WR);
  turn(5);
  EXPECT_TRUE(ended);
}

TEST_F(TransportTest, OneThatIsGoneIsToldNothing) {
  most = 4;
  goes = true;
  peer_sends("0123456789");
  turn(5);
  EXPECT_EQ(told, 1);
}

TEST_F(TransportTest, WhatWasNotReadOnOneLoopIsReadOnTheNext) {
  EventLoop next;
  most = 4;
  peer_sends("0123456789");
  turn(1);
  transport->leave_loop();
  transport->enter_loop(next);
  for (int i = 0; i < 5; i++) {
    next.turn(false);
  }
  EXPECT_EQ(read_bytes, "0123456789");
  transport.reset();
}

}  // namespace
}  // namespace sportello::proxy
