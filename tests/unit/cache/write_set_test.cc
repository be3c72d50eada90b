#include "cache/write_set.h"

#include <gtest/gtest.h>

#include <numeric>

namespace sportello::cache {
namespace {

TEST(WriteSet, GathersEachTableOnce) {
  WriteSet set;
  EXPECT_TRUE(set.is_empty());
  set.add(std::vector<Oid>{5, 3});
  set.add(std::vector<Oid>{3, 4});
  EXPECT_FALSE(set.is_empty());
  TableStates tables;
  EXPECT_EQ(set.states(tables), (std::vector<TableState*>{&tables.of(3), &tables.of(4), &tables.of(5)}));
  EXPECT_TRUE(set.has(4));
  EXPECT_FALSE(set.has(6));
}

TEST(WriteSet, OfUnknownWritesIsAllTables) {
  WriteSet set;
  ResolvedFacts facts;
  facts.writes = {7};
  set.add(facts);
  TableStates tables;
  EXPECT_EQ(set.states(tables), std::vector<TableState*>{&tables.all()});
  EXPECT_TRUE(set.has(1));
  set.clear();
  EXPECT_TRUE(set.is_empty());
  facts.writes_unknown = false;
  set.add(facts);
  EXPECT_EQ(set.states(tables), std::vector<TableState*>{&tables.of(7)});
}

TEST(WriteSet, BeyondItsBoundIsAllTables) {
  WriteSet set;
  std::vector<Oid> many(WriteSet::kMax);
  std::iota(many.begin(), many.end(), 1);
  set.add(many);
  EXPECT_FALSE(set.is_unknown());
  set.add(std::vector<Oid>{100'000});
  EXPECT_TRUE(set.is_unknown());
}

}  // namespace
}  // namespace sportello::cache
