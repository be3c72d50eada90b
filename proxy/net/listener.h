// The listening sockets: made (or taken over from systemd), and the accepting. A listener that cannot accept
// because descriptors have run out pauses for a moment instead of spinning.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "conf/config.h"
#include "protocol/result.h"
#include "proxy/client_address.h"
#include "proxy/net/event_loop.h"

namespace sportello::proxy {

// A bound and listening socket; closed, and a Unix socket's path removed, with its owner.
class ListenSocket {
 public:
  ListenSocket(int fd, std::string unix_path) : fd_(fd), unix_path_(std::move(unix_path)) {}
  ListenSocket(ListenSocket&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), unix_path_(std::move(other.unix_path_)) {}
  ListenSocket& operator=(ListenSocket&&) = delete;
  ~ListenSocket();

  int fd() const { return fd_; }

 private:
  int fd_;
  std::string unix_path_;
};

// Every socket that the configuration asks for, or why one cannot be had. Sockets that systemd passed are
// taken instead of the configured ones (sd_listen_fds(3)).
Result<std::vector<ListenSocket>> make_listen_sockets(const conf::Config& conf);
// Those of http_listen; none if it is empty.
Result<std::vector<ListenSocket>> make_http_sockets(const conf::Config& conf);

// One loop's eye on a listening socket. Several loops may have one each: the kernel wakes one of them.
class Listener final : private SocketWatch::Owner {
 public:
  using Accepted = std::function<void(int fd, const ClientAddress& address)>;

  Listener(EventLoop& loop, std::shared_ptr<const ListenSocket> socket, Accepted accepted);

  void start();
  void stop();
  // Those for whom the kernel has connected, and whom it would reset when the socket is closed.
  void accept_rest();

 private:
  void on_socket(uint32_t events) override;
  // False: nobody is left, or nobody can be taken now.
  bool accept_one();
  void pause();

  EventLoop* loop_;
  std::shared_ptr<const ListenSocket> socket_;
  Accepted accepted_;
  SocketWatch watch_;
  UvHandle<uv_timer_t> resume_;
  int most_ = 1;                     // how many are accepted the next time
  uint64_t round_ = UINT64_MAX - 1;  // of the loop, when some were accepted; at first, long ago
};

}  // namespace sportello::proxy
