#include "protocol/auth/scram_client.h"

#include <gtest/gtest.h>

#include <string>

#include "protocol/auth/base64.h"
#include "protocol/auth/scram_server.h"

namespace sportello::auth {
namespace {

using namespace std::string_literals;

ScramClient::Settings settings() { return {.secret = PlainPassword{SecretString("pencil")}, .nonce = "abc"}; }

const std::string kPlainList = "SCRAM-SHA-256\0\0"s;
const std::string kBothLists = "SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"s;

TEST(ScramClient, PicksTheBestMechanismItCanBind) {
  ScramClient::Settings bound = settings();
  bound.end_point_hash = "hash";

  EXPECT_EQ(ScramClient(settings()).start(kPlainList)->message, "n,,n=,r=abc");
  EXPECT_EQ(ScramClient(settings()).start(kBothLists)->mechanism, kScramSha256);
  EXPECT_EQ(ScramClient(bound).start(kBothLists)->message, "p=tls-server-end-point,,n=,r=abc");
  EXPECT_EQ(ScramClient(bound).start(kBothLists)->mechanism, kScramSha256Plus);
  EXPECT_EQ(ScramClient(bound).start(kPlainList)->message, "y,,n=,r=abc");
  bound.channel_binding = ChannelBinding::Disable;
  EXPECT_EQ(ScramClient(bound).start(kBothLists)->message, "n,,n=,r=abc");
}

TEST(ScramClient, RefusesToGoOnWithoutTheBindingItRequires) {
  ScramClient::Settings required = settings();
  required.channel_binding = ChannelBinding::Require;
  EXPECT_FALSE(ScramClient(required).start(kBothLists).ok());
  required.end_point_hash = "hash";
  EXPECT_FALSE(ScramClient(required).start(kPlainList).ok());
  EXPECT_TRUE(ScramClient(required).start(kBothLists).ok());
}

TEST(ScramClient, RefusesListsItCannotUse) {
  for (const std::string& list : {""s, "\0"s, "SCRAM-SHA-1\0\0"s, "SCRAM-SHA-256"s, "SCRAM-SHA-256\0"s,
                                  "SCRAM-SHA-256\0\0x"s, "SCRAM-SHA-256-PLUS\0\0"s}) {
    EXPECT_FALSE(ScramClient(settings()).start(list).ok()) << list;
  }
}

struct FirstCase {
  std::string_view message;
  bool is_accepted;
};

class ScramClientFirst : public testing::TestWithParam<FirstCase> {};

// S19, S20
TEST_P(ScramClientFirst, IsAnsweredOnlyWhenItIsWellFormed) {
  ScramClient client(settings());
  ASSERT_TRUE(client.start(kPlainList).ok());
  EXPECT_EQ(client.respond(GetParam().message).ok(), GetParam().is_accepted) << GetParam().message;
}

INSTANTIATE_TEST_SUITE_P(
    Table, ScramClientFirst,
    testing::Values(FirstCase{"r=abcdef,s=c2FsdA==,i=1", true}, FirstCase{"r=abcdef,s=c2FsdA==,i=4096", true},
                    FirstCase{"r=abcdef,s=c2FsdA==,i=100000", true},
                    FirstCase{"r=abcdef,s=c2FsdA==,i=100001", false},
                    FirstCase{"r=abcdef,s=c2FsdA==,i=2147483647", false},
                    FirstCase{"r=abcdef,s=c2FsdA==,i=2147483648", false},
                    FirstCase{"r=abcdef,s=c2FsdA==,i=0", false}, FirstCase{"r=abcdef,s=c2FsdA==,i=-1", false},
                    FirstCase{"r=abcdef,s=c2FsdA==,i=", false}, FirstCase{"r=abcdef,s=c2FsdA==,i=1x", false},
                    FirstCase{"r=abcdef,s=c2FsdA==,i=1,x=y", false}, FirstCase{"r=abcdef,s=c2FsdA==", false},
                    FirstCase{"r=abcdef,s=,i=1", false}, FirstCase{"r=abcdef,s=*,i=1", false},
                    FirstCase{"r=abc,s=c2FsdA==,i=1", false}, FirstCase{"r=xyzdef,s=c2FsdA==,i=1", false},
                    FirstCase{"r=,s=c2FsdA==,i=1", false}, FirstCase{"m=1,r=abcdef,s=c2FsdA==,i=1", false},
                    FirstCase{"r=abc\x01,s=c2FsdA==,i=1", false}, FirstCase{"", false}));

// S20
TEST(ScramClient, BelievesNoServerThatDoesNotKnowTheVerifier) {
  for (const std::string_view final :
       {"", "v=", "v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "v=AAAA", "e=invalid-proof", "x=1"}) {
    ScramClient client(settings());
    ASSERT_TRUE(client.start(kPlainList).ok());
    ASSERT_TRUE(client.respond("r=abcdef,s=c2FsdA==,i=1").ok());
    EXPECT_FALSE(client.verify(final).ok()) << final;
  }
}

TEST(ScramClient, RefusesGarbageAfterTheServerSignature) {
  const ScramVerifier verifier = make_scram_verifier(derive_scram_keys("pencil", "salt", 1), "salt", 1);
  for (const std::string_view garbage : {"", ",", ",x=1", "="}) {
    ScramServer server({.verifier = verifier});
    ScramClient client(settings());
    const auto initial = client.start(kPlainList);
    const auto outcome =
        server.respond_final(*client.respond(*server.respond_first(initial->mechanism, initial->message)));
    EXPECT_EQ(client.verify(outcome->server_final + std::string(garbage)).ok(), garbage.empty()) << garbage;
  }
}

TEST(ScramClient, UsesEarlierKeysOnlyForTheSameSaltAndIterations) {
  ScramClient::Settings with_keys = settings();
  with_keys.derived = DerivedScramKeys{"salt", 2, derive_scram_keys("other", "salt", 2)};
  const auto final_for = [&](std::string_view challenge) {
    ScramClient client(with_keys);
    EXPECT_TRUE(client.start(kPlainList).ok());
    EXPECT_TRUE(client.respond(challenge).ok());
    return std::string(client.derived().keys.client_key.view());
  };
  EXPECT_EQ(final_for("r=abcdef,s=c2FsdA==,i=2"), derive_scram_keys("other", "salt", 2).client_key.view());
  EXPECT_EQ(final_for("r=abcdef,s=c2FsdA==,i=3"), derive_scram_keys("pencil", "salt", 3).client_key.view());
  EXPECT_EQ(final_for("r=abcdef,s=c2FsdDI=,i=2"), derive_scram_keys("pencil", "salt2", 2).client_key.view());
}

}  // namespace
}  // namespace sportello::auth
