#include "proxy/net/name_cache.h"

#include <gtest/gtest.h>

namespace sportello::proxy {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using Standing = NameCache::Standing;

struct NameCacheTest : testing::Test {
  NameCacheTest() { cache.set_ttls(seconds(15), seconds(5)); }

  bool answer(AddressList addresses) {
    cache.begin("db");
    return cache.answered("db", {std::move(addresses), "", false}, now);
  }
  bool fail(bool is_final) {
    cache.begin("db");
    return cache.answered("db", {{}, "no luck", is_final}, now);
  }

  NameCache cache;
  NameCache::Time now{seconds(1000)};
};

TEST_F(NameCacheTest, IsAskedForOnceByAllWhoWait) {
  EXPECT_EQ(cache.find("db", now).standing, Standing::Missing);
  EXPECT_TRUE(cache.begin("db"));
  EXPECT_FALSE(cache.begin("db"));
  EXPECT_TRUE(cache.begin("other"));
  cache.answered("db", {{"10.0.0.1"}, "", false}, now);
  EXPECT_EQ(cache.find("db", now).standing, Standing::Fresh);
  EXPECT_TRUE(cache.begin("db"));
}

TEST_F(NameCacheTest, AnOldAnswerIsGivenWhileItIsAskedForAgain) {
  answer({"10.0.0.1"});
  now += seconds(15);
  const auto found = cache.find("db", now);
  EXPECT_EQ(found.standing, Standing::Stale);
  EXPECT_EQ(found.addresses, AddressList{"10.0.0.1"});
}

TEST_F(NameCacheTest, SeveralAddressesTakeTurns) {
  answer({"10.0.0.1", "10.0.0.2", "10.0.0.3"});
  EXPECT_EQ(cache.find("db", now).addresses, (AddressList{"10.0.0.1", "10.0.0.2", "10.0.0.3"}));
  EXPECT_EQ(cache.find("db", now).addresses, (AddressList{"10.0.0.2", "10.0.0.3", "10.0.0.1"}));
  EXPECT_EQ(cache.find("db", now).addresses, (AddressList{"10.0.0.3", "10.0.0.1", "10.0.0.2"}));
  EXPECT_EQ(cache.find("db", now).addresses.front(), "10.0.0.1");
}

TEST_F(NameCacheTest, TellsOfOtherAddressesAndNotOfAnotherOrder) {
  EXPECT_FALSE(answer({"10.0.0.1", "10.0.0.2"})) << "nothing was known before";
  EXPECT_FALSE(answer({"10.0.0.2", "10.0.0.1"}));
  EXPECT_TRUE(answer({"10.0.0.2"}));
  EXPECT_TRUE(answer({"10.0.0.3"}));
  EXPECT_EQ(cache.find("db", now).addresses, AddressList{"10.0.0.3"});
}

TEST_F(NameCacheTest, AResolverThatFailsLeavesTheLastGoodAnswer) {
  answer({"10.0.0.1"});
  now += seconds(20);
  EXPECT_FALSE(fail(false));
  const auto found = cache.find("db", now);
  EXPECT_EQ(found.standing, Standing::Fresh) << "it is asked again after dns_nxdomain_ttl";
  EXPECT_EQ(found.addresses, AddressList{"10.0.0.1"});
  now += seconds(5);
  EXPECT_EQ(cache.find("db", now).standing, Standing::Stale);
}

TEST_F(NameCacheTest, ANameThatIsGoneIsRefused) {
  answer({"10.0.0.1"});
  EXPECT_FALSE(fail(true));
  const auto found = cache.find("db", now);
  EXPECT_EQ(found.standing, Standing::Refused);
  EXPECT_EQ(found.why, "no luck");
  now += seconds(5);
  EXPECT_EQ(cache.find("db", now).standing, Standing::Missing);
}

TEST_F(NameCacheTest, NamesInUseAreDueWhenTheirAnswerIsOld) {
  answer({"10.0.0.1"});
  EXPECT_TRUE(cache.due({"db"}, now).empty());
  now += seconds(15);
  EXPECT_EQ(cache.due({"db"}, now), std::vector<std::string>{"db"});
  EXPECT_TRUE(cache.due({}, now).empty()) << "nobody is connected by it";
  cache.begin("db");
  EXPECT_TRUE(cache.due({"db"}, now).empty()) << "it is being asked for";
}

TEST_F(NameCacheTest, UnusedNamesAreForgotten) {
  cache.find("db", now);
  answer({"10.0.0.1"});
  now += minutes(11);
  cache.due({"db"}, now);
  EXPECT_EQ(cache.known(now).size(), 1U);
  cache.due({}, now);
  EXPECT_TRUE(cache.known(now).empty());
}

}  // namespace
}  // namespace sportello::proxy
