#include "cache/result_table.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

namespace sportello::cache {
namespace {

CachedResultRef result_under(std::string_view key, uint64_t hash) {
  return CachedResult::make({}, {key, hash});
}

TEST(ResultTable, FindsByTheWholeKey) {
  ResultTable table;
  const CachedResultRef a = result_under("a", 7), b = result_under("b", 7);
  table.add(*a);
  EXPECT_EQ(table.find({"b", 7}), nullptr);
  table.add(*b);
  EXPECT_EQ(table.find({"a", 7}), a.get());
  EXPECT_EQ(table.find({"b", 7}), b.get());
  EXPECT_EQ(table.find({"a", 8}), nullptr);
}

TEST(ResultTable, WhatLiesBehindAGapIsStillFound) {
  ResultTable table;
  // Three that want place 15, the last, and one that wants the first.
  const CachedResultRef a = result_under("a", 15), b = result_under("b", 31), c = result_under("c", 47),
                        first = result_under("first", 16);
  for (const CachedResultRef& each : {a, b, first, c}) table.add(*each);
  table.remove(*a);
  EXPECT_EQ(table.find({"a", 15}), nullptr);
  EXPECT_EQ(table.find({"b", 31}), b.get());
  EXPECT_EQ(table.find({"c", 47}), c.get());
  EXPECT_EQ(table.find({"first", 16}), first.get());
  table.remove(*first);
  EXPECT_EQ(table.find({"c", 47}), c.get());
  EXPECT_EQ(table.size(), 2U);
}

TEST(ResultTable, TakesNothingOnTheHeapBeforeItGrows) {
  ResultTable table;
  EXPECT_EQ(table.heap_bytes(), 0U);
  const size_t told = table.bytes_to_grow();
  table.grow();
  EXPECT_EQ(table.heap_bytes(), told);
  EXPECT_GE(told, 32 * 2 * sizeof(void*));
}

// Few hashes, so that most searches meet others: the same as a map does, whatever comes, goes and grows.
TEST(ResultTable, DoesAsAMapDoes) {
  std::mt19937 random(4711);
  ResultTable table;
  std::map<std::string, CachedResultRef> model;
  for (int step = 0; step < 20'000; ++step) {
    const uint64_t number = random() % 300;
    const std::string key = std::to_string(number);
    const uint64_t hash = number % 40 * 3;
    const auto known = model.find(key);
    ASSERT_EQ(table.find({key, hash}), known == model.end() ? nullptr : known->second.get());
    if (known != model.end()) {
      table.remove(*known->second);
      model.erase(known);
    } else if (model.size() < 100 || random() % 2 == 0) {
      if (table.is_full()) table.grow();
      const CachedResultRef result = result_under(key, hash);
      table.add(*result);
      model.emplace(key, result);
    }
    ASSERT_EQ(table.size(), model.size());
  }
  EXPECT_GT(table.slots(), 100U);
}

}  // namespace
}  // namespace sportello::cache
