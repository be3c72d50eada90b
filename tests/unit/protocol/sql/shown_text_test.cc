#include "protocol/sql/shown_text.h"

#include <gtest/gtest.h>

namespace sportello::sql {
namespace {

std::string shown(std::string_view text, size_t most_bytes = 1000) {
  return shown_text(text, true, most_bytes);
}

TEST(ShownText, HasAPlaceholderForEveryLiteralAndParameter) {
  EXPECT_EQ(shown("SELECT * FROM t WHERE a = 42 AND b = 'x' AND c = $7"),
            "SELECT * FROM t WHERE a = $1 AND b = $2 AND c = $3");
  EXPECT_EQ(shown("SELECT E'a\\'b', U&'x', B'01', X'ff', N'n', $q$body$q$, 1.5e-3, -1"),
            "SELECT $1, $2, $3, $4, $5, $6, $7, -$8");
  EXPECT_EQ(shown("SELECT 'a'\n  'b', \"a 'name'\", t.\"c\" FROM t"),
            "SELECT $1, \"a 'name'\", t.\"c\" FROM t");
  EXPECT_EQ(shown("INSERT INTO t VALUES (1,'two'),( 3, NULL )"), "INSERT INTO t VALUES ($1,$2),( $3, NULL )");
}

// S29
TEST(ShownText, HidesWhatSecretsAreWrittenIn) {
  for (const char* text : {"ALTER ROLE bob PASSWORD 'hunter2'",
                           "CREATE USER bob WITH ENCRYPTED PASSWORD $$hunter2$$",
                           "SET app.token TO hunter2",
                           "SET app.token = hunter2",
                           "SET LOCAL app.token = other, hunter2",
                           "set session app.token to 'hunter2'",
                           "SELECT 1; SET app.token TO hunter2",
                           "ALTER ROLE bob SET app.token TO hunter2",
                           "ALTER ROLE ALL IN DATABASE d SET app.token = hunter2",
                           "ALTER DATABASE d SET app.token TO hunter2",
                           "ALTER SYSTEM SET app.token = hunter2",
                           "SELECT 1 /* hunter2 */ -- hunter2\n + 1",
                           "DO $x$ BEGIN PERFORM 'hunter2'; END $x$",
                           "SELECT 'hunter2",
                           "SELECT 1, E'hunter2\\",
                           "SELECT $q$hunter2",
                           "SELECT \"hunter2",
                           "SELECT /* hunter2",
                           "CREATE SUBSCRIPTION s CONNECTION 'password=hunter2' PUBLICATION p",
                           "CREATE USER MAPPING FOR u SERVER s OPTIONS (password 'hunter2')"}) {
    EXPECT_EQ(shown(text).find("hunter2"), std::string::npos) << text << " -> " << shown(text);
    EXPECT_FALSE(shown(text).empty()) << text;
  }
  // Where a backslash escapes, the string goes on behind the quote.
  EXPECT_EQ(shown_text("SELECT 'a\\' hunter2'", false, 1000), "SELECT $1");
}

TEST(ShownText, LeavesNamesWhereTheyAre) {
  EXPECT_EQ(shown("SET app.token TO hunter2; UPDATE t SET a = b WHERE c = d"),
            "SET app.token TO $1; UPDATE t SET a = b WHERE c = d");
  EXPECT_EQ(shown("SET ROLE bob"), "SET ROLE bob");
  EXPECT_EQ(shown("ALTER TABLE t RENAME TO u"), "ALTER TABLE t RENAME TO u");
  EXPECT_EQ(shown("ALTER TABLE t ALTER c SET DEFAULT 5"), "ALTER TABLE t ALTER c SET DEFAULT $1");
}

TEST(ShownText, IsOneLineWithoutComments) {
  EXPECT_EQ(shown("  SELECT\n\t1 -- one\n  , /* two */ 2 ;  "), "SELECT $1 , $2 ;");
  EXPECT_EQ(shown("SELECT 1 AS \"a\x1b[31m\nb\""), "SELECT $1 AS \"a [31m b\"");
  EXPECT_EQ(shown(""), "");
  EXPECT_EQ(shown("-- nothing"), "");
}

TEST(ShownText, IsCutBetweenTokens) {
  const std::string text = "SELECT alpha, beta, gamma FROM delta";
  EXPECT_EQ(shown(text, 100), text);
  EXPECT_EQ(shown(text, 20), "SELECT alpha,…");
  for (size_t most = 0; most < 50; ++most) {
    const std::string cut = shown(text, most);
    EXPECT_LE(cut.size(), std::max<size_t>(most, 3));
    EXPECT_TRUE(cut == text || cut.ends_with("…")) << cut;
  }
  EXPECT_EQ(shown("SELECT " + std::string(100'000, 'x'), 100), "SELECT…");
}

TEST(ShownText, EveryBeginningOfATextIsShownWithoutItsSecrets) {
  const std::string text =
      "SELECT 'hunter2', $q$hunter2$q$, E'\\'hunter2', \"n\" /* hunter2 */ FROM t; SET a.b TO hunter2";
  for (size_t size = 0; size <= text.size(); ++size) {
    EXPECT_EQ(shown(text.substr(0, size)).find("hunter"), std::string::npos) << text.substr(0, size);
  }
}

}  // namespace
}  // namespace sportello::sql
