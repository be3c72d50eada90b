#include "protocol/sql/lexer.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace sportello::sql {
namespace {

// Tokens as one readable line: kind letter, colon, text; tokens apart by a blank.
std::string tokens_of(std::string_view text, bool standard_conforming_strings = true) {
  constexpr char kLetters[] = {'w', 'q', 'u', 's', 'd', 'n', 'p', 'o', ',', '?', '!', '.'};
  Lexer lexer(text, standard_conforming_strings);
  std::string line;
  for (Token token = lexer.next(); token.kind != TokenKind::End; token = lexer.next()) {
    if (!line.empty()) line += ' ';
    line += kLetters[static_cast<size_t>(token.kind)];
    line += ':';
    line += token.text;
  }
  return line;
}

TEST(Lexer, CutsWordsNumbersAndPunctuation) {
  EXPECT_EQ(tokens_of("SELECT a.b, 42 FROM t_1;"), "w:SELECT w:a ,:. w:b ,:, n:42 w:FROM w:t_1 ,:;");
  EXPECT_EQ(tokens_of(""), "");
  EXPECT_EQ(tokens_of(" \t\r\n\f"), "");
}

TEST(Lexer, TakesHighBytesAndDollarsIntoIdentifiers) {
  EXPECT_EQ(tokens_of("perch\xc3\xa9 a$b $1a"), "w:perch\xc3\xa9 w:a$b !:$1a");
  EXPECT_EQ(tokens_of("\xff\xfe"), "w:\xff\xfe");
}

TEST(Lexer, ReadsNumbersAsPostgreSqlDoes) {
  EXPECT_EQ(tokens_of("1 1.5 .5 1. 1e5 1.5E-3 .5e+7"), "n:1 n:1.5 n:.5 n:1. n:1e5 n:1.5E-3 n:.5e+7");
  EXPECT_EQ(tokens_of("1..10"), "n:1 ,:.. n:10");
  EXPECT_EQ(tokens_of("0x1F 0b01 0o17 1_000"), "n:0x1F n:0b01 n:0o17 n:1_000");
  EXPECT_EQ(tokens_of("123abc"), "!:123abc");
  EXPECT_EQ(tokens_of("1e"), "!:1e");
  EXPECT_EQ(tokens_of("1__0"), "!:1__0");
}

TEST(Lexer, EndsPlainStringsAtTheirQuoteAndDoublesIt) {
  EXPECT_EQ(tokens_of("'a''b' 'c;d'"), "s:'a''b' s:'c;d'");
  EXPECT_EQ(tokens_of("'a\\' 'b'"), "s:'a\\' s:'b'");
  EXPECT_EQ(tokens_of("'open"), "!:'open");
}

TEST(Lexer, LetsBackslashesEscapeWhenStandardConformingStringsIsOff) {
  EXPECT_EQ(tokens_of("'a\\' 'z'", false), "s:'a\\' ' w:z !:'");
  EXPECT_EQ(tokens_of("n'a\\'b'", false), "s:n'a\\'b'");
  EXPECT_EQ(tokens_of("U&'a'", false), "!:U&'a'");
}

TEST(Lexer, ReadsEscapeStrings) {
  EXPECT_EQ(tokens_of("E'a\\'b' e'\\\\' x"), "s:E'a\\'b' s:e'\\\\' w:x");
  EXPECT_EQ(tokens_of("E'a\\"), "!:E'a\\");
  EXPECT_EQ(tokens_of("E 'a'"), "w:E s:'a'");
}

TEST(Lexer, ReadsBitHexNationalAndUnicodeStrings) {
  EXPECT_EQ(tokens_of("B'01' X'1F' N'a' U&'d\\0061'"), "s:B'01' s:X'1F' s:N'a' s:U&'d\\0061'");
  EXPECT_EQ(tokens_of("U & 'a' u&x"), "w:U o:& s:'a' w:u o:& w:x");
}

TEST(Lexer, DoublesNoQuoteInBitAndHexStrings) {
  EXPECT_EQ(tokens_of("X'1F'' 'c'"), "s:X'1F' s:' ' w:c !:'");
  EXPECT_EQ(tokens_of("b'0'\n'1'"), "s:b'0'\n'1'");
  EXPECT_EQ(tokens_of("x'\\'", false), "s:x'\\'");
}

TEST(Lexer, ReadsQuotedIdentifiers) {
  EXPECT_EQ(tokens_of("\"a\"\"b\" U&\"d!0061\" UESCAPE '!'"), "q:\"a\"\"b\" u:U&\"d!0061\" w:UESCAPE s:'!'");
  EXPECT_EQ(tokens_of("\"\""), "!:\"\"");
  EXPECT_EQ(tokens_of("\"open"), "!:\"open");
}

TEST(Lexer, ContinuesAStringBehindALineBreakOnly) {
  EXPECT_EQ(tokens_of("'a'\n 'b'"), "s:'a'\n 'b'");
  EXPECT_EQ(tokens_of("'a' 'b'"), "s:'a' s:'b'");
  EXPECT_EQ(tokens_of("'a' -- c\n  'b'"), "s:'a' -- c\n  'b'");
  EXPECT_EQ(tokens_of("'a' -- c 'b'"), "s:'a'");
  EXPECT_EQ(tokens_of("'a' /* c */\n'b'"), "s:'a' s:'b'");
  EXPECT_EQ(tokens_of("E'a'\n'\\''"), "s:E'a'\n'\\''");
  EXPECT_EQ(tokens_of("'a'\n''"), "s:'a'\n''");
}

TEST(Lexer, MatchesDollarTagsExactly) {
  EXPECT_EQ(tokens_of("$$a'b$$ $t$ $x$ $$ $t$"), "d:$$a'b$$ d:$t$ $x$ $$ $t$");
  EXPECT_EQ(tokens_of("$T$ $t$ $T$"), "d:$T$ $t$ $T$");
  EXPECT_EQ(tokens_of("$a$ $$a$"), "d:$a$ $$a$");
  EXPECT_EQ(tokens_of("$$ open"), "!:$$ open");
  EXPECT_EQ(tokens_of("a$$b$$"), "w:a$$b$$");
  EXPECT_EQ(tokens_of("$"), "?:$");
  EXPECT_EQ(tokens_of("$1 $23"), "p:$1 p:$23");
}

TEST(Lexer, SkipsCommentsAndNestsThem) {
  EXPECT_EQ(tokens_of("a -- b ' c\n d /* e /* f */ ' */ g"), "w:a w:d w:g");
  EXPECT_EQ(tokens_of("a /* b /* c */"), "w:a !: /* b /* c */");
  EXPECT_EQ(tokens_of("--"), "");
  EXPECT_EQ(tokens_of("/*/* a */*/b"), "w:b");
}

TEST(Lexer, EndsAnOperatorWhereACommentBegins) {
  EXPECT_EQ(tokens_of("a+--b\nc"), "w:a o:+ w:c");
  EXPECT_EQ(tokens_of("a*/*b*/c"), "w:a o:* w:c");
  EXPECT_EQ(tokens_of("a<@--b"), "w:a o:<@");
}

TEST(Lexer, LeavesTrailingSignsToNumbers) {
  EXPECT_EQ(tokens_of("a*-1"), "w:a o:* o:- n:1");
  EXPECT_EQ(tokens_of("a@-1"), "w:a o:@- n:1");
  EXPECT_EQ(tokens_of("a=-+-1"), "w:a o:= o:- o:+ o:- n:1");
  EXPECT_EQ(tokens_of("a->>'b' #>> c <-> d ?| e"), "w:a o:->> s:'b' o:#>> w:c o:<-> w:d o:?| w:e");
  EXPECT_EQ(tokens_of("a>=b <> c != d => e"), "w:a o:>= w:b o:<> w:c o:!= w:d o:=> w:e");
  EXPECT_EQ(tokens_of(std::string(63, '*')), "o:" + std::string(63, '*'));
  EXPECT_EQ(tokens_of(std::string(64, '*')), "!:" + std::string(64, '*'));
}

TEST(Lexer, KnowsCastsAndAssignments) {
  EXPECT_EQ(tokens_of("a::int b:=1 c[1:2]"), "w:a ,::: w:int w:b ,::= n:1 w:c ,:[ n:1 ,:: n:2 ,:]");
}

TEST(Lexer, RefusesNulEverywhere) {  // S62
  using namespace std::string_literals;
  for (const std::string& text : {"\0"s, "a \0 b"s, "'a\0'"s, "\"a\0\""s, "$$\0$$"s, "/*\0*/"s, "E'\\\0'"s}) {
    Lexer lexer(text);
    TokenKind last = TokenKind::End;
    for (Token token = lexer.next(); token.kind != TokenKind::End; token = lexer.next()) last = token.kind;
    EXPECT_EQ(last, TokenKind::Error) << ::testing::PrintToString(text);
  }
}

TEST(Lexer, TakesBytesThatSqlDoesNotKnowOneByOne) { EXPECT_EQ(tokens_of("\\ {"), "?:\\ ?:{"); }

// Tokens never overlap, never go backwards, and together with what lies between are the text: for every
// prefix of a text that holds each kind of token, and for random bytes.
void expect_tokens_in_order(std::string_view text, bool standard_conforming_strings) {
  Lexer lexer(text, standard_conforming_strings);
  const char* here = text.data();
  for (size_t count = 0;; ++count) {
    ASSERT_LE(count, text.size());
    const Token token = lexer.next();
    ASSERT_GE(token.text.data(), here);
    here = token.text.data() + token.text.size();
    ASSERT_LE(here, text.data() + text.size());
    if (token.kind == TokenKind::End) break;
    ASSERT_FALSE(token.text.empty());
  }
}

TEST(Lexer, SurvivesEveryTruncation) {
  const std::string text =
      "SELECT E'a\\'b' 'c'\n'd' U&\"x\" UESCAPE '!', $t$ $$ $t$, $1::int, 0x1F, 1.5e-3 /* a /* b */ */ -- c\n"
      "+-@- \"q\"\"r\" := .. N'n' B'0' X'F'";
  for (size_t size = 0; size <= text.size(); ++size) {
    const std::string cut = text.substr(0, size);  // a copy, so that ASan sees a read behind its end
    expect_tokens_in_order(cut, true);
    expect_tokens_in_order(cut, false);
  }
}

TEST(Lexer, SurvivesRandomBytes) {
  std::mt19937 random(7);
  constexpr std::string_view kAlphabet = "'\"$-/*\\\n eEuU&xXnN1.0;:([a\xc3\x00+@";
  for (int round = 0; round < 20000; ++round) {
    std::string text(random() % 24, ' ');
    for (char& c : text) c = kAlphabet[random() % kAlphabet.size()];
    expect_tokens_in_order(text, round % 2 == 0);
  }
}

TEST(Encoding, IsUnsafeWhereACharacterMayHoldAnAsciiByte) {
  for (std::string_view name :
       {"SJIS", "shift_jis", "SHIFT_JIS_2004", "BIG5", "GBK", "UHC", "GB18030", "JOHAB"}) {
    EXPECT_FALSE(encoding_is_ascii_safe(name)) << name;
  }
  for (std::string_view name : {"UTF8", "LATIN1", "SQL_ASCII", "EUC_JP", "WIN1252", "KOI8R"}) {
    EXPECT_TRUE(encoding_is_ascii_safe(name)) << name;
  }
}

TEST(Token, IsAWordInAnyCaseAndWithAnyOfItsBytes) {
  const auto first = [](std::string_view text) { return Lexer(text).next(); };
  EXPECT_TRUE(first("Current_USER").is_word("current_user"));
  EXPECT_TRUE(first("set_config").is_word("set_config"));
  EXPECT_TRUE(first("l4nd$").is_word("l4nd$"));
  EXPECT_FALSE(first("current\x7fuser").is_word("current_user"));
  EXPECT_FALSE(first("currents").is_word("current"));
  EXPECT_FALSE(first("'select'").is_word("select"));
}

}  // namespace
}  // namespace sportello::sql
