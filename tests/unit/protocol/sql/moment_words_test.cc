#include "protocol/sql/moment_words.h"

#include <gtest/gtest.h>

#include <string>

#include "protocol/sql/fingerprint.h"

namespace sportello::sql {
namespace {

bool is_flagged(std::string_view literal, bool standard_conforming_strings = true) {
  std::string scratch;
  return measure_shape("select " + std::string(literal), standard_conforming_strings, scratch).names_a_moment;
}

TEST(MomentWords, StandAloneInAnyCase) {
  for (const char* value : {"now", "NOW", " now ", "today", "Today 10:00", "10:00 today", "tomorrow",
                            "yesterday", "10now", "now()", "now+1", "2020-01-01 now", "\tTOMORROW\n"}) {
    EXPECT_TRUE(names_a_moment(value)) << value;
  }
  for (const char* value : {"", "no", "know", "nowhere", "knowhow", "todays", "w", "y", "ow", "day", "monday",
                            "epoch", "infinity", "n ow", "allballs"}) {
    EXPECT_FALSE(names_a_moment(value)) << value;
  }
}

TEST(MomentWords, AreFoundInLiteralsOfEveryForm) {
  for (const char* literal : {"'now'", "'''now'", "N'now'", "E'now'", "$$now$$", "$a$ today $a$",
                              "'now'::date", "'x', 'y', 'now'", "array['a', 'now']", "timestamp 'now'"}) {
    EXPECT_TRUE(is_flagged(literal)) << literal;
  }
  for (const char* literal : {"'no'", "now", "\"now\"", "now()", "'a' /* now */", "E'a\\n'", "E'a\\\\b'",
                              "'\\x'", "B'01'", "X'0f'", "'O''Brien'", "$1", "'C:\\known'"}) {
    EXPECT_FALSE(is_flagged(literal)) << literal;
  }
}

TEST(MomentWords, CountWhereTheyCouldBeSpelledOtherwise) {
  for (const char* literal : {"E'n\\x6fw'", "E'n\\157w'", "E'no\\w'", "E'\\u006eow'", "U&'\\006eow'",
                              "U&'!006eow' uescape '!'", "'no'\n'w'", "E'n'\n'ow'"}) {
    EXPECT_TRUE(is_flagged(literal)) << literal;
  }
  EXPECT_TRUE(is_flagged("'no\\w'", false));
  EXPECT_FALSE(is_flagged("'no\\w'", true));
  EXPECT_FALSE(is_flagged("'a\\nb'", false));
}

TEST(MomentWords, ChangeTheCanonicalTextButNotTheFingerprint) {
  std::string one;
  std::string two;
  const Shape plain = measure_shape("select * from t where a = 'x'", true, one);
  const Shape moment = measure_shape("select * from t where a = 'now'", true, two);
  EXPECT_EQ(plain.fingerprint, moment.fingerprint);
  EXPECT_NE(plain.canonical, moment.canonical);
}

}  // namespace
}  // namespace sportello::sql
