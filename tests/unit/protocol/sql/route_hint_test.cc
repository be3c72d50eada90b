#include "protocol/sql/route_hint.h"

#include <gtest/gtest.h>

#include <string>

#include "protocol/sql/facts_cache.h"

namespace sportello::sql {
namespace {

TEST(RouteHint, StandsAloneInItsComment) {
  EXPECT_EQ(hint_in_comment("sportello: primary"), RouteHint::Primary);
  EXPECT_EQ(hint_in_comment(" \n Sportello:\tREPLICA "), RouteHint::Replica);
  EXPECT_EQ(hint_in_comment("sportello:nocache"), RouteHint::NoCache);
  for (const char* comment :
       {"", "sportello", "sportello:", "sportello: ", "sportello: primary now", "primary",
        "sportello : primary", "x sportello: primary", "sportello: primaryx", "sport"}) {
    EXPECT_EQ(hint_in_comment(comment), RouteHint::None) << comment;
  }
}

TEST(RouteHint, GivesWayToAStrongerOne) {
  EXPECT_EQ(stronger(RouteHint::None, RouteHint::Replica), RouteHint::Replica);
  EXPECT_EQ(stronger(RouteHint::Replica, RouteHint::None), RouteHint::Replica);
  EXPECT_EQ(stronger(RouteHint::Replica, RouteHint::NoCache), RouteHint::NoCache);
  EXPECT_EQ(stronger(RouteHint::NoCache, RouteHint::Primary), RouteHint::Primary);
}

TEST(RouteHint, IsKeptApartFromTextsOfTheSameShape) {
  ShapeCache shapes;
  FactsCache cache(shapes, 1);
  const FactsPtr plain = cache.look_up("select a from t where b = 1");
  const FactsPtr hinted = cache.look_up("select a from t /* sportello: primary */ where b = 1");
  const FactsPtr again = cache.look_up("select a from t where b = 2 -- sportello: primary");
  EXPECT_EQ(plain->hint, RouteHint::None);
  EXPECT_EQ(hinted->hint, RouteHint::Primary);
  EXPECT_EQ(again, hinted);
  EXPECT_EQ(hinted->fingerprint, plain->fingerprint);
  EXPECT_EQ(cache.look_up("select a from t where b = 3 /* sportello: replica */")->hint, RouteHint::Replica);
  EXPECT_EQ(cache.look_up("select a from t where b = 4")->hint, RouteHint::None);
}

TEST(RouteHint, IsReadOfTextsThatNobodyUnderstands) {
  ShapeCache shapes;
  FactsCache cache(shapes, 1);
  EXPECT_EQ(cache.look_up("frobnicate /* sportello: replica */ a")->hint, RouteHint::Replica);
  EXPECT_EQ(cache.look_up("/* sportello: primary */")->hint, RouteHint::Primary);
  EXPECT_EQ(cache.look_up("select 1 /* sportello: primary")->hint, RouteHint::None);
}

}  // namespace
}  // namespace sportello::sql
