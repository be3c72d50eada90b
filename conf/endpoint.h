// "address:port", of http_listen: "127.0.0.1:9127", "[::1]:9127", "localhost:9127", "*:9127" for all
// addresses. The port is never left out; an IPv6 address stands in brackets, as in a URL.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sportello::conf {

struct Endpoint {
  std::string host;  // without brackets; "*": all addresses
  uint16_t port = 0;
};

// Empty: it is not one; endpoint_problem() says why.
std::optional<Endpoint> parse_endpoint(std::string_view text);
// Empty: it is one.
std::string endpoint_problem(std::string_view text);

}  // namespace sportello::conf
