#include "cache/catalog_slot.h"

#include <gtest/gtest.h>

#include "tests/unit/cache/catalog_fixture.h"

namespace sportello::cache {
namespace {

TEST(CatalogSlot, IsEmptyUntilSomethingIsPublished) {
  const CatalogSlot slot;
  CatalogReader reader;
  EXPECT_EQ(reader.current(slot, 0), nullptr);
}

TEST(CatalogSlot, ACatalogIsGoodForItsEpochAlone) {
  CatalogSlot slot;
  CatalogReader reader;
  const CatalogRef catalog = CatalogFixture().build();
  slot.publish(catalog, 3);
  EXPECT_EQ(reader.current(slot, 3), catalog);
  EXPECT_EQ(reader.current(slot, 4), nullptr);
  slot.publish(catalog, 4);
  EXPECT_EQ(reader.current(slot, 4), catalog);
  EXPECT_EQ(reader.current(slot, 3), nullptr);
}

TEST(CatalogSlot, WhatIsWithdrawnIsGone) {
  CatalogSlot slot;
  CatalogReader reader;
  slot.publish(CatalogFixture().build(), 0);
  EXPECT_NE(reader.current(slot, 0), nullptr);
  slot.withdraw();
  EXPECT_EQ(reader.current(slot, 0), nullptr);
}

// By whoever looks for the first time, too.
TEST(CatalogSlot, TheLastOfItsEpochIsKept) {
  CatalogSlot slot;
  CatalogReader seen;
  const CatalogRef catalog = CatalogFixture().build();
  slot.publish(catalog, 3);
  EXPECT_EQ(seen.last(slot, 3), catalog);
  slot.withdraw();
  CatalogReader fresh;
  for (CatalogReader* reader : {&seen, &fresh}) {
    EXPECT_EQ(reader->current(slot, 3), nullptr);
    EXPECT_EQ(reader->last(slot, 3), catalog);
    EXPECT_EQ(reader->last(slot, 4), nullptr);
  }
}

TEST(CatalogSlot, TheGenerationMovesWithEveryPublish) {
  CatalogSlot slot;
  const uint64_t before = slot.generation();
  slot.publish(nullptr, 0);
  EXPECT_NE(slot.generation(), before);
}

}  // namespace
}  // namespace sportello::cache
