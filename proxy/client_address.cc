#include "proxy/client_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>

namespace sportello::proxy {
namespace {

constexpr std::array<uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

}  // namespace

bool ClientAddress::is_v4() const {
  return std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), address.begin());
}

std::string ClientAddress::host() const {
  if (is_local) {
    return "unix";
  }
  std::array<char, INET6_ADDRSTRLEN> text{};
  const bool mapped = is_v4();
  inet_ntop(mapped ? AF_INET : AF_INET6, address.data() + (mapped ? kMappedPrefix.size() : 0), text.data(),
            text.size());
  return text.data();
}

std::string ClientAddress::to_string() const {
  return is_local ? host() : host() + ":" + std::to_string(port);
}

ClientAddress ClientAddress::of(int fd, const sockaddr_storage& peer) {
  ClientAddress address;
  if (peer.ss_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, &peer, sizeof in);
    std::copy(kMappedPrefix.begin(), kMappedPrefix.end(), address.address.begin());
    std::memcpy(address.address.data() + kMappedPrefix.size(), &in.sin_addr, sizeof in.sin_addr);
    address.port = ntohs(in.sin_port);
  } else if (peer.ss_family == AF_INET6) {
    sockaddr_in6 in{};
    std::memcpy(&in, &peer, sizeof in);
    std::memcpy(address.address.data(), &in.sin6_addr, sizeof in.sin6_addr);
    address.port = ntohs(in.sin6_port);
  } else {
    address.is_local = true;
    ucred credentials{};
    socklen_t size = sizeof credentials;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0) {
      address.peer_uid = credentials.uid;
    }
  }
  return address;
}

}  // namespace sportello::proxy
