#include "conf/endpoint.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

namespace sportello::conf {

namespace {

constexpr std::string_view kExpected = "an address and a port are expected, such as \"127.0.0.1:9127\"";
constexpr size_t kLongestName = 253;  // RFC 1035, 2.3.4, as text

bool is_ipv6(const std::string& text) {
  in6_addr address{};
  return inet_pton(AF_INET6, text.c_str(), &address) == 1;
}

// Numbers and dots alone are an IPv4 address, or a mistake in one.
bool is_broken_ipv4(const std::string& text) {
  in_addr address{};
  return text.find_first_not_of("0123456789.") == std::string::npos &&
         inet_pton(AF_INET, text.c_str(), &address) != 1;
}

bool is_name(std::string_view text) {
  const auto is_good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_';
  };
  return !text.empty() && text.size() <= kLongestName && std::all_of(text.begin(), text.end(), is_good);
}

std::optional<uint16_t> parse_port(std::string_view text) {
  uint16_t port = 0;
  const auto [stopped, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || stopped != text.data() + text.size() || port == 0) return std::nullopt;
  return port;
}

// Fills `endpoint`, or says what is wrong.
std::string read(std::string_view text, Endpoint& endpoint) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return std::string(kExpected);
  const auto port = parse_port(text.substr(colon + 1));
  if (!port) return std::string(kExpected) + ", and a port is a number from 1 to 65535";
  endpoint.port = *port;
  endpoint.host = text.substr(0, colon);
  if (endpoint.host == "*") return "";
  if (endpoint.host.starts_with('[') && endpoint.host.ends_with(']')) {
    endpoint.host = endpoint.host.substr(1, endpoint.host.size() - 2);
    return is_ipv6(endpoint.host) ? "" : "\"" + endpoint.host + "\" is not an IPv6 address";
  }
  if (is_ipv6(endpoint.host) || is_ipv6(std::string(text)))
    return "an IPv6 address stands in brackets, such as \"[::1]:9127\"";
  if (is_broken_ipv4(endpoint.host)) return "\"" + endpoint.host + "\" is not an IPv4 address";
  if (!is_name(endpoint.host)) return std::string(kExpected);
  return "";
}

}  // namespace

std::optional<Endpoint> parse_endpoint(std::string_view text) {
  Endpoint endpoint;
  if (!read(text, endpoint).empty()) return std::nullopt;
  return endpoint;
}

std::string endpoint_problem(std::string_view text) {
  Endpoint endpoint;
  return read(text, endpoint);
}

}  // namespace sportello::conf
