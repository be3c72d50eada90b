#include "proxy/pool/server_login.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "protocol/auth/scram_server.h"
#include "protocol/backend_messages.h"
#include "protocol/error_response.h"
#include "protocol/frame_decoder.h"
#include "protocol/startup_messages.h"
#include "protocol/wire.h"

namespace sportello::proxy {
namespace {

using namespace std::string_literals;

constexpr std::string_view kPassword = "correct horse";

auth::ScramVerifier verifier() {
  return auth::make_scram_verifier(auth::derive_scram_keys(kPassword, "salty", 2), "salty", 2);
}

// What a server can send, as one would write it down.
std::string authentication(Authentication code, std::string_view data = {}) {
  std::string out;
  append_authentication(out, code, data);
  return out;
}
std::string ok() { return authentication(Authentication::Ok); }
std::string asks_clear_text() { return authentication(Authentication::CleartextPassword); }
std::string asks_md5() { return authentication(Authentication::Md5Password, "\x01\x02\x03\x04"); }
std::string asks_scram() {
  return authentication(Authentication::Sasl, auth::ScramServer::mechanism_list(false));
}
std::string parameter(std::string_view name, std::string_view value) {
  std::string out;
  append_parameter_status(out, name, value);
  return out;
}
std::string key() {
  std::string out;
  append_backend_key_data(out, 42, "abcd");
  return out;
}
std::string ready(TransactionStatus status = TransactionStatus::Idle) {
  std::string out;
  append_ready_for_query(out, status);
  return out;
}
std::string error() {
  std::string out;
  append_error_response(out, Severity::Fatal,
                        {"3D000", "database \"x\" does not exist", "a detail", "a hint"});
  return out;
}

ServerLoginRequest request(ServerSecret secret = auth::PlainPassword{auth::SecretString(kPassword)}) {
  ServerLoginRequest made;
  made.user = "anna";
  made.database = "notai";
  made.secret = std::move(secret);
  return made;
}

// A server link without a socket.
struct Link {
  explicit Link(ServerLoginRequest made) : login(std::move(made)) {
    std::string startup;
    progress = login.start(startup);
  }

  // Each message in turn; what the last one was answered with.
  std::string receive(std::string_view messages) {
    std::string sent;
    WholeFrame frame;
    while (progress == LoginProgress::Waiting &&
           take_whole_frame(messages, ServerLogin::kMaxMessageLength, frame) == FrameStatus::Header) {
      sent.clear();
      progress = login.receive(frame.type, frame.body, sent);
      messages.remove_prefix(frame.total_bytes);
    }
    return sent;
  }

  std::string_view sqlstate() const {
    return progress == LoginProgress::Failed ? login.failure().error.sqlstate : "";
  }

