#include "proxy/session/statement.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace sportello::proxy {
namespace {

constexpr std::string_view kNoTypes("\0\0", 2);

StatementRef intern(std::string_view text, uint64_t scope = 1, std::string_view types = kNoTypes) {
  return intern_statement({text, types, scope}, std::make_shared<const sql::StatementFacts>());
}

TEST(Statement, IsOnePerTextTypesAndScope) {
  const auto one = intern("SELECT 1");
  EXPECT_EQ(intern("SELECT 1"), one);
  EXPECT_NE(intern("SELECT 2"), one);
  EXPECT_NE(intern("SELECT 1", 2), one);
  EXPECT_NE(intern("SELECT 1", 1, std::string_view("\0\1\0\0\0\x17", 6)), one);
}

TEST(Statement, HasAServerNameOfItsNumber) {
  const auto one = intern("SELECT 'named'");
  EXPECT_EQ(one->server_name, "sportello_" + std::to_string(one->id));
}

TEST(Statement, IsNewAfterNobodyHeldIt) {
  const uint64_t id = intern("SELECT 'short life'")->id;
  EXPECT_NE(intern("SELECT 'short life'")->id, id) << "a link may still hold the old one";
}

TEST(Statement, TextAndTypesAreNotConfused) { EXPECT_NE(intern("ab", 1, "c"), intern("a", 1, "bc")); }

TEST(Statement, OpaqueOnesAreNeverShared) {
  const auto one = make_opaque_statement();
  EXPECT_TRUE(one->opaque);
  EXPECT_NE(make_opaque_statement(), one);
  EXPECT_TRUE(one->facts->has(sql::Effect::Unknown));
}

TEST(Statement, BytesAreCountedAndGivenBack) {
  const size_t before = statement_table_counts().bytes;
  {
    const auto one = intern(std::string(10'000, 'x'));
    EXPECT_GE(statement_table_counts().bytes, before + 10'000);
  }
  EXPECT_EQ(statement_table_counts().bytes, before);
}

TEST(Statement, IsOneForAllThreads) {
  std::vector<StatementRef> made(4);
  std::vector<std::thread> threads;
  for (StatementRef& slot : made) {
    threads.emplace_back([&slot] { slot = intern("SELECT 'from threads'"); });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  for (const StatementRef& slot : made) {
    EXPECT_EQ(slot, made[0]);
  }
}

TEST(StatementCache, FindsOnlyWhatWasPutIn) {
  StatementCache cache;
  const StatementKey key{"SELECT 1", kNoTypes, 5};
  EXPECT_EQ(cache.find(key), nullptr);
  cache.insert(key, intern("SELECT 1", 5));
  ASSERT_NE(cache.find(key), nullptr);
  EXPECT_EQ(cache.find({"SELECT 1", kNoTypes, 6}), nullptr);
}

TEST(StatementCache, KeepsWhatIsUsedAndForgetsTheRest) {
  StatementCache cache;
  const StatementKey hot{"SELECT 'hot'", kNoTypes, 5};
  const StatementKey cold{"SELECT 'cold'", kNoTypes, 5};
  cache.insert(hot, intern(hot.text, 5))->uses = 7;
  cache.insert(cold, intern(cold.text, 5));
  for (int i = 0; i < 20'000; i++) {
    const std::string text = "SELECT " + std::to_string(i);
    cache.insert({text, kNoTypes, 5}, intern(text, 5));
    if (i % 1000 == 0) {
      ASSERT_NE(cache.find(hot), nullptr) << i;
    }
  }
  EXPECT_EQ(cache.find(hot)->uses, 7U);
  EXPECT_EQ(cache.find(cold), nullptr);
}

}  // namespace
}  // namespace sportello::proxy
