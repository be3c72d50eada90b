#include "conf/ident_maps.h"

#include <gtest/gtest.h>

namespace sportello::conf {
namespace {

IdentMapsLoad parse(const std::string& text) { return parse_ident_maps({.path = "ident", .text = text}); }

TEST(IdentMaps, WithoutAMapBothNamesAreTheSame) {
  EXPECT_TRUE(IdentMaps().allows("", "bob", "bob"));
  EXPECT_FALSE(IdentMaps().allows("", "bob", "root"));
  EXPECT_FALSE(IdentMaps().allows("none", "bob", "bob"));
}

TEST(IdentMaps, AMapSaysWhoMayBeWhom) {
  const IdentMaps maps = *parse("# c\nm bob robert\nm bob admin\nother eve admin\n").maps;
  EXPECT_TRUE(maps.allows("m", "bob", "robert"));
  EXPECT_TRUE(maps.allows("m", "bob", "admin"));
  EXPECT_FALSE(maps.allows("m", "bob", "bob"));
  EXPECT_FALSE(maps.allows("m", "eve", "admin"));
}

TEST(IdentMaps, AnExpressionMatchesTheWholeNameAndGivesItsParentheses) {
  const IdentMaps maps = *parse("m /(.*)@example\\.com \\1\nm /svc-[0-9]+ service\n").maps;
  EXPECT_TRUE(maps.allows("m", "bob@example.com", "bob"));
  EXPECT_FALSE(maps.allows("m", "bob@example.com", "eve"));
  EXPECT_FALSE(maps.allows("m", "bob@example.com.evil", "bob"));
  EXPECT_TRUE(maps.allows("m", "svc-17", "service"));
  EXPECT_FALSE(maps.allows("m", "evil-svc-17", "service"));
  EXPECT_FALSE(maps.allows("m", std::string("bob@example.com\0x", 17), "bob"));
}

TEST(IdentMaps, BrokenLinesAreRefused) {
  for (const char* text : {"m bob", "m bob a b", "m /( x", "m /x \\1", "m bob,eve x", "m bob +role"}) {
    EXPECT_FALSE(parse(text).maps) << text;
    EXPECT_EQ(parse(text).diagnostics.size(), 1U) << text;
  }
}

}  // namespace
}  // namespace sportello::conf
