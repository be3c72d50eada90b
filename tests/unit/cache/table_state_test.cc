#include "cache/table_state.h"

#include <gtest/gtest.h>

#include <thread>

namespace sportello::cache {
namespace {

TEST(TableStates, GivesOneTableOneStateForEver) {
  TableStates tables;
  TableState& first = tables.of(1);
  for (Oid oid = 2; oid < 5'000; ++oid) tables.of(oid);
  EXPECT_EQ(&tables.of(1), &first);
  EXPECT_EQ(tables.size(), 4'999U);
}

TEST(TableStates, CountsTablesBeyondItsBoundAsAll) {
  TableStates tables(2);
  EXPECT_NE(&tables.of(1), &tables.all());
  EXPECT_NE(&tables.of(2), &tables.all());
  EXPECT_EQ(&tables.of(3), &tables.all());
  EXPECT_NE(&tables.of(1), &tables.all());
}

TEST(TableStates, ShowsEachTableOnce) {
  TableStates tables;
  for (const Oid oid : {7U, 8U, 7U, 1031U}) tables.of(oid);
  std::vector<Oid> seen;
  tables.for_each([&](Oid oid, const TableState&) { seen.push_back(oid); });
  std::sort(seen.begin(), seen.end());
  EXPECT_EQ(seen, (std::vector<Oid>{7, 8, 1031}));
}

TEST(TableStates, ManyThreadsMeetTheSameStates) {
  TableStates tables;
  std::vector<std::vector<TableState*>> met(4);
  std::vector<std::thread> threads;
  for (auto& mine : met) {
    threads.emplace_back([&tables, &mine] {
      for (Oid oid = 1; oid <= 3'000; ++oid) mine.push_back(&tables.of(oid));
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(tables.size(), 3'000U);
  for (const auto& mine : met) EXPECT_EQ(mine, met.front());
}

TEST(TableState, NeverGoesBackToAnOlderWrite) {
  TableState table;
  raise_last_write(table, 5);
  raise_last_write(table, 3);
  EXPECT_EQ(table.last_write.load(), 5U);
}

TEST(ReadNeeds, AreTheNewestOfSessionTablesAndUnknownWrites) {
  TableState a, b, all;
  raise_last_write(a, 3);
  raise_last_write(b, 5);
  const std::array<const TableState*, 2> tables{&a, &b};
  EXPECT_EQ(needs_of(tables, all, 1), (ReadNeeds{false, 5}));
  EXPECT_EQ(needs_of(tables, all, 7), (ReadNeeds{false, 7}));
  raise_last_write(all, 9);
  EXPECT_EQ(needs_of(tables, all, 7), (ReadNeeds{false, 9}));
  EXPECT_EQ(needs_of({}, all, 0), (ReadNeeds{false, 9}));
}

TEST(ReadNeeds, TellOfAnyFence) {
  TableState a, b, all;
  const std::array<const TableState*, 1> tables{&a};
  b.fences = 1;
  EXPECT_FALSE(needs_of(tables, all, 0).fenced);
  a.fences = 1;
  EXPECT_TRUE(needs_of(tables, all, 0).fenced);
  a.fences = 0;
  all.fences = 1;
  EXPECT_TRUE(needs_of(tables, all, 0).fenced);
}

}  // namespace
}  // namespace sportello::cache
