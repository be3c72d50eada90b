#include "cache/catalog_rows.h"

#include <gtest/gtest.h>

#include "cache/catalog_queries.h"

namespace sportello::cache {
namespace {

TEST(CatalogRows, ARowIsReadColumnByColumn) {
  CatalogRows rows;
  ASSERT_TRUE(add_relation(rows, {"16385", "2200", "t", "p", "u", "t", "16387", "10", std::nullopt}).ok());
  const RelationRow& relation = rows.relations.at(0);
  EXPECT_EQ(relation.oid, 16385U);
  EXPECT_EQ(relation.schema, 2200U);
  EXPECT_EQ(relation.name, "t");
  EXPECT_EQ(relation.kind, 'p');
  EXPECT_EQ(relation.persistence, 'u');
  EXPECT_TRUE(relation.row_security);
  EXPECT_EQ(relation.row_type, 16387U);
  EXPECT_EQ(relation.acl, "");
}

TEST(CatalogRows, ARowThatIsNotAsItShouldBeIsAnErrorAndAddsNothing) {
  CatalogRows rows;
  EXPECT_FALSE(add_inheritance(rows, {}).ok());
  EXPECT_FALSE(add_inheritance(rows, {"1"}).ok());
  EXPECT_FALSE(add_inheritance(rows, {"1", std::nullopt}).ok());
  EXPECT_FALSE(add_inheritance(rows, {"1", "2", "3"}).ok());
  EXPECT_FALSE(add_inheritance(rows, {"1", "x"}).ok());
  EXPECT_FALSE(add_inheritance(rows, {"1", "4294967296"}).ok());
  EXPECT_FALSE(add_namespace(rows, {"1", "public", "true"}).ok());
  EXPECT_FALSE(add_trigger(rows, {"1", ""}).ok());
  EXPECT_FALSE(add_expression(rows, {"1", "z", "t", "2"}).ok());
  EXPECT_TRUE(rows.inheritance.empty() && rows.namespaces.empty() && rows.triggers.empty() &&
              rows.expressions.empty());
}

TEST(CatalogRows, NoQueryTakesAnEmptyRow) {
  for (const CatalogQuery& query : kCatalogQueries) {
    CatalogRows rows;
    EXPECT_FALSE(query.add(rows, {}).ok()) << query.what;
  }
}

TEST(CatalogRows, TheVersionIsOfAllThatItIsMadeFrom) {
  CatalogRows one;
  CatalogRows other;
  ASSERT_TRUE(add_version(one, {"f", "app 1:2"}).ok());
  ASSERT_TRUE(add_version(other, {"t", "app 1:3"}).ok());
  EXPECT_NE(one.version, other.version);
  EXPECT_TRUE(other.has_event_triggers);
}

}  // namespace
}  // namespace sportello::cache
