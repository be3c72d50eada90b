#include "proxy/net/socket_options.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace sportello::proxy {
namespace {

void set_option(int fd, int level, int name, int value) { setsockopt(fd, level, name, &value, sizeof value); }

void set_if_given(int fd, int level, int name, int value) {
  if (value > 0) {
    set_option(fd, level, name, value);
  }
}

}  // namespace

void apply_socket_options(int fd, const SocketOptions& options) {
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  if (options.keepalive) {
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_if_given(fd, IPPROTO_TCP, TCP_KEEPCNT, options.keepalive_count);
    set_if_given(fd, IPPROTO_TCP, TCP_KEEPIDLE, options.keepalive_idle_s);
    set_if_given(fd, IPPROTO_TCP, TCP_KEEPINTVL, options.keepalive_interval_s);
  }
  set_if_given(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, options.user_timeout_ms);
}

void apply_to_accepted(int listening_fd, const SocketOptions& options) {
  // A new socket has what the system has, which is how what was set before is taken back.
  const int fresh = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fresh < 0) {
    return;
  }
  apply_socket_options(fresh, options);
  const struct {
    int level;
    int name;
  } all[] = {{IPPROTO_TCP, TCP_NODELAY},  {SOL_SOCKET, SO_KEEPALIVE},   {IPPROTO_TCP, TCP_KEEPCNT},
             {IPPROTO_TCP, TCP_KEEPIDLE}, {IPPROTO_TCP, TCP_KEEPINTVL}, {IPPROTO_TCP, TCP_USER_TIMEOUT}};
  for (const auto& option : all) {
    int value = 0;
    socklen_t size = sizeof value;
    if (getsockopt(fresh, option.level, option.name, &value, &size) == 0) {
      set_option(listening_fd, option.level, option.name, value);
    }
  }
  close(fresh);
}

}  // namespace sportello::proxy
