#include "conf/endpoint.h"

#include <gtest/gtest.h>

namespace sportello::conf {
namespace {

TEST(Endpoint, IsAnAddressAndAPort) {
  const struct {
    const char* text;
    const char* host;
    uint16_t port;
  } kCases[] = {
      {"127.0.0.1:9127", "127.0.0.1", 9127},
      {"[::1]:1", "::1", 1},
      {"localhost:65535", "localhost", 65535},
      {"*:80", "*", 80},
      {"metrics.example.com:9127", "metrics.example.com", 9127},
  };
  for (const auto& [text, host, port] : kCases) {
    const auto endpoint = parse_endpoint(text);
    ASSERT_TRUE(endpoint) << text;
    EXPECT_EQ(endpoint->host, host);
    EXPECT_EQ(endpoint->port, port);
    EXPECT_EQ(endpoint_problem(text), "");
  }
}

TEST(Endpoint, SaysWhatIsWrongWithAnythingElse) {
  const std::pair<const char*, const char*> kCases[] = {
      {"", "an address and a port"},
      {"9127", "an address and a port"},
      {":9127", "an address and a port"},
      {"127.0.0.1", "an address and a port"},
      {"127.0.0.1:", "from 1 to 65535"},
      {"127.0.0.1:0", "from 1 to 65535"},
      {"127.0.0.1:65536", "from 1 to 65535"},
      {"127.0.0.1:-1", "from 1 to 65535"},
      {"127.0.0.1:80 ", "from 1 to 65535"},
      {"127.0.0.1:http", "from 1 to 65535"},
      {"256.0.0.1:80", "not an IPv4 address"},
      {"1.2.3:80", "not an IPv4 address"},
      {"::1:9127", "in brackets"},
      {"fe80::1:80", "in brackets"},
      {"[::g]:80", "not an IPv6 address"},
      {"[localhost]:80", "not an IPv6 address"},
      {"http://localhost:80", "an address and a port"},
      {"local host:80", "an address and a port"},
      {"127.0.0.1:80,127.0.0.2:80", "an address and a port"},
  };
  for (const auto& [text, expected] : kCases) {
    EXPECT_NE(endpoint_problem(text).find(expected), std::string::npos)
        << text << ": " << endpoint_problem(text);
    EXPECT_FALSE(parse_endpoint(text)) << text;
  }
}

}  // namespace
}  // namespace sportello::conf
