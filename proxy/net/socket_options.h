// What TCP is told of a connection: tcp_keepalive and its like, and never to wait for more to send.
#pragma once

namespace sportello::proxy {

// 0: what the system has.
struct SocketOptions {
  bool keepalive = true;
  int keepalive_count = 0;
  int keepalive_idle_s = 0;
  int keepalive_interval_s = 0;
  int user_timeout_ms = 0;
};

// For a socket that was just made. One that is not TCP's stays as it is.
void apply_socket_options(int fd, const SocketOptions& options);

// For a listening socket, as often as the options change: Linux gives them to each connection that is
// accepted there from then on, which saves that connection's own system calls.
void apply_to_accepted(int listening_fd, const SocketOptions& options);

}  // namespace sportello::proxy
