#include "cache/search_path.h"

#include <gtest/gtest.h>

namespace sportello::cache {
namespace {

using Path = std::vector<std::string>;

TEST(SearchPath, BeginsWithWhatIsAlwaysSearched) {
  EXPECT_EQ(effective_search_path("\"$user\", public", "alice"),
            (Path{"pg_temp", "pg_catalog", "alice", "public"}));
  EXPECT_EQ(effective_search_path("", "alice"), (Path{"pg_temp", "pg_catalog"}));
}

TEST(SearchPath, WhatIsNamedIsSearchedWhereItIsNamed) {
  EXPECT_EQ(effective_search_path("public, pg_catalog", "alice"), (Path{"pg_temp", "public", "pg_catalog"}));
  EXPECT_EQ(effective_search_path("public,pg_temp", "alice"), (Path{"pg_catalog", "public", "pg_temp"}));
}

TEST(SearchPath, PlainNamesAreFoldedAndQuotedOnesAreNot) {
  EXPECT_EQ(effective_search_path(" Sales ,\"Sales\"\t, \"a, \"\"b\"\"\" ", "alice"),
            (Path{"pg_temp", "pg_catalog", "sales", "Sales", "a, \"b\""}));
  EXPECT_EQ(effective_search_path("$user", "Alice"), (Path{"pg_temp", "pg_catalog", "Alice"}));
  EXPECT_EQ(effective_search_path("\"\"", "alice"), (Path{"pg_temp", "pg_catalog", ""}));
}

TEST(SearchPath, IsNothingIfItIsNoListOfNames) {
  for (const char* text : {",", "a,", "a,,b", "a b", "\"a", "\"a\"b", "\xc3\x84"}) {
    EXPECT_EQ(effective_search_path(text, "alice"), std::nullopt) << text;
  }
  EXPECT_EQ(effective_search_path(std::string(64, 'x'), "alice"), std::nullopt);
}

}  // namespace
}  // namespace sportello::cache
