// Accepting: by several loops, many at once, and what the accepted sockets have inherited.
#include "proxy/net/listener.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <vector>

#include "proxy/net/socket_options.h"

namespace sportello::proxy {
namespace {

class ListenerTest : public ::testing::Test {
 protected:
  ListenerTest() {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address_;
    EXPECT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&address_), length), 0);
    EXPECT_EQ(listen(fd, 200), 0);
    EXPECT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&address_), &length), 0);
    socket_ = std::make_shared<ListenSocket>(fd, "");
  }
  ~ListenerTest() override {
    for (const int fd : accepted_) {
      close(fd);
    }
    for (const int fd : clients_) {
      close(fd);
    }
  }

  void connect_clients(int count) {
    for (int i = 0; i < count; i++) {
      clients_.push_back(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      ASSERT_EQ(connect(clients_.back(), reinterpret_cast<const sockaddr*>(&address_), sizeof address_), 0);
    }
  }
  std::unique_ptr<Listener> listener_on(EventLoop& loop) {
    auto listener = std::make_unique<Listener>(
        loop, socket_, [this](int fd, const ClientAddress&) { accepted_.push_back(fd); });
    listener->start();
    return listener;
  }
  int option_of_last(int level, int name) const {
    int value = -1;
    socklen_t size = sizeof value;
    EXPECT_EQ(getsockopt(accepted_.back(), level, name, &value, &size), 0);
    return value;
  }

  sockaddr_in address_{};
  std::shared_ptr<ListenSocket> socket_;
  std::vector<int> clients_;
  std::vector<int> accepted_;
};

TEST_F(ListenerTest, WhateverLoopIsFirstEveryClientIsAcceptedOnce) {
  EventLoop first;
  EventLoop second;
  const auto one = listener_on(first);
  const auto other = listener_on(second);
  connect_clients(3);
  for (int i = 0; i < 3; i++) {
    second.turn(false);
    first.turn(false);
  }
  EXPECT_EQ(accepted_.size(), 3U);
  other->stop();
  connect_clients(1);
  first.turn(false);
  second.turn(false);
  EXPECT_EQ(accepted_.size(), 4U);
}

TEST_F(ListenerTest, OfManyAtOnceMoreAreAcceptedInEveryRound) {
  EventLoop loop;
  const auto listener = listener_on(loop);
  connect_clients(100);
  loop.turn(false);
  EXPECT_EQ(accepted_.size(), 1U);
  for (int i = 0; i < 6; i++) {
    loop.turn(false);
  }
  EXPECT_EQ(accepted_.size(), 100U) << "1, 2, 4, ... a round";
}

TEST_F(ListenerTest, AcceptedSocketsHaveTheOptionsOfTheListeningOne) {
  EventLoop loop;
  const auto listener = listener_on(loop);
  connect_clients(1);
  loop.turn(true);
  const int usual_idle = option_of_last(IPPROTO_TCP, TCP_KEEPIDLE);
  EXPECT_EQ(option_of_last(IPPROTO_TCP, TCP_NODELAY), 0);

  apply_to_accepted(socket_->fd(), {.keepalive = true,
                                    .keepalive_count = 3,
                                    .keepalive_idle_s = 41,
                                    .keepalive_interval_s = 7,
                                    .user_timeout_ms = 9000});
  connect_clients(1);
  loop.turn(true);
  EXPECT_EQ(option_of_last(IPPROTO_TCP, TCP_NODELAY), 1);
  EXPECT_EQ(option_of_last(SOL_SOCKET, SO_KEEPALIVE), 1);
  EXPECT_EQ(option_of_last(IPPROTO_TCP, TCP_KEEPCNT), 3);
  EXPECT_EQ(option_of_last(IPPROTO_TCP, TCP_KEEPIDLE), 41);
  EXPECT_EQ(option_of_last(IPPROTO_TCP, TCP_KEEPINTVL), 7);
  EXPECT_EQ(option_of_last(IPPROTO_TCP, TCP_USER_TIMEOUT), 9000);

  apply_to_accepted(socket_->fd(), {.keepalive = false});
  connect_clients(1);
  loop.turn(true);
  EXPECT_EQ(option_of_last(IPPROTO_TCP, TCP_NODELAY), 1);
  EXPECT_EQ(option_of_last(SOL_SOCKET, SO_KEEPALIVE), 0);
  EXPECT_EQ(option_of_last(IPPROTO_TCP, TCP_KEEPIDLE), usual_idle) << "what was set before is taken back";
  EXPECT_EQ(option_of_last(IPPROTO_TCP, TCP_USER_TIMEOUT), 0);
}

}  // namespace
}  // namespace sportello::proxy
