#include "conf/userlist.h"

#include <gtest/gtest.h>

#include "tests/support/memory_files.h"

namespace sportello::conf {
namespace {

Userlist parse(std::string text) { return parse_userlist({.path = "users", .text = std::move(text)}); }

TEST(Userlist, SecretsAreKeptAsTheyStand) {
  const Userlist list = parse(
      "; a comment\n# another\n\n"
      "\"bob\" \"plain\"\n"
      "  \"eve\"\t\"md5d41d8cd98f00b204e9800998ecf8427e\" \"\"\r\n"
      "\"q\"\"uote\" \"a\"\"b \\ ; # c\" trailing words\n"
      "\"nobody\" \"\"\n"
      "\"scram\" \"SCRAM-SHA-256$4096:c2FsdA==$a=:b=\"");
  EXPECT_TRUE(list.diagnostics.empty());
  const std::map<std::string, std::string> expected = {{"bob", "plain"},
                                                       {"eve", "md5d41d8cd98f00b204e9800998ecf8427e"},
                                                       {"q\"uote", "a\"b \\ ; # c"},
                                                       {"nobody", ""},
                                                       {"scram", "SCRAM-SHA-256$4096:c2FsdA==$a=:b="}};
  EXPECT_EQ(list.secrets, expected);
}

TEST(Userlist, EveryBrokenLineIsToldAndNoneIsShown) {  // S29
  const Userlist list = parse("bob \"secret\"\n\"ok\" \"x\"\n\"eve\" secret\n\"open \"secret\n\"\" \"x\"\n");
  ASSERT_EQ(list.diagnostics.size(), 4U);
  EXPECT_EQ(list.diagnostics[0].headline(),
            "users:1:1: error: the user's name is expected here, in double quotes: \"user\" \"secret\"");
  EXPECT_EQ(list.diagnostics[1].at.line, 3U);
  EXPECT_EQ(list.diagnostics[1].at.column, 7U);
  for (const Diagnostic& diagnostic : list.diagnostics) EXPECT_TRUE(diagnostic.source_line.empty());
  EXPECT_TRUE(has_errors(list.diagnostics));
}

TEST(Userlist, OfTwoLinesForOneUserTheLastCounts) {
  const Userlist list = parse("\"bob\" \"old\"\n\"bob\" \"new\"\n");
  EXPECT_EQ(list.secrets.at("bob"), "new");
  ASSERT_EQ(list.diagnostics.size(), 1U);
  EXPECT_FALSE(has_errors(list.diagnostics));
}

TEST(Userlist, AHalfWrittenFileNeverInventsASecret) {  // F17
  const std::string text = "\"bob\" \"secret\"\n\"eve\" \"other\"\n";
  for (size_t length = 0; length < text.size(); ++length) {
    const Userlist list = parse(text.substr(0, length));
    for (const auto& [user, secret] : list.secrets) EXPECT_EQ(secret, user == "bob" ? "secret" : "other");
  }
}

TEST(Userlist, AFileThatCannotBeReadIsAnError) {
  const testing_support::MemoryFiles files;
  const Userlist list = load_userlist("none", files.reader());
  ASSERT_EQ(list.diagnostics.size(), 1U);
  EXPECT_EQ(list.diagnostics[0].headline(), "none: error: cannot be read: No such file or directory");
}

}  // namespace
}  // namespace sportello::conf
