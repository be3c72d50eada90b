#include "protocol/sql/facts_cache.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace sportello::sql {
namespace {

TEST(FactsCache, KnowsATextOnceSeen) {
  ShapeCache shapes;
  FactsCache cache(shapes, 1);
  const FactsPtr first = cache.look_up("select a from t where b = 1");
  EXPECT_EQ(first->kind, StatementKind::Read);
  EXPECT_EQ(cache.look_up("select a from t where b = 1"), first);
  EXPECT_EQ(cache.counters().parses, 1u);
  EXPECT_EQ(cache.counters().text_hits, 1u);
}

TEST(FactsCache, SharesFactsOfOneShape) {
  ShapeCache shapes;
  FactsCache here(shapes, 1);
  FactsCache there(shapes, 2);
  const FactsPtr first = here.look_up("select a from t where b = 1");
  EXPECT_EQ(here.look_up("SELECT a FROM t WHERE b = 'x'"), first);
  EXPECT_EQ(there.look_up("select a from t where b = $1"), first);
  EXPECT_EQ(here.counters().parses + there.counters().parses, 1u);
}

TEST(FactsCache, KeepsFactsThatHangOnLiteralsApart) {
  ShapeCache shapes;
  FactsCache cache(shapes, 1);
  EXPECT_TRUE(cache.look_up("select set_config('a.b', 'x', true)")->has(SetLocal));
  EXPECT_TRUE(cache.look_up("select set_config('a.b', 'x', 'f')")->has(SetOther));
  EXPECT_TRUE(cache.look_up("select set_config('role', 'x', 'f')")->has(SetRole));
  EXPECT_EQ(cache.look_up("set timezone to 'UTC'")->set_value, "UTC");
  EXPECT_EQ(cache.look_up("set timezone to 'CET'")->set_value, "CET");
  EXPECT_TRUE(cache.look_up("do 'begin set a.b = 1; end'")->pins());
  EXPECT_FALSE(cache.look_up("do 'begin update t set a = 1; end'")->pins());
  EXPECT_EQ(cache.look_up("set timezone to 'UTC'")->set_value, "UTC");
  EXPECT_EQ(cache.counters().text_hits, 1u);
}

TEST(FactsCache, DoesNotShareWhatTheParserRefused) {
  ShapeCache shapes;
  FactsCache cache(shapes, 1);
  EXPECT_EQ(cache.look_up("select int 5")->kind, StatementKind::Unknown);
  EXPECT_EQ(cache.look_up("select int '5'")->kind, StatementKind::Read);
}

TEST(FactsCache, UnderstandsALongListByTheShapeOfAShortOne) {
  ShapeCache shapes;
  FactsCache cache(shapes, 1);
  std::string list = "select * from t where a in (1";
  for (int i = 0; i < 50000; ++i) list += ",1";
  list += ")";
  EXPECT_EQ(cache.look_up(list)->kind, StatementKind::Unknown);
  EXPECT_EQ(cache.look_up("select * from t where a in (1, 2)")->kind, StatementKind::Read);
  list += " ";
  EXPECT_EQ(cache.look_up(list)->kind, StatementKind::Read);
}

TEST(FactsCache, TellsTextsApartByStandardConformingStrings) {
  ShapeCache shapes;
  FactsCache cache(shapes, 1);
  const std::string text = "select '\\'; set a.b = 1; --'";
  EXPECT_EQ(cache.look_up(text, true)->effects, SetOther);
  EXPECT_FALSE(cache.look_up(text, false)->pins());
  EXPECT_EQ(cache.look_up(text, true)->effects, SetOther);
}

TEST(FactsCache, StaysWithinItsBytesAndKeepsWhatIsUsed) {  // S61
  constexpr size_t kLimit = 256 * 1024;
  ShapeCache shapes(kLimit);
  FactsCache cache(shapes, 1, kLimit);
  const std::string hot = "select a from hot where b = $1";
  cache.look_up(hot);
  for (int i = 0; i < 20000; ++i) {
    cache.look_up("select a from t where b = '" + std::to_string(i) + "'");
    if (i % 100 == 0) cache.look_up(hot);
  }
  EXPECT_LE(cache.bytes(), kLimit + 1024);
  EXPECT_EQ(cache.counters().text_hits, 199u);  // it is kept from the second time on
  EXPECT_EQ(cache.counters().parses, 2u);
  for (int i = 0; i < 3000; ++i) cache.look_up("select a from t" + std::to_string(i));
  EXPECT_LE(shapes.bytes(), kLimit);
}

TEST(FactsCache, DoesNotKeepTextsThatWouldFillIt) {
  ShapeCache shapes;
  FactsCache cache(shapes, 1, 64 * 1024);
  const std::string large = "select '" + std::string(32 * 1024, 'x') + "'";
  for (int i = 0; i < 3; i++) {
    EXPECT_EQ(cache.look_up(large)->kind, StatementKind::Read);
    cache.look_up("begin");
  }
  EXPECT_EQ(cache.counters().shape_hits, 3u);  // of the large text 2, of the small one 1
  EXPECT_EQ(cache.counters().parses, 2u);
}

TEST(FactsCache, KeepsATextFromItsSecondTimeOn) {
  ShapeCache shapes;
  FactsCache cache(shapes, 1);
  const size_t before = cache.bytes();
  for (int i = 0; i < 100; i++) cache.look_up("select '" + std::to_string(i) + "'");
  EXPECT_LT(cache.bytes(), before + 1024);
  cache.look_up("select '7'");
  EXPECT_GT(cache.bytes(), before + 100);
  cache.look_up("select '8'");
  const auto hits = cache.counters().text_hits;
  cache.look_up("select '7'");
  EXPECT_EQ(cache.counters().text_hits, hits + 1);
}

TEST(FactsCache, DoesNotLendAMomentToAPlainLiteral) {  // S51
  ShapeCache shapes;
  FactsCache cache(shapes, 1);
  EXPECT_FALSE(cache.look_up("select a from t where ts < '2020-01-01'")->stable_functions);
  EXPECT_TRUE(cache.look_up("select a from t where ts < 'now'")->stable_functions);
  EXPECT_FALSE(cache.look_up("select a from t where ts < '2021-01-01'")->stable_functions);
  EXPECT_TRUE(cache.look_up("select a from t where ts in ('2020-01-01', 'Today')")->stable_functions);
  EXPECT_FALSE(cache.look_up("select a from t where ts in ('2020-01-01')")->stable_functions);
}

TEST(FactsTable, CountsTheNamesThatFactsHold) {
  StatementFacts facts;
  const auto bytes = [](StatementFacts with) {
    FactsTable table(1024 * 1024);
    table.insert("x", 1, std::make_shared<const StatementFacts>(std::move(with)));
    return table.bytes();
  };
  const size_t bare = bytes(facts);
  const std::string longish(100, 'a');
  for (auto* names : {&facts.reads, &facts.writes, &facts.ddl_targets, &facts.types}) {
    const size_t before = bytes(facts);
    names->push_back({longish, longish});
    EXPECT_GE(bytes(facts), before + sizeof(RelationName) + 200);
  }
  facts.calls.push_back({longish, longish});
  facts.functions.push_back(longish);
  EXPECT_GE(bytes(facts), bare + 5 * (sizeof(RelationName) + 200) + sizeof(std::string) + 100);
}

// S56: two keys of one hash are two keys.
TEST(FactsTable, ComparesKeysNotHashes) {
  FactsTable table(64 * 1024);
  const auto read = std::make_shared<const StatementFacts>(StatementFacts{.kind = StatementKind::Read});
  const auto set = std::make_shared<const StatementFacts>(StatementFacts{.kind = StatementKind::Set});
  table.insert("select 1", 7, read);
  EXPECT_EQ(table.find("set a = 1", 7), nullptr);
  table.insert("set a = 1", 7, set);
  EXPECT_EQ(*table.find("select 1", 7), read);
  EXPECT_EQ(*table.find("set a = 1", 7), set);
  EXPECT_EQ(table.find("select 1", 8), nullptr);
}

TEST(FactsTable, MovesWhatIsFoundIntoTheYoungGeneration) {
  FactsTable table(16 * 1024);
  const auto facts = std::make_shared<const StatementFacts>();
  table.insert("keep", 1, facts);
  for (uint64_t i = 0; i < 1000; ++i) {
    table.insert("other" + std::to_string(i), i, facts);
    ASSERT_NE(table.find("keep", 1), nullptr) << i;
    ASSERT_LE(table.bytes(), 16u * 1024);
  }
  EXPECT_EQ(table.find("other1", 1), nullptr);
}

TEST(ShapeCache, IsSharedByThreads) {
  ShapeCache shapes(64 * 1024);
  std::vector<std::thread> threads;
  for (uint64_t worker = 0; worker < 4; ++worker) {
    threads.emplace_back([&shapes, worker] {
      FactsCache cache(shapes, worker, 16 * 1024);
      for (int i = 0; i < 300; ++i) {
        const FactsPtr facts = cache.look_up("select a from t" + std::to_string(i % 97));
        ASSERT_EQ(facts->kind, StatementKind::Read);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace sportello::sql
