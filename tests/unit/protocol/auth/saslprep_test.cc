#include "protocol/auth/saslprep.h"

#include <gtest/gtest.h>

#include <string>

#include "protocol/auth/scram.h"

namespace sportello::auth {
namespace {

std::string prepared(std::string_view password) { return std::string(saslprep(password).view()); }

TEST(Saslprep, LeavesAsciiAlone) {
  EXPECT_EQ(prepared("pencil"), "pencil");
  EXPECT_EQ(prepared(""), "");
  EXPECT_EQ(prepared("bell\a and tab\t"), "bell\a and tab\t");
}

// RFC 4013 section 3.
TEST(Saslprep, FollowsTheExamplesOfItsRfc) {
  EXPECT_EQ(prepared("I\u00ADX"), "IX");
  EXPECT_EQ(prepared("\u00AA"), "a");
  EXPECT_EQ(prepared("\u2168"), "IX");
}

TEST(Saslprep, TurnsOtherSpacesIntoSpace) {
  EXPECT_EQ(prepared("a\u00A0b\u3000c\u2009d"), "a b c d");
  EXPECT_EQ(prepared("a\u200Bb"), "a b");
}

TEST(Saslprep, ComposesWhatIsDecomposed) { EXPECT_EQ(prepared("e\u0301"), "\u00E9"); }

TEST(Saslprep, FallsBackToTheBytesOfAProhibitedPassword) {
  EXPECT_EQ(prepared("caf\u00E9\a"), "caf\u00E9\a");
  EXPECT_EQ(prepared("\uFDD0"), "\uFDD0");
  EXPECT_EQ(prepared("\uE000\u00AA"), "\uE000\u00AA");
  EXPECT_EQ(prepared("\u0627\u0031\u00AA"), "\u0627\u0031\u00AA");
  EXPECT_EQ(prepared("\u00AD"), "\u00AD");
  EXPECT_EQ(prepared("\U0001F600\u00AA"), "\U0001F600\u00AA");
}

TEST(Saslprep, FallsBackToTheBytesOfInvalidUtf8) {
  for (const std::string_view bytes :
       {"\xff", "a\xc2", "\xed\xa0\x80\xc2\xaa", "\xf4\x90\x80\x80", "\xc0\x80"}) {
    EXPECT_EQ(prepared(bytes), bytes);
  }
}

TEST(Saslprep, TakesLongText) {
  std::string text;
  std::string expected;
  for (int i = 0; i < 5000; ++i) {
    text += "\u00AA";
    expected += "a";
  }
  EXPECT_EQ(prepared(text), expected);
}

// Verifiers made by PostgreSQL 15 (CREATE ROLE ... PASSWORD): each password meets its own.
struct ServerMade {
  std::string_view password;
  std::string_view verifier;
};

class SaslprepVersusPostgres : public testing::TestWithParam<ServerMade> {};

TEST_P(SaslprepVersusPostgres, DerivesWhatTheServerStored) {
  const std::optional<ScramVerifier> verifier = parse_scram_verifier(GetParam().verifier);
  ASSERT_TRUE(verifier);
  EXPECT_TRUE(matches_scram_verifier(*verifier, GetParam().password));
  EXPECT_FALSE(matches_scram_verifier(*verifier, std::string(GetParam().password) + "x"));
}

INSTANTIATE_TEST_SUITE_P(
    Passwords, SaslprepVersusPostgres,
    testing::Values(
        ServerMade{"pencil",
                   "SCRAM-SHA-256$4096:LH1XnxqmuWeE8u6dtURieA==$owqrOUwo2JXNN0noNWPMlPbqjwWcJ0BgzyNvW8oxiYQ=:"
                   "94TIATU5xvEVH1Y68B1KvJtrBxsqMsXxi/22RfHSYGI="},
        ServerMade{"a\u00A0b",
                   "SCRAM-SHA-256$4096:rMXsyoQqZWxS330zLkbqFg==$8Ooc9FEuwwjJP3D4/XLkK7oR/eHBx043KUq3GZI5yi4=:"
                   "dN0n5RK0fg6tahUl9wEpHHiwkr0b9zkzdjMmXYW7q1I="},
        ServerMade{"a b",
                   "SCRAM-SHA-256$4096:rMXsyoQqZWxS330zLkbqFg==$8Ooc9FEuwwjJP3D4/XLkK7oR/eHBx043KUq3GZI5yi4=:"
                   "dN0n5RK0fg6tahUl9wEpHHiwkr0b9zkzdjMmXYW7q1I="},
        ServerMade{"\u2168\u00AA",
                   "SCRAM-SHA-256$4096:afeIj9FTAzsa7Ob68i6fmw==$BIAO52KSC92mfbqe1Pqh+vnJAGUq/pTAABxlN7KBmD4=:"
                   "+QYt9WG365jL03gvMmgXyOxqw6qMFZPWq0GbNmC32xo="},
        ServerMade{"I\u00ADX",
                   "SCRAM-SHA-256$4096:WWDYuZUhmjMcKy9tssAm0g==$VCtvGIVC9OGguLhBKPG2ETsQWkQrndH3vzpqwv/T4ck=:"
                   "YQ1PPtXK0E6tHgZW+xxgIg/zrrEKOaVLul5ieInZk5c="},
        ServerMade{"\U0001F600smile",
                   "SCRAM-SHA-256$4096:LvWYrk6q/XaGloOitBhrow==$ctKG6tspAyIcDPN/"
                   "8F/4xsCp73VyTGMQxPQtR0JZYpg=:Y+bkkAmaeiq47gvv0FTnNKZtdG46Yrsq28dMKgDKgTE="},
        ServerMade{"\U0001F130bc",
                   "SCRAM-SHA-256$4096:lYf1x9J4B7z3gN5GKjCcxA==$FuzEt7KziKaZRDbidkDyiuRgGYzv+qr5CHpHx/"
                   "cEpeo=:8JHMORpHof7eoAOkEYTQJnP6z2qtXY2yIaLB4m4+Bb8="},
        ServerMade{"\u0627\u0031",
                   "SCRAM-SHA-256$4096:vXErIB+Wi4fVk4OxLp8sPQ==$3+UaGUdW+Hiwx/"
                   "lBce4xfJo7gXSjxfgZIpKAk4NxoLw=:d9PUV869QrfELd7gYNJ/NElyqWBLVR+y8YyElWER4Ec="},
        ServerMade{"\u0627\u0031\u0628",
                   "SCRAM-SHA-256$4096:rqAmvQ+v2LGhv/vUfrwLPw==$6G0N16N2xBWf9VLvHB4sGSUdh0xPD8jq8pGvr9kCSc0=:"
                   "8Q4egNA0k9UdYU+E1iy6QDirLsvVKphO+Hg1Zvzlfxk="},
        ServerMade{"x\u0340",
                   "SCRAM-SHA-256$4096:bT8QXjY857EBBH4PgsX8EA==$2Ue1lBNp8eLx2BtWjZkQDP4PCJ5zXz9aJwdo+ldQh+I=:"
                   "URVIRRz1FslaXktkBPvbHag5HE5SafqW5/B4GaH4x98="},
        ServerMade{"\u0627\u00AD\uFDFA",
                   "SCRAM-SHA-256$4096:XI9KLqzOdScFo75FvY1Rgg==$sb7MDjOzBxmlWH+"
                   "AMpi4hqW1a99DDkhzX8GXWp/vPAc=:sHUxquzpt2f3V+OLcn40NlBy4QBa3YHYWCGYU9n5V7o="},
        ServerMade{"caf\u00E9\a",
                   "SCRAM-SHA-256$4096:Shz6iBqsJdJX8pS+uybtVw==$fXQxlbIU4SSCBX8COQRunRR7SgWPmRv3mYIzBlGrQ/"
                   "I=:JTWjBtyPSlune2oi6cSKVlKwjsz2xvV20pNLr/d4twg="}));

}  // namespace
}  // namespace sportello::auth
