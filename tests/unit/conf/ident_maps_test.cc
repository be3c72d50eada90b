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

TEST(IdentMaps, AllIsAnyoneUnlessItIsQuoted) {
  const IdentMaps maps = *parse("m root all\nm /adm-(.*) all\nq root \"all\"\n").maps;
  EXPECT_TRUE(maps.allows("m", "root", "bob"));
  EXPECT_TRUE(maps.allows("m", "adm-eve", "bob"));
  EXPECT_FALSE(maps.allows("m", "bob", "bob"));
  EXPECT_TRUE(maps.allows("q", "root", "all"));
  EXPECT_FALSE(maps.allows("q", "root", "bob"));
}

TEST(IdentMaps, WhatParenthesesTookIsNeverAKeyword) {
  const IdentMaps maps = *parse("m /(.*)@example\\.com \\1\n").maps;
  EXPECT_TRUE(maps.allows("m", "all@example.com", "all"));
  EXPECT_FALSE(maps.allows("m", "all@example.com", "bob"));
}

TEST(IdentMaps, ADatabaseUserMayBeAnExpression) {
  const IdentMaps maps = *parse("m root /app_[a-z]+\n").maps;
  EXPECT_TRUE(maps.allows("m", "root", "app_web"));
  EXPECT_FALSE(maps.allows("m", "root", "app_web2"));
  EXPECT_FALSE(maps.allows("m", "root", "my_app_web"));
  EXPECT_FALSE(maps.allows("m", "root", "/app_[a-z]+"));
  EXPECT_FALSE(maps.allows("m", "bob", "app_web"));
}

TEST(IdentMaps, BrokenLinesAreRefused) {
  for (const char* text : {"m bob", "m bob a b", "m /( x", "m /x \\1", "m bob,eve x", "m bob +role",
                           "m bob /(", "m bob all,eve"}) {
    EXPECT_FALSE(parse(text).maps) << text;
    EXPECT_EQ(parse(text).diagnostics.size(), 1U) << text;
  }
}

}  // namespace
}  // namespace sportello::conf
