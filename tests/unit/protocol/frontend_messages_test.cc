#include "protocol/frontend_messages.h"

#include <gtest/gtest.h>

#include "protocol/frame_decoder.h"

namespace sportello {
namespace {

std::string body_of(const std::string& message) { return message.substr(kFrameHeaderBytes); }

// No front of a body, and no body with something behind it, is one.
template <typename Decode>
void only_the_whole(const std::string& body, Decode decode) {
  EXPECT_TRUE(decode(body).has_value());
  for (size_t size = 0; size < body.size(); size++) {
    EXPECT_FALSE(decode(std::string_view(body).substr(0, size)).has_value()) << size;
  }
  EXPECT_FALSE(decode(body + '\0').has_value());
}

TEST(FrontendMessages, Query) {
  std::string out;
  append_query(out, "SELECT 1");
  EXPECT_EQ(*decode_query(body_of(out)), "SELECT 1");
  only_the_whole(body_of(out), decode_query);
}

TEST(FrontendMessages, Parse) {
  std::string out;
  append_parse(out, "name", "SELECT $1", std::string_view("\0\1\0\0\0\x17", 6));
  const std::string body = body_of(out);
  const auto parse = decode_parse(body);
  ASSERT_TRUE(parse);
  EXPECT_EQ(parse->name, "name");
  EXPECT_EQ(parse->query, "SELECT $1");
  EXPECT_EQ(parse->parameter_types, std::string_view("\0\1\0\0\0\x17", 6));
  only_the_whole(body, decode_parse);
}

TEST(FrontendMessages, ParseWithMoreTypesThanItHasIsNone) {
  EXPECT_FALSE(decode_parse(std::string_view("a\0b\0\xff\xff\0\0\0\x17", 10)));
}

TEST(FrontendMessages, Targets) {
  for (const char kind : {'S', 'P'}) {
    std::string out;
    append_target(out, frontend::kDescribe, kind, "name");
    const std::string body = body_of(out);
    const auto target = decode_target(body);
    ASSERT_TRUE(target);
    EXPECT_EQ(target->kind, kind);
    EXPECT_EQ(target->name, "name");
    only_the_whole(body, decode_target);
  }
  EXPECT_FALSE(decode_target(std::string_view("Xname\0", 6)));
}

TEST(FrontendMessages, Execute) {
  const std::string body("portal\0\0\0\1\0", 11);
  const auto execute = decode_execute(body);
  ASSERT_TRUE(execute);
  EXPECT_EQ(execute->portal, "portal");
  EXPECT_EQ(execute->max_rows, 256U);
  only_the_whole(body, decode_execute);
}

TEST(FrontendMessages, BindPrefixIsThereAsSoonAsBothNamesAre) {
  const std::string front("portal\0statement\0\0\1rest", 23);
  for (size_t size = 0; size <= front.size(); size++) {
    const auto prefix = decode_bind_prefix(std::string_view(front).substr(0, size));
    ASSERT_EQ(prefix.has_value(), size >= 17) << size;
    if (prefix) {
      EXPECT_EQ(prefix->portal, "portal");
      EXPECT_EQ(prefix->statement, "statement");
      EXPECT_EQ(prefix->bytes, 17U);
    }
  }
}

TEST(FrontendMessages, WithoutABody) {
  std::string out;
  append_sync(out);
  append_terminate(out);
  append_password(out, "p");
  EXPECT_EQ(out, std::string("S\0\0\0\4X\0\0\0\4p\0\0\0\5p", 16));
}

}  // namespace
}  // namespace sportello
