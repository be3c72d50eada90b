#include "protocol/auth/password.h"

#include <gtest/gtest.h>

#include <string>

namespace sportello::auth {
namespace {

constexpr std::string_view kVerifier =
    "SCRAM-SHA-256$4096:LH1XnxqmuWeE8u6dtURieA==$owqrOUwo2JXNN0noNWPMlPbqjwWcJ0BgzyNvW8oxiYQ=:"
    "94TIATU5xvEVH1Y68B1KvJtrBxsqMsXxi/22RfHSYGI=";
// Made by PostgreSQL 15 for the role u_md5 with the password "md5 secret".
constexpr std::string_view kHash = "md5506dbff8d152e21c46cfa7334e282459";
constexpr Md5Salt kSalt = {1, 2, '\xff', 0};

TEST(StoredSecret, IsKnownByItsForm) {
  EXPECT_TRUE(std::holds_alternative<NoPassword>(parse_stored_secret("")));
  EXPECT_TRUE(std::holds_alternative<Md5Hash>(parse_stored_secret(kHash)));
  EXPECT_TRUE(std::holds_alternative<ScramVerifier>(parse_stored_secret(kVerifier)));
  for (const std::string_view plain : {"pencil", "md5", "md5506DBFF8D152E21C46CFA7334E282459",
                                       "SCRAM-SHA-256$", "md5506dbff8d152e21c46cfa7334e2824590"}) {
    EXPECT_TRUE(std::holds_alternative<PlainPassword>(parse_stored_secret(plain))) << plain;
  }
}

TEST(Password, Md5HashesAreThoseOfPostgres) { EXPECT_EQ(md5_hash("md5 secret", "u_md5")->view(), kHash); }

TEST(Password, OnlyTheRightClearPasswordPasses) {
  for (const std::string_view stored : {std::string_view("md5 secret"), kHash}) {
    const StoredSecret secret = parse_stored_secret(stored);
    EXPECT_TRUE(check_clear_password(secret, "u_md5", "md5 secret"));
    EXPECT_FALSE(check_clear_password(secret, "u_md5", "md5 secre"));
    EXPECT_FALSE(check_clear_password(secret, "u_md5", "md5 secret "));
    EXPECT_FALSE(check_clear_password(secret, "u_md5", ""));
  }
  EXPECT_FALSE(check_clear_password(parse_stored_secret(kHash), "other", "md5 secret"));
  EXPECT_TRUE(check_clear_password(parse_stored_secret(kVerifier), "u", "pencil"));
  EXPECT_FALSE(check_clear_password(parse_stored_secret(kVerifier), "u", "Pencil"));
}

TEST(Password, OnlyTheRightMd5ResponsePasses) {
  const SecretString response = *md5_response(kHash, kSalt);
  for (const std::string_view stored : {std::string_view("md5 secret"), kHash}) {
    const StoredSecret secret = parse_stored_secret(stored);
    EXPECT_TRUE(check_md5_response(secret, "u_md5", kSalt, response.view()));
    EXPECT_FALSE(check_md5_response(secret, "u_md5", {1, 2, 3, 4}, response.view()));
    EXPECT_FALSE(check_md5_response(secret, "u_md5", kSalt, ""));
    EXPECT_FALSE(check_md5_response(secret, "u_md5", kSalt, "md5 secret"));
  }
  EXPECT_FALSE(check_md5_response(parse_stored_secret(kVerifier), "u_md5", kSalt, response.view()));
}

// S23
TEST(Password, AStoredHashOrVerifierIsNoPassword) {
  EXPECT_FALSE(check_clear_password(parse_stored_secret(kHash), "u_md5", kHash));
  EXPECT_FALSE(check_md5_response(parse_stored_secret(kHash), "u_md5", kSalt, kHash));
  EXPECT_FALSE(check_clear_password(parse_stored_secret(kVerifier), "u", kVerifier));
  EXPECT_FALSE(check_md5_response(parse_stored_secret(kVerifier), "u", kSalt, kVerifier));
}

// S17, S18
TEST(Password, NoSecretAdmitsAnEmptyPassword) {
  EXPECT_FALSE(check_clear_password(NoPassword{}, "u", ""));
  EXPECT_FALSE(check_clear_password(PlainPassword{}, "u", ""));
  EXPECT_FALSE(check_clear_password(Md5Hash{*md5_hash("", "u")}, "u", ""));
  EXPECT_FALSE(check_md5_response(PlainPassword{}, "u", kSalt,
                                  md5_response(md5_hash("", "u")->view(), kSalt)->view()));
  const ScramVerifier of_empty = make_scram_verifier(derive_scram_keys("", "salt", 1), "salt", 1);
  EXPECT_FALSE(check_clear_password(of_empty, "u", ""));
}

// S18
TEST(Password, LongPasswordsCountToTheirLastByte) {
  for (const size_t size : {1023U, 1024U, 10'000U}) {
    const std::string password(size, 'p');
    std::string other = password;
    other.back() = 'q';
    const ScramVerifier verifier = make_scram_verifier(derive_scram_keys(password, "salt", 2), "salt", 2);
    for (const StoredSecret& secret :
         {StoredSecret(PlainPassword{SecretString(password)}),
          StoredSecret(Md5Hash{*md5_hash(password, "u")}), StoredSecret(verifier)}) {
      EXPECT_TRUE(check_clear_password(secret, "u", password));
      EXPECT_FALSE(check_clear_password(secret, "u", other));
    }
  }
}

TEST(SecretString, LeavesNothingBehindWhenItMoves) {
  SecretString secret("short");
  const char* in_place = secret.view().data();
  const SecretString moved = std::move(secret);
  EXPECT_EQ(moved.view(), "short");
  EXPECT_EQ(std::string_view(in_place, 5), std::string_view("\0\0\0\0\0", 5));
}

}  // namespace
}  // namespace sportello::auth
