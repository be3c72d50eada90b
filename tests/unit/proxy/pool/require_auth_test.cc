#include "proxy/pool/require_auth.h"

#include <gtest/gtest.h>

namespace sportello::proxy {
namespace {

TEST(RequireAuth, AllowsAllWhenNothingIsNamed) {
  const Result<RequireAuth> all = parse_require_auth("");
  ASSERT_TRUE(all.ok());
  EXPECT_TRUE(all->allows_none && all->allows_clear_text && all->allows_md5 && all->allows_scram);
  EXPECT_FALSE(all->allows_clear_text_unencrypted);
}

TEST(RequireAuth, AllowsJustWhatIsNamed) {
  const Result<RequireAuth> some = parse_require_auth("scram-sha-256, md5");
  ASSERT_TRUE(some.ok());
  EXPECT_TRUE(some->allows_md5 && some->allows_scram);
  EXPECT_FALSE(some->allows_none || some->allows_clear_text);
}

TEST(RequireAuth, AllowsAllButWhatIsExcluded) {
  const Result<RequireAuth> some = parse_require_auth("!none,!password");
  ASSERT_TRUE(some.ok());
  EXPECT_TRUE(some->allows_md5 && some->allows_scram);
  EXPECT_FALSE(some->allows_none || some->allows_clear_text || some->allows_clear_text_unencrypted);
}

TEST(RequireAuth, NamingPasswordAllowsItWithoutEncryption) {
  EXPECT_TRUE(parse_require_auth("password")->allows_clear_text_unencrypted);
  EXPECT_FALSE(parse_require_auth("!md5")->allows_clear_text_unencrypted);
}

TEST(RequireAuth, RefusesWhatLibpqRefuses) {
  for (const std::string_view text :
       {"gss", "md5,", ",md5", "md5,!none", "!md5,none", "md5,md5", "!md5,!md5", "!", "md5,,none", "MD5"}) {
    EXPECT_FALSE(parse_require_auth(text).ok()) << text;
  }
}

}  // namespace
}  // namespace sportello::proxy
