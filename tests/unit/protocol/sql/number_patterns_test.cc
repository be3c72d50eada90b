#include "protocol/sql/number_patterns.h"

#include <gtest/gtest.h>

#include <fstream>
#include <random>
#include <string>

#include "protocol/sql/facts_cache.h"
#include "protocol/sql/fingerprint.h"

namespace sportello::sql {
namespace {

std::shared_ptr<const StatementFacts> facts_with(uint64_t fingerprint) {
  StatementFacts facts;
  facts.fingerprint = fingerprint;
  return std::make_shared<const StatementFacts>(std::move(facts));
}

struct NumberPatternsTest : testing::Test {
  void learn(std::string_view text, const std::shared_ptr<const StatementFacts>& facts) {
    patterns.note(text, facts);
    patterns.note(text, facts);
  }
  bool knows(std::string_view text) const {
    const auto* found = patterns.find(text);
    return found != nullptr && *found == known;
  }

  NumberPatterns patterns{1};
  std::shared_ptr<const StatementFacts> known = facts_with(7);
};

TEST_F(NumberPatternsTest, KnowsATextWithOtherNumbers) {
  learn("select a from t1 where b = 4711 and c=5", known);
  EXPECT_TRUE(knows("select a from t1 where b = 4711 and c=5"));
  EXPECT_TRUE(knows("select a from t1 where b = 1 and c=123456789012345678901234567890"));
  EXPECT_FALSE(knows("select a from t2 where b = 4711 and c=5"));
  EXPECT_FALSE(knows("select a from t1 where b = 4711 and c=5 "));
  EXPECT_FALSE(knows("select a from t1 where b = 4711 and d=5"));
  EXPECT_FALSE(knows("select a from t1 where b = 4711 and c="));
  EXPECT_FALSE(knows("select a from t1 where b = "));
  EXPECT_FALSE(knows("select a from t1"));
}

TEST_F(NumberPatternsTest, TakesNothingForANumberThatIsNotDigitsAlone) {
  learn("select 1 where b = 4711", known);
  for (const char* text : {"select 1 where b = -4711", "select 1 where b = 4711.5", "select 1 where b = 47e1",
                           "select 1 where b = 0x11", "select 1 where b = 4_711", "select 1 where b = 4711a",
                           "select 1 where b = $1", "select 1 where b = '4'", "select 1 where b = 4;",
                           "select 1 where b = 4 or true", "select 1 where b = 4711\xc3\xa4"}) {
    EXPECT_FALSE(knows(text)) << text;
  }
}

TEST_F(NumberPatternsTest, ComparesDigitsThatAreNoNumbersByteForByte) {
  learn("select t1, $1, 1.5, 'x 1', \"c 1\", /* 1 */ $$1$$, 1e5, 9 -- 1", known);
  EXPECT_TRUE(knows("select t1, $1, 1.5, 'x 1', \"c 1\", /* 1 */ $$1$$, 1e5, 42 -- 1"));
  for (const char* text : {"select t2, $1, 1.5, 'x 1', \"c 1\", /* 1 */ $$1$$, 1e5, 9 -- 1",
                           "select t1, $2, 1.5, 'x 1', \"c 1\", /* 1 */ $$1$$, 1e5, 9 -- 1",
                           "select t1, $1, 2.5, 'x 1', \"c 1\", /* 1 */ $$1$$, 1e5, 9 -- 1",
                           "select t1, $1, 1.5, 'x 2', \"c 1\", /* 1 */ $$1$$, 1e5, 9 -- 1",
                           "select t1, $1, 1.5, 'x 1', \"c 2\", /* 1 */ $$1$$, 1e5, 9 -- 1",
                           "select t1, $1, 1.5, 'x 1', \"c 1\", /* 2 */ $$1$$, 1e5, 9 -- 1",
                           "select t1, $1, 1.5, 'x 1', \"c 1\", /* 1 */ $$2$$, 1e5, 9 -- 1",
                           "select t1, $1, 1.5, 'x 1', \"c 1\", /* 1 */ $$1$$, 2e5, 9 -- 1",
                           "select t1, $1, 1.5, 'x 1', \"c 1\", /* 1 */ $$1$$, 1e5, 9 -- 2"}) {
    EXPECT_FALSE(knows(text)) << text;
  }
}

TEST_F(NumberPatternsTest, AShapeHasToComeTwiceInARow) {
  const auto other = facts_with(8);
  patterns.note("select 1", known);
  EXPECT_FALSE(knows("select 1"));
  patterns.note("select 2", known);
  EXPECT_TRUE(knows("select 1"));
  patterns.note("select 1, 2", other);
  EXPECT_TRUE(knows("select 1"));
  patterns.note("select 1, 2", other);
  EXPECT_FALSE(knows("select 1"));
  EXPECT_EQ(*patterns.find("select 3, 4"), other);
}

TEST_F(NumberPatternsTest, KeepsNoLongTextAndNoLongList) {
  std::string list = "select * from t where a in (1";
  for (size_t i = 0; i < NumberPatterns::kMostNumbers; i++) {
    list += ", 1";
  }
  learn(list + ")", known);
  EXPECT_FALSE(knows(list + ")"));
  learn("select 1 --" + std::string(NumberPatterns::kMostBytes, ' '), known);
  EXPECT_FALSE(knows("select 1 --" + std::string(NumberPatterns::kMostBytes, ' ')));
  learn("select a", known);
  EXPECT_FALSE(knows("select a"));
}

// Whatever is done to a text: if it is known, it has the canonical text of the one that was learnt.
TEST_F(NumberPatternsTest, WhatItKnowsHasTheSameShape) {
  std::mt19937 random(20);  // NOLINT
  const auto pick = [&](size_t below) { return random() % below; };
  std::ifstream file(SPORTELLO_STATEMENTS);
  size_t hits = 0;
  std::string line;
  while (std::getline(file, line)) {
    const size_t arrow = line.rfind(" => ");
    if (line.empty() || line[0] == '#' || arrow == std::string::npos) continue;
    const std::string text = line.substr(0, arrow);
    NumberPatterns fresh(1);
    fresh.note(text, known);
    fresh.note(text, known);
    std::string scratch;
    const std::string canonical(measure_shape(text, true, scratch).canonical);
    for (int i = 0; i < 200; i++) {
      std::string changed = text;
      for (size_t changes = 1 + pick(3); changes > 0; changes--) {
        const std::string_view some = "0123456789.xe_$' \"-/*,a";
        const size_t digit = changed.find_first_of("0123456789", pick(changed.size()));
        const size_t at = digit != std::string::npos && pick(4) != 0 ? digit : pick(changed.size());
        const char byte = some[pick(pick(3) == 0 ? some.size() : 10)];
        pick(2) == 0 ? changed.insert(at, 1, byte) : changed.replace(at, 1, 1, byte);
      }
      if (fresh.find(changed) != nullptr) {
        hits++;
        EXPECT_EQ(measure_shape(changed, true, scratch).canonical, canonical) << text << "\n" << changed;
      }
    }
  }
  EXPECT_GT(hits, 1000U);
}

TEST(FactsCache, TakesTheFactsOfATextWithOtherNumbers) {
  ShapeCache shapes;
  FactsCache cache(shapes, 1);
  const FactsPtr first = cache.look_up("select a from t where b = 1");
  for (int i = 2; i < 10; i++) {
    EXPECT_EQ(cache.look_up("select a from t where b = " + std::to_string(i)), first);
  }
  EXPECT_EQ(cache.counters().parses, 1u);
  EXPECT_EQ(cache.counters().shape_hits, 2u);
  EXPECT_EQ(cache.counters().pattern_hits, 6u);
}

TEST(FactsCache, FactsThatHangOnANumberAreNoPattern) {
  ShapeCache shapes;
  FactsCache cache(shapes, 1);
  for (int i = 0; i < 10; i++) {
    const std::string value = std::to_string(i);
    EXPECT_EQ(cache.look_up("set statement_timeout = " + value)->set_value, value);
  }
  EXPECT_EQ(cache.counters().pattern_hits, 0u);
}

}  // namespace
}  // namespace sportello::sql
