#include "proxy/control/catalog_watch.h"

#include <gtest/gtest.h>

namespace sportello::proxy {
namespace {

TEST(CatalogWatch, ADatabaseWithReplicasToReadNeedsItsCatalog) {
  const conf::Config config;
  conf::Database database;
  EXPECT_FALSE(needs_catalog(config, database));
  database.replicas.emplace_back();
  EXPECT_TRUE(needs_catalog(config, database));
  database.routing = conf::Routing::Off;
  EXPECT_FALSE(needs_catalog(config, database));
}

TEST(CatalogWatch, CacheRulesNeedEveryCatalogUnlessThereIsNoCache) {
  conf::Config config;
  const conf::Database database;
  config.cache.rules.emplace_back();
  EXPECT_TRUE(needs_catalog(config, database));
  config.cache.max_memory = 0;
  EXPECT_FALSE(needs_catalog(config, database));
}

}  // namespace
}  // namespace sportello::proxy
