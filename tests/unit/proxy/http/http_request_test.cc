#include "proxy/http/http_request.h"

#include <gtest/gtest.h>

namespace sportello::proxy {
namespace {

const OwnNames kLocal{.listen_host = "127.0.0.1", .machine_name = "notary7"};

HttpVerdict judged(std::string_view host, const OwnNames& names = kLocal,
                   std::string_view reached_at = "127.0.0.1") {
  return judge(
      {.method = "GET", .path = "/metrics", .version = "HTTP/1.1", .hosts = {host}, .reached_at = reached_at},
      names);
}

bool taken(std::string_view host, const OwnNames& names = kLocal, std::string_view reached_at = "127.0.0.1") {
  return judged(host, names, reached_at).page == HttpPage::Metrics;
}

HttpVerdict asked(std::string_view method, std::string_view path) {
  return judge({.method = method,
                .path = path,
                .version = "HTTP/1.1",
                .hosts = {"localhost"},
                .reached_at = "127.0.0.1"},
               kLocal);
}

TEST(HttpRequest, KnowsItsPages) {
  EXPECT_EQ(asked("GET", "/").page, HttpPage::Dashboard);
  EXPECT_EQ(asked("GET", "/metrics").page, HttpPage::Metrics);
  EXPECT_EQ(asked("HEAD", "/health").page, HttpPage::Health);
  EXPECT_EQ(asked("GET", "/live").page, HttpPage::Live);
  EXPECT_EQ(asked("GET", "/ready").page, HttpPage::Ready);
}

// S30
TEST(HttpRequest, NothingElseIsThere) {
  for (const char* path : {"", "/metrics/", "//metrics", "/Metrics", "/../etc/passwd", "/metrics/../health",
                           "/dashboard.html", "*"}) {
    EXPECT_EQ(asked("GET", path).page, HttpPage::None) << path;
    EXPECT_EQ(asked("GET", path).refusal.status, 404U) << path;
  }
}

TEST(HttpRequest, OnlyLookingIsAllowed) {
  for (const char* method : {"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "get", ""}) {
    EXPECT_EQ(asked(method, "/metrics").refusal.status, 405U) << method;
    EXPECT_EQ(asked(method, "/metrics").page, HttpPage::None) << method;
  }
}

TEST(HttpRequest, ABodyIsRefused) {
  const HttpVerdict verdict = judge(
      {.method = "GET", .path = "/metrics", .version = "HTTP/1.1", .hosts = {"localhost"}, .has_body = true},
      kLocal);
  EXPECT_EQ(verdict.page, HttpPage::None);
  EXPECT_EQ(verdict.refusal.status, 400U);
}

// S30
TEST(HttpRequest, OnTheMachineItselfOnlyItsOwnNamesAreTaken) {
  for (const char* host : {"127.0.0.1", "127.0.0.1:9127", "localhost", "localhost:9127", "LocalHost",
                           "localhost.", "[::1]:9127", "127.0.0.5"}) {
    EXPECT_TRUE(taken(host)) << host;
  }
  for (const char* host :
       {"evil.example", "evil.example:9127", "127.0.0.1.evil.example", "localhost.evil.example", "notary7",
        "10.0.0.1", "192.0.2.1:9127", "[2001:db8::1]"}) {
    EXPECT_FALSE(taken(host)) << host;
    EXPECT_EQ(judged(host).refusal.status, 421U) << host;
  }
}

TEST(HttpRequest, ABrokenHostIsRefused) {
  for (const char* host : {"", ":9127", "[::1", "[::1]9127", "localhost:", "localhost:x", "localhost:1234567",
                           "localhost:80:80", "[]:80"}) {
    EXPECT_EQ(judged(host).page, HttpPage::None) << host;
    EXPECT_EQ(judged(host).refusal.status, 400U) << host;
  }
}

TEST(HttpRequest, AtOneAddressThatAddressAndTheMachinesNameAreTaken) {
  const OwnNames names{.listen_host = "metrics.internal", .machine_name = "notary7"};
  for (const char* host : {"metrics.internal:9127", "10.0.0.7", "notary7:9127", "localhost"}) {
    EXPECT_TRUE(taken(host, names, "10.0.0.7")) << host;
  }
  for (const char* host : {"10.0.0.8", "evil.example", "other.internal"}) {
    EXPECT_FALSE(taken(host, names, "10.0.0.7")) << host;
  }
}

// Behind address translation our own address is not known to us, and no name can be an address.
TEST(HttpRequest, AtAllAddressesAnyAddressIsTakenAndNoForeignName) {
  for (const char* everywhere : {"*", "0.0.0.0", "::"}) {
    const OwnNames names{.listen_host = everywhere, .machine_name = "notary7"};
    for (const char* host : {"192.0.2.1:9127", "[2001:db8::1]:9127", "localhost", "notary7"}) {
      EXPECT_TRUE(taken(host, names, "172.17.0.2")) << host;
    }
    EXPECT_FALSE(taken("evil.example", names, "172.17.0.2"));
  }
}

TEST(HttpRequest, NamesThatAreConfiguredAreTakenEverywhere) {
  for (const char* listen_host : {"127.0.0.1", "0.0.0.0"}) {
    const OwnNames names{
        .listen_host = listen_host, .machine_name = "notary7", .others = {"db.internal", "sportello"}};
    for (const char* reached_at : {"127.0.0.1", "172.17.0.2"}) {
      EXPECT_TRUE(taken("Sportello:9127", names, reached_at));
      EXPECT_TRUE(taken("db.internal.", names, reached_at));
      EXPECT_FALSE(taken("evil.internal", names, reached_at));
    }
  }
}

TEST(HttpRequest, ARequestHasOneHostUnlessItIsOfTheOldVersion) {
  const auto with = [](std::vector<std::string_view> hosts, std::string_view version) {
    return judge({.method = "GET", .path = "/live", .version = version, .hosts = std::move(hosts)}, kLocal);
  };
  EXPECT_EQ(with({}, "HTTP/1.1").refusal.status, 400U);
  EXPECT_EQ(with({}, "HTTP/1.0").page, HttpPage::Live);
  EXPECT_EQ(with({"localhost", "localhost"}, "HTTP/1.1").refusal.status, 400U);
  EXPECT_EQ(with({"localhost", "evil.example"}, "HTTP/1.0").refusal.status, 400U);
  EXPECT_EQ(with({"evil.example"}, "HTTP/1.0").refusal.status, 421U);
}

}  // namespace
}  // namespace sportello::proxy
