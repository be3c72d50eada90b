#include "protocol/auth/verifier_source.h"

#include <gtest/gtest.h>

#include <string>

namespace sportello::auth {
namespace {

const std::string kSecret(32, 's');

// S16
TEST(VerifierSource, ChallengesANameTheSameWayEveryTime) {
  const VerifierSource one(kSecret);
  const VerifierSource other_worker(kSecret);
  EXPECT_EQ(one.mock("anna").salt, other_worker.mock("anna").salt);
  EXPECT_NE(one.mock("anna").salt, one.mock("bruno").salt);
  EXPECT_NE(one.mock("anna").salt, VerifierSource(std::string(32, 't')).mock("anna").salt);
  EXPECT_EQ(one.mock("anna").salt.size(), kScramSaltBytes);
  EXPECT_EQ(one.mock("anna").iterations, kDefaultScramIterations);
}

// S16: a user whose password is stored in clear is challenged like one who does not exist.
TEST(VerifierSource, ChallengesAPlainPasswordLikeNobody) {
  VerifierSource source(kSecret);
  const ScramVerifier verifier = source.of_plain("anna", "pencil");
  EXPECT_EQ(verifier.salt, source.mock("anna").salt);
  EXPECT_EQ(verifier.iterations, source.mock("anna").iterations);
  EXPECT_TRUE(matches_scram_verifier(verifier, "pencil"));
}

TEST(VerifierSource, TellsUsersAndPasswordsApart) {
  VerifierSource source(kSecret, 1);
  source.of_plain("anna", "pencil");
  EXPECT_TRUE(matches_scram_verifier(source.of_plain("anna", "pen"), "pen"));
  EXPECT_FALSE(matches_scram_verifier(source.of_plain("anna", "pen"), "pencil"));
  EXPECT_EQ(source.of_plain("bruno", "pencil").salt, source.mock("bruno").salt);
}

TEST(VerifierSource, KeepsABoundedNumber) {
  VerifierSource source(kSecret, 1);
  for (size_t i = 0; i < VerifierSource::kMaxKept + 10; ++i) {
    const std::string password = std::to_string(i);
    EXPECT_TRUE(matches_scram_verifier(source.of_plain("anna", password), password));
  }
  EXPECT_TRUE(matches_scram_verifier(source.of_plain("anna", "0"), "0"));
}

}  // namespace
}  // namespace sportello::auth
