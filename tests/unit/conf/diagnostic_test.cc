#include "conf/diagnostic.h"

#include <gtest/gtest.h>

namespace sportello::conf {
namespace {

TEST(Diagnostic, ShowsTheLineWithACaretUnderThePlace) {
  const Diagnostic diagnostic{
      .file = "a.toml", .at = {12, 8}, .message = "it is wrong", .source_line = "port = x"};
  EXPECT_EQ(diagnostic.to_string(),
            "a.toml:12:8: error: it is wrong\n"
            " 12 | port = x\n"
            "    |        ^");
}

TEST(Diagnostic, CountsCharactersAndKeepsTabsSoThatTheCaretStandsRight) {
  const Diagnostic diagnostic{.file = "f", .at = {1, 4}, .message = "m", .source_line = "\tè = x"};
  EXPECT_EQ(diagnostic.to_string(), "f:1:4: error: m\n 1 | \tè = x\n   | \t  ^");
}

TEST(Diagnostic, NeverSendsControlCharactersToATerminal) {  // S63
  const Diagnostic diagnostic{.file = "f", .at = {1, 1}, .message = "m", .source_line = "a\x1b[31mb"};
  EXPECT_EQ(diagnostic.to_string().find('\x1b'), std::string::npos);
  EXPECT_EQ(in_quotes("a\x1b[31m"), "\"a\\x1b[31m\"");
}

TEST(Diagnostic, ANearWordIsFoundAndAFarOneIsNot) {
  const std::vector<std::string_view> names = {"listen_port", "listen_addr", "pool_mode", "ttl"};
  EXPECT_EQ(nearest("listen_prot", names), "listen_port");
  EXPECT_EQ(nearest("listenaddr", names), "listen_addr");
  EXPECT_EQ(nearest("poolmode", names), "pool_mode");
  EXPECT_EQ(nearest("tll", names), "ttl");
  EXPECT_EQ(nearest("colour", names), "");
  EXPECT_EQ(nearest("", names), "");
  EXPECT_EQ(nearest(std::string(100'000, 'x'), names), "");
}

TEST(Diagnostic, FindsALineByItsNumber) {
  EXPECT_EQ(line_of("a\r\nb\nc", 1), "a");
  EXPECT_EQ(line_of("a\r\nb\nc", 3), "c");
  EXPECT_EQ(line_of("a\nb", 3), "");
  EXPECT_EQ(line_of("a\nb", 0), "");
}

}  // namespace
}  // namespace sportello::conf
