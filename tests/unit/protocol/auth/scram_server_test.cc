#include "protocol/auth/scram_server.h"

#include <gtest/gtest.h>

#include <string>
#include <tuple>

#include "protocol/auth/base64.h"
#include "protocol/auth/scram_client.h"

namespace sportello::auth {
namespace {

// RFC 7677 section 3.
constexpr std::string_view kClientFirst = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
constexpr std::string_view kServerNonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
constexpr std::string_view kServerFirst =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
constexpr std::string_view kClientFinal =
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
constexpr std::string_view kServerFinal = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

const ScramVerifier& pencil() {
  static const ScramVerifier verifier = [] {
    const std::string salt = *base64_decode("W22ZaJ0SNY7soEsUEjb6gQ==");
    return make_scram_verifier(derive_scram_keys("pencil", salt, 4096), salt, 4096);
  }();
  return verifier;
}

ScramServer::Settings settings(std::string end_point_hash = {}) {
  return {.verifier = pencil(),
          .is_doomed = false,
          .end_point_hash = std::move(end_point_hash),
          .nonce = std::string(kServerNonce)};
}

TEST(ScramServer, FollowsTheExampleOfItsRfc) {
  ScramServer server(settings());
  const Result<std::string> first = server.respond_first(kScramSha256, kClientFirst);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(*first, kServerFirst);
  const Result<ScramServer::Outcome> outcome = server.respond_final(kClientFinal);
  ASSERT_TRUE(outcome.ok());
  EXPECT_TRUE(outcome->is_proven);
  EXPECT_EQ(outcome->server_final, kServerFinal);
  EXPECT_EQ(outcome->keys.client_key.view(),
            derive_scram_keys("pencil", pencil().salt, 4096).client_key.view());
}

// S16
TEST(ScramServer, ADoomedExchangeLooksTheSameAndIsNeverProven) {
  ScramServer::Settings doomed = settings();
  doomed.is_doomed = true;
  ScramServer server(std::move(doomed));
  EXPECT_EQ(*server.respond_first(kScramSha256, kClientFirst), kServerFirst);
  const Result<ScramServer::Outcome> outcome = server.respond_final(kClientFinal);
  ASSERT_TRUE(outcome.ok());
  EXPECT_FALSE(outcome->is_proven);
  EXPECT_TRUE(outcome->server_final.empty());
}

TEST(ScramServer, OffersPlusOnlyWhereItCanBind) {
  using namespace std::string_literals;
  EXPECT_EQ(ScramServer::mechanism_list(false), "SCRAM-SHA-256\0\0"s);
  EXPECT_EQ(ScramServer::mechanism_list(true), "SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"s);
}

TEST(ScramServer, AnyFlippedBitOfTheProofIsNotProven) {
  const std::string good(kClientFinal);
  const size_t proof_at = good.find(",p=") + 3;
  const std::string proof = *base64_decode(good.substr(proof_at));
  for (size_t bit = 0; bit < proof.size() * 8; bit += 7) {
    std::string bad = proof;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    ScramServer server(settings());
    ASSERT_TRUE(server.respond_first(kScramSha256, kClientFirst).ok());
    const Result<ScramServer::Outcome> outcome =
        server.respond_final(good.substr(0, proof_at) + base64_encode(bad));
    ASSERT_TRUE(outcome.ok());
    EXPECT_FALSE(outcome->is_proven) << bit;
  }
}

struct FirstCase {
  std::string_view name;
  bool has_tls;
  std::string_view mechanism;
  std::string_view message;
  std::string_view sqlstate;  // empty: accepted
};

class ScramServerFirst : public testing::TestWithParam<FirstCase> {};

// S19
TEST_P(ScramServerFirst, IsJudgedAsByPostgres) {
  const FirstCase& c = GetParam();
  ScramServer server(settings(c.has_tls ? "hash" : ""));
  const Result<std::string> answer = server.respond_first(c.mechanism, c.message);
  EXPECT_EQ(answer.ok() ? "" : answer.error().sqlstate, c.sqlstate) << c.name;
}

INSTANTIATE_TEST_SUITE_P(
    Table, ScramServerFirst,
    testing::Values(
        FirstCase{"plain", false, kScramSha256, "n,,n=,r=abc", ""},
        FirstCase{"plain, y without TLS", false, kScramSha256, "y,,n=,r=abc", ""},
        FirstCase{"n over TLS", true, kScramSha256, "n,,n=,r=abc", ""},
        FirstCase{"extensions", false, kScramSha256, "n,,n=,r=abc,x=1,y=2", ""},
        FirstCase{"bound", true, kScramSha256Plus, "p=tls-server-end-point,,n=,r=abc", ""},
        FirstCase{"y over TLS is a downgrade", true, kScramSha256, "y,,n=,r=abc", "28000"},
        FirstCase{"PLUS without TLS", false, kScramSha256Plus, "p=tls-server-end-point,,n=,r=abc", "08P01"},
        FirstCase{"PLUS with n", true, kScramSha256Plus, "n,,n=,r=abc", "08P01"},
        FirstCase{"PLUS with y", true, kScramSha256Plus, "y,,n=,r=abc", "08P01"},
        FirstCase{"p without PLUS", true, kScramSha256, "p=tls-server-end-point,,n=,r=abc", "08P01"},
        FirstCase{"other binding", true, kScramSha256Plus, "p=tls-unique,,n=,r=abc", "08P01"},
        FirstCase{"unknown mechanism", false, "SCRAM-SHA-1", "n,,n=,r=abc", "08P01"},
        FirstCase{"no mechanism", false, "", "n,,n=,r=abc", "08P01"},
        FirstCase{"unknown flag", false, kScramSha256, "z,,n=,r=abc", "08P01"},
        FirstCase{"no flag", false, kScramSha256, ",,n=,r=abc", "08P01"},
        FirstCase{"authzid", false, kScramSha256, "n,a=x,n=,r=abc", "0A000"},
        FirstCase{"garbled authzid", false, kScramSha256, "n,x,n=,r=abc", "08P01"},
        FirstCase{"mandatory extension", false, kScramSha256, "n,,m=1,n=,r=abc", "0A000"},
        FirstCase{"no user", false, kScramSha256, "n,,r=abc", "08P01"},
        FirstCase{"no nonce", false, kScramSha256, "n,,n=", "08P01"},
        FirstCase{"empty nonce", false, kScramSha256, "n,,n=,r=", "08P01"},
        FirstCase{"unprintable nonce", false, kScramSha256,
                  "n,,n=,r=a\x01"
                  "b",
                  "08P01"},
        FirstCase{"trailing comma", false, kScramSha256, "n,,n=,r=abc,", "08P01"},
        FirstCase{"empty", false, kScramSha256, "", "08P01"},
        FirstCase{"a NUL", false, kScramSha256, std::string_view("n,,n=,r=abc\0", 12), "08P01"}));

TEST(ScramServer, RefusesEveryTruncatedFirstMessageWithoutItsNonce) {
  for (size_t size = 0; size <= std::string_view("n,,n=user,r=").size(); ++size) {
    ScramServer server(settings());
    EXPECT_FALSE(server.respond_first(kScramSha256, kClientFirst.substr(0, size)).ok()) << size;
  }
}

// S19
TEST(ScramServer, RefusesHugeMessages) {
  ScramServer first(settings());
  EXPECT_FALSE(first.respond_first(kScramSha256, "n,,n=,r=" + std::string(5000, 'a')).ok());
  ScramServer final(settings());
  ASSERT_TRUE(final.respond_first(kScramSha256, kClientFirst).ok());
  EXPECT_FALSE(final.respond_final(std::string(kClientFinal) + std::string(5000, 'a')).ok());
}

TEST(ScramServer, RefusesEveryTruncatedFinalMessage) {
  for (size_t size = 0; size < kClientFinal.size(); ++size) {
    ScramServer server(settings());
    ASSERT_TRUE(server.respond_first(kScramSha256, kClientFirst).ok());
    EXPECT_FALSE(server.respond_final(kClientFinal.substr(0, size)).ok()) << size;
  }
}

// S19
TEST(ScramServer, RefusesFinalMessagesThatAreNotOfThisExchange) {
  const std::string good(kClientFinal);
  const auto with = [&](std::string_view from, std::string_view to) {
    std::string text = good;
    return text.replace(text.find(from), from.size(), to);
  };
  for (const std::string& message :
       {with("c=biws", "c=eSws"), with("c=biws,", ""), with("k0,p=", "k1,p="), with("r=rOpr", "r=xOpr"),
        with(",p=", ",q="), with("p=dHzb", "p=dHz*"), with("p=dHzb", "p="), good + ",x=1", good + ",",
        std::string(kClientFirst), with("c=biws", "c=*")}) {
    ScramServer server(settings());
    ASSERT_TRUE(server.respond_first(kScramSha256, kClientFirst).ok());
    const Result<ScramServer::Outcome> outcome = server.respond_final(message);
    ASSERT_FALSE(outcome.ok()) << message;
    EXPECT_EQ(outcome.error().sqlstate, "08P01") << message;
  }
}

// S19: what one exchange proved proves nothing in the next, whose nonce is another.
TEST(ScramServer, RefusesAReplay) {
  ScramServer::Settings fresh = settings();
  fresh.nonce = make_scram_nonce();
  ScramServer server(std::move(fresh));
  ASSERT_TRUE(server.respond_first(kScramSha256, kClientFirst).ok());
  EXPECT_FALSE(server.respond_final(kClientFinal).ok());
}

// Our two sides with each other: every pair of what they know of channel binding.
TEST(Scram, BothSidesMeet) {
  for (const auto& [client_hash, server_hash] :
       {std::pair("", ""), std::pair("hash", "hash"), std::pair("hash", ""), std::pair("", "hash")}) {
    ScramServer server({.verifier = pencil(), .end_point_hash = server_hash});
    ScramClient client({.secret = PlainPassword{SecretString("pencil")}, .end_point_hash = client_hash});
    const auto initial = client.start(ScramServer::mechanism_list(*server_hash != '\0'));
    ASSERT_TRUE(initial.ok());
    EXPECT_EQ(initial->mechanism,
              *client_hash != '\0' && *server_hash != '\0' ? kScramSha256Plus : kScramSha256);
    const auto server_first = server.respond_first(initial->mechanism, initial->message);
    ASSERT_TRUE(server_first.ok());
    const auto client_final = client.respond(*server_first);
    ASSERT_TRUE(client_final.ok());
    const auto outcome = server.respond_final(*client_final);
    ASSERT_TRUE(outcome.ok() && outcome->is_proven);
    EXPECT_TRUE(client.verify(outcome->server_final).ok());
  }
}

// Pass-through: what a client proved to us is enough to log in to a server with the same verifier.
TEST(Scram, KeysFromOneExchangeOpenAnother) {
  ScramServer first(settings());
  ASSERT_TRUE(first.respond_first(kScramSha256, kClientFirst).ok());
  const ScramKeys keys = first.respond_final(kClientFinal)->keys;

  ScramServer second({.verifier = pencil()});
  ScramClient client({.secret = keys});
  const auto initial = client.start(ScramServer::mechanism_list(false));
  const auto outcome =
      second.respond_final(*client.respond(*second.respond_first(initial->mechanism, initial->message)));
  ASSERT_TRUE(outcome.ok() && outcome->is_proven);
  EXPECT_TRUE(client.verify(outcome->server_final).ok());
}

// Two TLS links with a certificate of his own: the man in the middle cannot pass the proof on.
TEST(Scram, AManInTheMiddleBreaksTheBinding) {
  ScramServer server({.verifier = pencil(), .end_point_hash = "our certificate"});
  ScramClient client({.secret = PlainPassword{SecretString("pencil")}, .end_point_hash = "his certificate"});
  const auto initial = client.start(ScramServer::mechanism_list(true));
  const auto outcome =
      server.respond_final(*client.respond(*server.respond_first(initial->mechanism, initial->message)));
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().sqlstate, "28000");
}

}  // namespace
}  // namespace sportello::auth
