#include "cache/catalog_load.h"

#include <gtest/gtest.h>

#include <map>

#include "cache/catalog_queries.h"

namespace sportello::cache {
namespace {

using Rows = std::vector<TextRow>;

// A database with one schema and one table.
Rows answer_to(const std::string& sql) {
  static const std::map<std::string, Rows> kAnswers = {
      {kCatalogChange, {{"10:10:", "1:2 3:4", "f"}}},
      {kCatalogQueries[0].sql, {{"2200", "public", "t"}}},
      {kCatalogQueries[1].sql, {{"16385", "2200", "t", "r", "p", "f", "16387", "10", std::nullopt}}},
      {kCatalogQueries[kCatalogQueries.size() - 1].sql, {{"f", "app 1:2"}}},
  };
  const auto known = kAnswers.find(sql);
  return known != kAnswers.end() ? known->second : Rows{};
}

TEST(CatalogLoad, AsksInOneTransactionAndBuildsACatalog) {
  CatalogLoad load;
  std::vector<std::string> asked;
  while (const auto question = load.next()) {
    asked.emplace_back(question->sql);
    ASSERT_TRUE(load.answered(answer_to(question->sql)).ok()) << question->sql;
  }
  ASSERT_EQ(asked.size(), kCatalogQueries.size() + 3);
  EXPECT_EQ(asked.front(), kBeginCatalog);
  EXPECT_EQ(asked[1], kCatalogChange);
  EXPECT_EQ(asked.back(), kEndCatalog);
  EXPECT_EQ(load.mark().seen, "10:10:");
  const CatalogRef catalog = std::move(load).build();
  ASSERT_NE(catalog->relation(16385), nullptr);
  EXPECT_EQ(catalog->name_of(16385), "public.t");
  EXPECT_NE(catalog->version(), 0U);
}

TEST(CatalogLoad, ARowThatIsNotAsItShouldBeEndsIt) {
  CatalogLoad load;
  ASSERT_TRUE(load.answered(Rows{}).ok());
  EXPECT_FALSE(load.answered(Rows{{"10:10:", std::nullopt, "f"}}).ok()) << "sums were asked for";
  ASSERT_TRUE(load.answered(answer_to(kCatalogChange)).ok());
  EXPECT_FALSE(load.answered(Rows{{"x"}}).ok());
}

TEST(CatalogLoad, AMarkHasThreeColumnsInOneRow) {
  EXPECT_FALSE(read_catalog_mark(Rows{}).ok());
  EXPECT_FALSE(read_catalog_mark(Rows{{"1", "2"}}).ok());
  EXPECT_FALSE(read_catalog_mark(Rows{{std::nullopt, "2", "f"}}).ok());
  const auto mark = read_catalog_mark(Rows{{"10:10:", std::nullopt, "t"}});
  ASSERT_TRUE(mark.ok());
  EXPECT_FALSE(mark->sums.has_value());
  EXPECT_TRUE(mark->is_standby);
}

}  // namespace
}  // namespace sportello::cache
