// Where a client comes from, in as few bytes as an idle session should cost.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <string>

namespace sportello::proxy {

struct ClientAddress {
  bool is_local = false;  // a Unix socket
  uint16_t port = 0;
  std::array<uint8_t, 16> address{};  // IPv6, or IPv4 as ::ffff:a.b.c.d
  uint32_t peer_uid = 0;              // of a Unix socket's client

  bool is_v4() const;
  // "10.0.0.1", "::1" or "unix".
  std::string host() const;
  // "10.0.0.1:5678".
  std::string to_string() const;

  static ClientAddress of(int fd, const sockaddr_storage& peer);
};

}  // namespace sportello::proxy
