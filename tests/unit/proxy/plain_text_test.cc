#include "proxy/plain_text.h"

#include <gtest/gtest.h>

namespace sportello::proxy {
namespace {

TEST(PlainText, LeavesCharactersAsTheyAre) {
  EXPECT_EQ(plain_text(""), "");
  EXPECT_EQ(plain_text("notai \"1\" {x=y}"), "notai \"1\" {x=y}");
  EXPECT_EQ(plain_text("perché Ω 🏛"), "perché Ω 🏛");
}

// S63
TEST(PlainText, WritesControlCharactersOut) {
  EXPECT_EQ(plain_text("a\x1b[31mred\n"), "a\\x1b[31mred\\x0a");
  EXPECT_EQ(plain_text(std::string("a\0b", 3)), "a\\x00b");
  EXPECT_EQ(plain_text("\x7f"), "\\x7f");
  EXPECT_EQ(plain_text("\xc2\x9b"), "\\xc2\\x9b") << "C1: CSI in one character";
}

TEST(PlainText, WritesOutWhatIsNotUtf8) {
  EXPECT_EQ(plain_text("\xff"), "\\xff");
  EXPECT_EQ(plain_text("caf\xe9!"), "caf\\xe9!") << "Latin-1";
  EXPECT_EQ(plain_text("\xe2\x82"), "\\xe2\\x82") << "cut";
  EXPECT_EQ(plain_text("\xe2\x82x"), "\\xe2\\x82x");
  EXPECT_EQ(plain_text("\xc0\xaf"), "\\xc0\\xaf") << "longer than needed";
  EXPECT_EQ(plain_text("\xed\xa0\x80"), "\\xed\\xa0\\x80") << "a surrogate";
  EXPECT_EQ(plain_text("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80") << "above the last code point";
}

TEST(PlainText, NeverMakesTwoNamesOne) { EXPECT_NE(plain_text("a\x1b"), plain_text("a\\x1b")); }

}  // namespace
}  // namespace sportello::proxy