  ServerLogin login;
  LoginProgress progress;
};

// The body of the only message in `bytes`.
std::string body_of(std::string_view bytes) {
  WholeFrame frame;
  EXPECT_EQ(take_whole_frame(bytes, ServerLogin::kMaxMessageLength, frame), FrameStatus::Header);
  EXPECT_EQ(frame.total_bytes, bytes.size());
  EXPECT_EQ(frame.type, 'p');
  return std::string(frame.body);
}

// Plays SCRAM up to our client-final-message and answers the server's last word.
std::string play_scram(Link& link, auth::ScramServer server, bool is_plus = false) {
  const std::string initial =
      body_of(link.receive(authentication(Authentication::Sasl, auth::ScramServer::mechanism_list(is_plus))));
  WireReader reader(initial);
  const std::string_view mechanism = reader.cstring();
  const std::string_view message = reader.bytes(reader.u32());
  EXPECT_TRUE(reader.complete());
  const Result<std::string> first = server.respond_first(mechanism, message);
  EXPECT_TRUE(first.ok());
  const std::string final = body_of(link.receive(authentication(Authentication::SaslContinue, *first)));
  const auto outcome = server.respond_final(final);
  EXPECT_TRUE(outcome.ok() && outcome->is_proven);
  return outcome->server_final;
}

TEST(ServerLogin, BeginsWithItsStartupMessage) {
  ServerLoginRequest made = request();
  made.parameters = {{"application_name", "portal"}, {"options", "-c geqo=off"}};
  ServerLogin login(std::move(made));
  std::string out;
  EXPECT_EQ(login.start(out), LoginProgress::Waiting);
  const StartupDecoded decoded = decode_startup_packet(out);
  ASSERT_EQ(decoded.status, StartupStatus::Done);
  const auto& startup = std::get<StartupMessage>(decoded.packet);
  EXPECT_EQ(startup.protocol, kProtocol30);
  EXPECT_EQ(startup.parameters,
            (std::vector<std::pair<std::string, std::string>>{{"user", "anna"},
                                                              {"database", "notai"},
                                                              {"application_name", "portal"},
                                                              {"options", "-c geqo=off"}}));
}

// S14
TEST(ServerLogin, SendsNoParameterThatWouldSmuggleAnother) {
  for (const auto& [name, value] :
       {std::pair("options"s, "x\0user\0postgres"s), std::pair("a\0b"s, "c"s), std::pair(""s, "x"s)}) {
    ServerLoginRequest made = request();
    made.parameters = {{name, value}};
    ServerLogin login(std::move(made));
    std::string out;
    EXPECT_EQ(login.start(out), LoginProgress::Failed);
    EXPECT_EQ(out, "");
  }
}

TEST(ServerLogin, TakesParametersAndKeyUntilReadyForQuery) {
  Link link(request());
  link.receive(ok() + parameter("TimeZone", "UTC") + parameter("server_version", "15.1") + key() +
               parameter("TimeZone", "Europe/Rome"));
  EXPECT_EQ(link.progress, LoginProgress::Waiting);
  link.receive(ready());
  ASSERT_EQ(link.progress, LoginProgress::Done);
  const ServerLoginResult& result = link.login.result();
  EXPECT_EQ(result.parameters, (std::vector<std::pair<std::string, std::string>>{
                                   {"TimeZone", "Europe/Rome"}, {"server_version", "15.1"}}));
  EXPECT_EQ(result.process_id, 42U);
  EXPECT_EQ(result.secret_key, "abcd");
}

TEST(ServerLogin, AnswersScramAndBelievesTheRightServer) {
  Link link(request());
  const std::string final = play_scram(link, auth::ScramServer({.verifier = verifier()}));
  link.receive(authentication(Authentication::SaslFinal, final) + ok() + ready());
  EXPECT_EQ(link.progress, LoginProgress::Done);
  ASSERT_TRUE(link.login.result().derived);
  EXPECT_EQ(link.login.result().derived->salt, "salty");
}

TEST(ServerLogin, LogsInWithTheKeysOfAClientsOwnExchange) {
  Link link(request(auth::derive_scram_keys(kPassword, "salty", 2)));
  const std::string final = play_scram(link, auth::ScramServer({.verifier = verifier()}));
  link.receive(authentication(Authentication::SaslFinal, final) + ok() + ready());
  EXPECT_EQ(link.progress, LoginProgress::Done);
  EXPECT_FALSE(link.login.result().derived);
}

TEST(ServerLogin, BindsScramToTheTlsLink) {
  ServerLoginRequest made = request();
  made.end_point_hash = "hash";
  made.require_auth.channel_binding = auth::ChannelBinding::Require;
  Link link(std::move(made));
  const std::string final =
      play_scram(link, auth::ScramServer({.verifier = verifier(), .end_point_hash = "hash"}), true);
  link.receive(authentication(Authentication::SaslFinal, final) + ok() + ready());
  EXPECT_EQ(link.progress, LoginProgress::Done);
}

TEST(ServerLogin, AnswersMd5FromPasswordAndFromHash) {
  const auth::SecretString hash = *auth::md5_hash(kPassword, "anna");
  const std::string expected = std::string(auth::md5_response(hash.view(), {1, 2, 3, 4})->view()) + '\0';
  for (const ServerSecret& secret : {ServerSecret(auth::PlainPassword{auth::SecretString(kPassword)}),
                                     ServerSecret(auth::Md5Hash{hash})}) {
    Link link(request(secret));
    EXPECT_EQ(body_of(link.receive(asks_md5())), expected);
    link.receive(ok() + ready());
    EXPECT_EQ(link.progress, LoginProgress::Done);
  }
}

// S20
TEST(ServerLogin, SendsAClearPasswordOnlyWhereNobodyListens) {
  Link open(request());
  EXPECT_EQ(open.receive(asks_clear_text()), "");
  EXPECT_EQ(open.sqlstate(), "08001");

  ServerLoginRequest over_tls = request();
  over_tls.is_private = true;
  Link encrypted(std::move(over_tls));
  EXPECT_EQ(body_of(encrypted.receive(asks_clear_text())), std::string(kPassword) + '\0');

  ServerLoginRequest allowed = request();
  allowed.require_auth = *parse_require_auth("password");
  Link configured(std::move(allowed));
  EXPECT_EQ(body_of(configured.receive(asks_clear_text())), std::string(kPassword) + '\0');
}

// S20: a hostile server asks for less than was agreed. Nothing derived from the password is sent.
TEST(ServerLogin, RefusesMethodsThatAreNotAllowed) {
  const std::vector<std::pair<std::string, std::string>> asked = {
      {"none", ok()}, {"password", asks_clear_text()}, {"md5", asks_md5()}, {"scram-sha-256", asks_scram()}};
  for (const auto& [allowed, unused] : asked) {
    for (const auto& [method, message] : asked) {
      ServerLoginRequest made = request();
      made.is_private = true;
      made.require_auth = *parse_require_auth(allowed);
      Link link(std::move(made));
      const std::string sent = link.receive(message);
      EXPECT_EQ(link.progress == LoginProgress::Waiting, method == allowed) << allowed << " asked " << method;
      if (method != allowed) {
        EXPECT_EQ(sent, "");
        EXPECT_EQ(link.sqlstate(), "08001");
      }
    }
  }
}

// S20
TEST(ServerLogin, RequiredChannelBindingTakesNothingLess) {
  for (const std::string& message : {ok(), asks_clear_text(), asks_md5(), asks_scram()}) {
    ServerLoginRequest made = request();
    made.is_private = true;
    made.end_point_hash = "hash";
    made.require_auth.channel_binding = auth::ChannelBinding::Require;
    Link link(std::move(made));
    EXPECT_EQ(link.receive(message), "");
    EXPECT_EQ(link.progress, LoginProgress::Failed);
  }
}

// S20
TEST(ServerLogin, AuthenticationOkDoesNotEndAScramExchange) {
  Link before(request());
  before.receive(asks_scram() + ok());
  EXPECT_EQ(before.sqlstate(), "08P01");

  Link between(request());
  play_scram(between, auth::ScramServer({.verifier = verifier()}));
  between.receive(ok());
  EXPECT_EQ(between.sqlstate(), "08P01");
}

// S20
TEST(ServerLogin, AWrongServerSignatureIsRefused) {
  for (const std::string_view final :
       {"v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "", "e=other-error"}) {
    Link link(request());
    play_scram(link, auth::ScramServer({.verifier = verifier()}));
    link.receive(authentication(Authentication::SaslFinal, final));
    EXPECT_EQ(link.progress, LoginProgress::Failed) << final;
  }
}

// S20: whoever has one proof could ask for a weaker one.
TEST(ServerLogin, GivesNoSecondProof) {
  const std::vector<std::string> asks = {asks_clear_text(), asks_md5(), asks_scram()};
  for (const std::string& first : asks) {
    for (const std::string& second : asks) {
      ServerLoginRequest made = request();
      made.is_private = true;
      Link link(std::move(made));
      EXPECT_NE(link.receive(first), "");
      EXPECT_EQ(link.receive(second), "");
      EXPECT_EQ(link.sqlstate(), "08P01");
    }
  }
}

// S22
TEST(ServerLogin, RefusesToAnswerWithoutASecretThatFits) {
  const auth::Md5Hash hash{*auth::md5_hash(kPassword, "anna")};
  const auth::ScramKeys keys = auth::derive_scram_keys(kPassword, "salty", 2);
  const std::vector<std::pair<ServerSecret, std::vector<std::string>>> cases = {
      {auth::NoPassword{}, {asks_clear_text(), asks_md5(), asks_scram()}},
      {auth::PlainPassword{}, {asks_clear_text(), asks_md5(), asks_scram()}},
      {hash, {asks_clear_text(), asks_scram()}},
      {keys, {asks_clear_text(), asks_md5()}}};
  for (const auto& [secret, messages] : cases) {
    for (const std::string& message : messages) {
      ServerLoginRequest made = request(secret);
      made.is_private = true;
      Link link(std::move(made));
      EXPECT_EQ(link.receive(message), "");
      EXPECT_EQ(link.sqlstate(), "08001");
    }
  }
}

TEST(ServerLogin, PassesTheServersOwnErrorOn) {
  for (const std::string& before : {""s, ok(), ok() + parameter("TimeZone", "UTC"), asks_scram()}) {
    Link link(request());
    link.receive(before + error());
    ASSERT_EQ(link.progress, LoginProgress::Failed);
    const Error sent = link.login.failure().as_sent();
    EXPECT_EQ(sent.sqlstate, "3D000");
    EXPECT_EQ(sent.message, "database \"x\" does not exist");
    EXPECT_EQ(sent.detail, "a detail");
    EXPECT_EQ(sent.hint, "a hint");
  }
}

// S21
TEST(ServerLogin, TakesAnErrorWithoutFields) {
  std::string sent;
  for (const std::string& body : {""s, "\0"s, "C3D"s, "C\0M\0\0"s, "XXXX"s}) {
    Link link(request());
    link.progress = link.login.receive('E', body, sent);
    ASSERT_EQ(link.progress, LoginProgress::Failed);
    EXPECT_EQ(link.login.failure().as_sent().sqlstate.size(), 5U);
    EXPECT_NE(link.login.failure().error.message, "");
  }
}

TEST(ServerLogin, PassesNoticesOver) {
  Link link(request());
  std::string sent;
  for (const std::string& message : {ok(), key(), ready()}) {
    EXPECT_EQ(link.login.receive('N', "whatever", sent), LoginProgress::Waiting);
    link.receive(message);
  }
  EXPECT_EQ(link.progress, LoginProgress::Done);
}

// S21: every message in every state, whole and cut short at every byte. Only what the table says goes on.
TEST(ServerLogin, EveryMessageInEveryStateGoesOnOrFails) {
  const std::vector<std::string> prefixes = {"", ok(), ok() + key(), asks_md5(), asks_scram()};
  for (const std::string& prefix : prefixes) {
    for (int type = 0; type < 256; ++type) {
      for (const std::string& body : {""s, "\0"s, "\0\0\0\0"s, "\0\0\0\x03"s,
                                      "\0\0\0\x05"
                                      "abcd"s,
                                      "\0\0\0\x0a"
                                      "SCRAM-SHA-256\0\0"s,
                                      "\0\0\0\x0b"
                                      "r=x,s=eA==,i=1"s,
                                      "\0\0\0\x0c"
                                      "v=x"s,
                                      "\0\0\0\x07"s, "\0\0\0\xff"s, "a\0b\0"s, "I"s}) {
        for (size_t size = 0; size <= body.size(); ++size) {
          Link link(request());
          link.receive(prefix);
          ASSERT_EQ(link.progress, LoginProgress::Waiting);
          std::string sent;
          const LoginProgress progress =
              link.login.receive(static_cast<char>(type), std::string_view(body).substr(0, size), sent);
          if (progress == LoginProgress::Failed) {
            EXPECT_EQ(sent, "");
            EXPECT_EQ(link.login.state(), ServerLogin::State::Failed);
          }
          EXPECT_EQ(progress == LoginProgress::Done, type == 'Z' &&
                                                         link.login.state() == ServerLogin::State::Done &&
                                                         size == 1 && body == "I");
        }
      }
    }
  }
}

TEST(ServerLogin, AFirstReadyForQueryInATransactionIsRefused) {
  for (const TransactionStatus status : {TransactionStatus::InBlock, TransactionStatus::Failed}) {
    Link link(request());
    link.receive(ok() + ready(status));
    EXPECT_EQ(link.sqlstate(), "08P01");
  }
  Link bare(request());
  bare.receive(ready());
  EXPECT_EQ(bare.sqlstate(), "08P01");
}

TEST(ServerLogin, HoldsABoundedNumberOfParameters) {
  Link many(request());
  many.receive(ok());
  for (size_t i = 0; i <= ServerLogin::kMaxParameters; ++i) {
    many.receive(parameter("p" + std::to_string(i), "v"));
  }
  EXPECT_EQ(many.sqlstate(), "08P01");

  Link large(request());
  large.receive(ok());
  for (int i = 0; i < 10; ++i) {
    large.receive(parameter("p", std::string(9'000, 'v')));
  }
  EXPECT_EQ(large.sqlstate(), "08P01");
}

}  // namespace
}  // namespace sportello::proxy
