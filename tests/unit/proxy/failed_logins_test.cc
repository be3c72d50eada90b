// How long who failed to log in waits for being told so: by source, growing, forgotten. S27.
#include "proxy/failed_logins.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <cstring>
#include <string>

namespace sportello::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

ClientAddress from(const std::string& host) {
  sockaddr_storage peer{};
  if (host.find(':') != std::string::npos) {
    sockaddr_in6 in{};
    in.sin6_family = AF_INET6;
    EXPECT_EQ(inet_pton(AF_INET6, host.c_str(), &in.sin6_addr), 1);
    std::memcpy(&peer, &in, sizeof in);
  } else {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    EXPECT_EQ(inet_pton(AF_INET, host.c_str(), &in.sin_addr), 1);
    std::memcpy(&peer, &in, sizeof in);
  }
  return ClientAddress::of(-1, peer);
}

class FailedLoginsTest : public ::testing::Test {
 protected:
  int64_t wait_of(const std::string& host) { return logins_.note(from(host), now_, kDelay).count(); }
  void fail(const std::string& host, int times) {
    for (int i = 0; i < times; i++) wait_of(host);
  }

  static constexpr milliseconds kDelay{100};
  FailedLogins logins_;
  TimePoint now_ = TimePoint() + seconds(1000);
};

TEST_F(FailedLoginsTest, EachFailureWaitsForTwiceAsLongUpToABound) {
  std::vector<int64_t> waits;
  for (int i = 0; i < 7; i++) waits.push_back(wait_of("10.0.0.1"));
  EXPECT_EQ(waits, (std::vector<int64_t>{100, 200, 400, 800, 1600, 1600, 1600}));
}

TEST_F(FailedLoginsTest, OtherSourcesDoNotWaitForIt) {
  fail("10.0.0.1", 10);
  EXPECT_EQ(wait_of("10.0.0.2"), 100);
  EXPECT_EQ(wait_of("2001:db8::1"), 100);
}

TEST_F(FailedLoginsTest, FailuresAreForgottenOneByOne) {
  fail("10.0.0.1", 10);
  now_ += FailedLogins::kForgetOneAfter;
  EXPECT_EQ(wait_of("10.0.0.1"), 1600);
  now_ += 3 * FailedLogins::kForgetOneAfter;
  EXPECT_EQ(wait_of("10.0.0.1"), 400);
  now_ += seconds(3600);
  EXPECT_EQ(wait_of("10.0.0.1"), 100);
}

TEST_F(FailedLoginsTest, WhatFailsMoreSeldomThanItIsForgottenNeverWaitsForLonger) {
  for (int i = 0; i < 20; i++) {
    EXPECT_EQ(wait_of("10.0.0.1"), 100);
    now_ += FailedLogins::kForgetOneAfter;
  }
}

TEST_F(FailedLoginsTest, AClockThatHasNotMovedForgetsNothing) {
  fail("10.0.0.1", 2);
  now_ -= milliseconds(50);  // another worker's loop
  EXPECT_EQ(wait_of("10.0.0.1"), 400);
}

TEST_F(FailedLoginsTest, ANetworkOfIpv6IsOneSource) {
  fail("2001:db8:1:2::1", 2);
  EXPECT_EQ(wait_of("2001:db8:1:2:ffff::9"), 400);
  EXPECT_EQ(wait_of("2001:db8:1:3::1"), 100);
}

TEST_F(FailedLoginsTest, AnAddressOfIpv4IsTheSameByEitherSocket) {
  fail("10.0.0.1", 2);
  EXPECT_EQ(wait_of("::ffff:10.0.0.1"), 400);
  EXPECT_EQ(wait_of("::ffff:10.0.0.2"), 100);
}

TEST_F(FailedLoginsTest, UnixSocketsAreTold) {
  const ClientAddress local{.is_local = true};
  for (int i = 0; i < 3; i++) EXPECT_EQ(logins_.note(local, now_, kDelay).count(), 0);
}

TEST_F(FailedLoginsTest, WithoutADelayNobodyWaits) {
  EXPECT_EQ(logins_.note(from("10.0.0.1"), now_, milliseconds(0)).count(), 0);
}

TEST_F(FailedLoginsTest, AFullTableForgetsNobodyWhoFailedLatelyAndTakesNewOnesOnceItHasRoom) {
  for (size_t i = 0; i < FailedLogins::kMostSources; i++) {
    fail("10.1." + std::to_string(i / 256) + "." + std::to_string(i % 256), 2);
  }
  EXPECT_EQ(wait_of("10.2.0.1"), 100);
  EXPECT_EQ(wait_of("10.2.0.1"), 100);  // not known
  EXPECT_EQ(wait_of("10.1.0.0"), 400);
  now_ += 2 * FailedLogins::kForgetOneAfter;
  EXPECT_EQ(wait_of("10.2.0.1"), 100);
  EXPECT_EQ(wait_of("10.2.0.1"), 200);
  EXPECT_EQ(wait_of("10.1.0.0"), 200);  // it had failed once more than the others
}

}  // namespace
}  // namespace sportello::proxy
