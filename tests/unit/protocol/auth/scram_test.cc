#include "protocol/auth/scram.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "protocol/auth/base64.h"

namespace sportello::auth {
namespace {

constexpr std::string_view kServerMade =
    "SCRAM-SHA-256$4096:LH1XnxqmuWeE8u6dtURieA==$owqrOUwo2JXNN0noNWPMlPbqjwWcJ0BgzyNvW8oxiYQ=:"
    "94TIATU5xvEVH1Y68B1KvJtrBxsqMsXxi/22RfHSYGI=";

TEST(Base64, GoesBothWays) {
  // RFC 4648 section 10.
  const std::vector<std::pair<std::string, std::string>> vectors = {{"", ""},
                                                                    {"f", "Zg=="},
                                                                    {"fo", "Zm8="},
                                                                    {"foo", "Zm9v"},
                                                                    {"foob", "Zm9vYg=="},
                                                                    {"fooba", "Zm9vYmE="},
                                                                    {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : vectors) {
    EXPECT_EQ(base64_encode(bytes), text);
    EXPECT_EQ(base64_decode(text), bytes);
  }
  const std::string random = random_bytes(255);
  EXPECT_EQ(base64_decode(base64_encode(random)), random);
}

TEST(Base64, RefusesWhatNoEncoderWrites) {
  for (const std::string_view text : {"Z", "Zg", "Zg=", "Zg===", "=", "====", "Zg==Zg==", "Zh==", "Zm9=",
                                      "Zm 9v", "Zm9v\n", "Zm-_", "Z=g="}) {
    EXPECT_FALSE(base64_decode(text)) << text;
  }
}

TEST(Scram, ReadsAndWritesTheVerifiersOfPostgres) {
  const std::optional<ScramVerifier> verifier = parse_scram_verifier(kServerMade);
  ASSERT_TRUE(verifier);
  EXPECT_EQ(verifier->iterations, 4096U);
  EXPECT_EQ(verifier->salt.size(), kScramSaltBytes);
  EXPECT_EQ(format_scram_verifier(*verifier), kServerMade);
  EXPECT_EQ(format_scram_verifier(
                make_scram_verifier(derive_scram_keys("pencil", verifier->salt, 4096), verifier->salt, 4096)),
            kServerMade);
}

TEST(Scram, RefusesEveryTruncatedVerifier) {
  for (size_t size = 0; size < kServerMade.size(); ++size) {
    EXPECT_FALSE(parse_scram_verifier(kServerMade.substr(0, size))) << size;
  }
  EXPECT_FALSE(parse_scram_verifier(std::string(kServerMade) + "="));
}

TEST(Scram, RefusesVerifiersWithBadParts) {
  const std::string good(kServerMade);
  const auto with = [&](std::string_view from, std::string_view to) {
    std::string text = good;
    return text.replace(text.find(from), from.size(), to);
  };
  for (const std::string& text : {with("SCRAM-SHA-256", "SCRAM-SHA-1"), with("4096", "0"), with("4096", "-1"),
                                  with("4096", "4096x"), with("4096", ""), with("4096", "2147483648"),
                                  with("LH1X", "LH*X"), with("owqr", "owq"), with("94TI", "94TI94TI")}) {
    EXPECT_FALSE(parse_scram_verifier(text)) << text;
  }
}

// A role may store any verifier for itself: its iteration count must not keep our thread busy.
TEST(Scram, AVerifierOfTooManyIterationsMatchesNothingAtOnce) {
  ScramVerifier verifier = *parse_scram_verifier(kServerMade);
  verifier.iterations = 2'000'000'000;
  EXPECT_FALSE(matches_scram_verifier(verifier, "pencil"));
}

TEST(Scram, NoncesArePrintableAndDiffer) {
  const std::string nonce = make_scram_nonce();
  EXPECT_EQ(nonce.size(), 24U);
  EXPECT_TRUE(is_scram_nonce(nonce));
  EXPECT_NE(nonce, make_scram_nonce());
  for (const std::string_view bad : {"", "a,b", "a b", "a\x7f", "a\x80", "a\n"}) {
    EXPECT_FALSE(is_scram_nonce(bad)) << bad;
  }
}

TEST(ScramAttributes, AreTakenInOrder) {
  ScramAttributes attributes("n=user,r=abc=,x=");
  EXPECT_EQ(attributes.take('n'), "user");
  EXPECT_EQ(attributes.take('r'), "abc=");
  EXPECT_FALSE(attributes.at_end());
  const auto last = attributes.take_any();
  ASSERT_TRUE(last);
  EXPECT_EQ(last->name, 'x');
  EXPECT_EQ(last->value, "");
  EXPECT_TRUE(attributes.at_end());
  EXPECT_FALSE(attributes.take_any());
}

TEST(ScramAttributes, RefuseWhatIsNoAttribute) {
  for (const std::string_view text : {"", "n", "=", "n,", "1=a", ",n=a", "nn=a", " n=a"}) {
    EXPECT_FALSE(ScramAttributes(text).take_any()) << text;
  }
  ScramAttributes trailing("n=a,");
  EXPECT_TRUE(trailing.take('n'));
  EXPECT_FALSE(trailing.at_end());
  EXPECT_FALSE(trailing.take_any());
}

}  // namespace
}  // namespace sportello::auth
