#include "protocol/sql/fingerprint.h"

#include <gtest/gtest.h>

#include <string>

namespace sportello::sql {
namespace {

uint64_t print(std::string_view text) { return fingerprint_of(text); }

Shape measure(std::string_view text, bool standard_conforming_strings = true) {
  static std::string scratch;
  return measure_shape(text, standard_conforming_strings, scratch);
}

std::string repeat(std::string_view piece, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += piece;
  return all;
}

TEST(Fingerprint, IgnoresSpaceCommentsCaseAndTrailingSemicolons) {
  const uint64_t plain = print("select a from t where b = 1");
  EXPECT_EQ(print("SELECT\n a /* x */ FROM t -- y\nWHERE b=1;;"), plain);
  EXPECT_NE(print("select a from t where c = 1"), plain);
  EXPECT_NE(print("select a; from t where b = 1"), plain);
}

TEST(Fingerprint, TakesLiteralsAndParametersForTheSame) {
  const uint64_t plain = print("select a from t where b = $1");
  for (const char* value : {"1", "-1", "+ 1.5", "'x'", "E'\\''", "$$x$$", "B'1'", "U&'x'", "$27"}) {
    EXPECT_EQ(print(std::string("select a from t where b = ") + value), plain) << value;
  }
  EXPECT_NE(print("select a from t where b = null"), plain);
  EXPECT_NE(print("select a from t where b = - c"), plain);
}

TEST(Fingerprint, KeepsSubtractionApartFromNegativeNumbers) {
  EXPECT_NE(print("select a -1"), print("select a"));
  EXPECT_NE(print("select (a) - 1"), print("select (a) 1"));
  EXPECT_EQ(print("select -1"), print("select 1"));
  EXPECT_EQ(print("select 5 - -1"), print("select 5 - 1"));
}

TEST(Fingerprint, KeepsQuotedIdentifiersExactly) {
  EXPECT_NE(print("select \"A\""), print("select \"a\""));
  EXPECT_NE(print("select \"a\""), print("select a"));
  EXPECT_NE(print("select U&\"d!0061\" uescape '!'"), print("select U&\"d!0061\" uescape '?'"));
}

TEST(Fingerprint, ShortensListsOfLiterals) {
  const uint64_t one = print("select * from t where a in (1)");
  EXPECT_EQ(print("select * from t where a in (1,2)"), one);
  EXPECT_EQ(print("select * from t where a in ($1, $2, -3, 'x', null)"), one);
  EXPECT_NE(print("select * from t where a in (1, b)"), one);
  EXPECT_NE(print("select * from t where a in (1, 2 + b)"), one);
  EXPECT_NE(print("select * from t where a in (1,)"), one);
  EXPECT_NE(print("select * from t where a in ((1))"), one);
  EXPECT_EQ(print("select array[1,2,3]"), print("select array[1]"));
  EXPECT_NE(print("select f(1, 2)"), print("select f(1)"));
}

TEST(Fingerprint, ShortensRowsOfLiterals) {
  const uint64_t one = print("insert into t values (1, 'a')");
  EXPECT_EQ(print("insert into t values (1, 'a'), (2, 'b'), (3, null)"), one);
  EXPECT_NE(print("insert into t values (1, 'a'), (2, f())"), one);
  EXPECT_NE(print("insert into t values (1, 'a'), (2)"), one);
  EXPECT_NE(print("insert into t values (1)"), one);
  EXPECT_EQ(print("insert into t values (1), (2) returning a"),
            print("insert into t values (1) returning a"));
  EXPECT_NE(print("insert into t values (1), (f())"), print("insert into t values (1), (1)"));
  EXPECT_NE(print("insert into t values (1), "), print("insert into t values (1)"));
  EXPECT_NE(print("insert into t values (1), (2,"), print("insert into t values (1), (2"));
}

TEST(Shape, NeedsTwiceTheTextAtMost) {
  for (const char* text :
       {"a", ";;a", "((((", "1,1,1", "values(1),(1,1", "values(1),(", "in(1,1a", "-", "- -1", "\"a\";b;"}) {
    std::string scratch;
    EXPECT_LE(measure_shape(text, true, scratch).canonical.size(), 2 * std::string_view(text).size()) << text;
  }
}

TEST(Shape, WritesItsCanonicalTextOverTheLastOne) {
  std::string scratch;
  const std::string longer(measure_shape("select a, b, c from t", true, scratch).canonical);
  EXPECT_EQ(measure_shape("select 1", true, scratch).canonical, "\2select\1");
  EXPECT_EQ(measure_shape("SELECT a,b,c FROM t", true, scratch).canonical, longer);
}

TEST(Shape, MeasuresNestingAndWhatDeepens) {
  const Shape sum = measure("select 1" + repeat("+1", 100000));  // S62
  EXPECT_EQ(sum.deepening, 100001u);
  EXPECT_EQ(sum.nesting, 0u);
  const Shape brackets = measure("select " + repeat("(", 100000) + "1" + repeat(")", 100000));
  EXPECT_EQ(brackets.nesting, 100000u);
  EXPECT_TRUE(brackets.well_formed);
  EXPECT_EQ(measure("select * from t where a in (" + repeat("1,", 50000) + "1)").deepening, 3u);
  EXPECT_EQ(measure("select not not case when a is null then b::int[1] end").deepening, 7u);
}

TEST(Shape, SeesUnbalancedBracketsAndLexicalErrors) {
  EXPECT_TRUE(measure("select (a[1])").well_formed);
  for (const char* text : {"select (1", "select 1)", "select (1]", "select 'a", "select 1a", "select \\"}) {
    EXPECT_FALSE(measure(text).well_formed) << text;
  }
}

TEST(Shape, FollowsStandardConformingStrings) {
  EXPECT_TRUE(measure("select 'a\\'", true).well_formed);
  EXPECT_FALSE(measure("select 'a\\'", false).well_formed);
}

}  // namespace
}  // namespace sportello::sql
