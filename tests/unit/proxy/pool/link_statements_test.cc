#include "proxy/pool/link_statements.h"

#include <gtest/gtest.h>

namespace sportello::proxy {
namespace {

TEST(LinkStatements, HoldsWhatWasAddedUntilItIsRemoved) {
  LinkStatements held;
  EXPECT_FALSE(held.use(1));
  held.add(1);
  EXPECT_TRUE(held.use(1));
  held.remove(1);
  EXPECT_FALSE(held.use(1));
}

TEST(LinkStatements, GivesUpTheLeastRecentlyUsedWhenFull) {
  LinkStatements held;
  held.add(1);
  held.add(2);
  EXPECT_EQ(held.to_evict(3), std::nullopt);
  EXPECT_EQ(held.to_evict(2), 1U);
  held.use(1);
  EXPECT_EQ(held.to_evict(2), 2U);
}

TEST(LinkStatements, GivesUpNothingWhenEmptyWhateverTheLimit) {
  EXPECT_EQ(LinkStatements().to_evict(0), std::nullopt);
}

TEST(LinkStatements, UncertaintyDropsAllAndLastsUntilItIsCleared) {
  LinkStatements held;
  held.add(1);
  held.make_uncertain();
  EXPECT_FALSE(held.use(1));
  held.add(2);
  EXPECT_TRUE(held.uncertain());
  held.clear();
  EXPECT_FALSE(held.uncertain());
  EXPECT_EQ(held.size(), 0U);
}

TEST(LinkStatements, WhatWasSentUnseenCountsForItsBatchOnlyUntilItIsAnswered) {
  LinkStatements held;
  held.add_unseen(1);
  EXPECT_TRUE(held.use(1));
  held.end_batch();
  EXPECT_FALSE(held.use(1)) << "an error may have made the server skip it";
  EXPECT_TRUE(held.may_hold(1)) << "so that a Close goes before the next Parse";
  held.confirm(1);
  EXPECT_TRUE(held.use(1));
}

TEST(LinkStatements, WhatTheClientSentItselfCountsAtOnce) {
  LinkStatements held;
  held.add(1);
  held.end_batch();
  EXPECT_TRUE(held.use(1));
}

}  // namespace
}  // namespace sportello::proxy
