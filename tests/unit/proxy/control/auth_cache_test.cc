#include "proxy/control/auth_cache.h"

#include <gtest/gtest.h>

namespace sportello::proxy {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kTtl{30'000};
const AuthCache::TimePoint kStart{std::chrono::hours(1)};

AuthRecord secret(const std::string& text) { return {.known = true, .secret = text, .valid_until = {}}; }

TEST(AuthCache, KnowsNothingAtFirst) {
  const AuthCache cache(10);
  EXPECT_EQ(cache.find("alice", kStart, kTtl), nullptr);
}

TEST(AuthCache, KeepsASecretForTheTtlAndNoLonger) {  // S26
  AuthCache cache(10);
  cache.store("alice", secret("one"), kStart);
  ASSERT_NE(cache.find("alice", kStart + kTtl - milliseconds(1), kTtl), nullptr);
  EXPECT_EQ(cache.find("alice", kStart + kTtl - milliseconds(1), kTtl)->secret, "one");
  EXPECT_EQ(cache.find("alice", kStart + kTtl, kTtl), nullptr);
}

TEST(AuthCache, KeepsThatAUserIsUnknownForAShorterTime) {
  AuthCache cache(10);
  cache.store("nobody", {}, kStart);
  const milliseconds shorter = AuthCache::ttl_of_unknown(kTtl);
  ASSERT_LT(shorter, kTtl);
  ASSERT_NE(cache.find("nobody", kStart + shorter - milliseconds(1), kTtl), nullptr);
  EXPECT_FALSE(cache.find("nobody", kStart, kTtl)->known);
  EXPECT_EQ(cache.find("nobody", kStart + shorter, kTtl), nullptr);
}

TEST(AuthCache, AnUnknownUserIsNeverKeptLongerThanASecret) {
  EXPECT_EQ(AuthCache::ttl_of_unknown(milliseconds(10)), milliseconds(10));
}

TEST(AuthCache, ATtlOfZeroKeepsNothing) {
  AuthCache cache(10);
  cache.store("alice", secret("one"), kStart);
  EXPECT_EQ(cache.find("alice", kStart, milliseconds(0)), nullptr);
}

TEST(AuthCache, AShorterTtlAfterAReloadCountsForWhatIsStoredAlready) {
  AuthCache cache(10);
  cache.store("alice", secret("one"), kStart);
  EXPECT_EQ(cache.find("alice", kStart + milliseconds(100), milliseconds(100)), nullptr);
}

TEST(AuthCache, TheLatestAnswerReplacesTheOneBefore) {
  AuthCache cache(10);
  cache.store("alice", secret("one"), kStart);
  cache.store("alice", secret("two"), kStart + milliseconds(5));
  EXPECT_EQ(cache.size(), 1U);
  EXPECT_EQ(cache.find("alice", kStart + milliseconds(5), kTtl)->secret, "two");
  cache.store("alice", {}, kStart + milliseconds(6));
  EXPECT_FALSE(cache.find("alice", kStart + milliseconds(6), kTtl)->known);
}

TEST(AuthCache, IsBoundedAndTheOldestAnswerGoesFirst) {
  AuthCache cache(3);
  for (int number = 0; number < 5; ++number) {
    cache.store("user" + std::to_string(number), secret("s"), kStart + milliseconds(number));
  }
  EXPECT_EQ(cache.size(), 3U);
  EXPECT_EQ(cache.find("user1", kStart, kTtl), nullptr);
  EXPECT_NE(cache.find("user2", kStart, kTtl), nullptr);
  EXPECT_NE(cache.find("user4", kStart, kTtl), nullptr);
}

TEST(AuthCache, StoringAgainMakesAnAnswerYoung) {
  AuthCache cache(2);
  cache.store("alice", secret("a"), kStart);
  cache.store("bob", secret("b"), kStart);
  cache.store("alice", secret("a"), kStart);
  cache.store("carol", secret("c"), kStart);
  EXPECT_NE(cache.find("alice", kStart, kTtl), nullptr);
  EXPECT_EQ(cache.find("bob", kStart, kTtl), nullptr);
}

}  // namespace
}  // namespace sportello::proxy
