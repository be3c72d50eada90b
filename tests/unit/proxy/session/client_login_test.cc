#include "proxy/session/client_login.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "protocol/auth/scram_client.h"
#include "protocol/backend_messages.h"
#include "protocol/error_response.h"
#include "protocol/frame_decoder.h"
#include "protocol/wire.h"

namespace sportello::proxy {
namespace {

using namespace std::string_literals;

constexpr std::string_view kPassword = "correct horse";

auth::StoredSecret plain() { return auth::PlainPassword{auth::SecretString(kPassword)}; }
auth::StoredSecret md5() { return auth::Md5Hash{*auth::md5_hash(kPassword, "anna")}; }
auth::StoredSecret scram() {
  return auth::make_scram_verifier(auth::derive_scram_keys(kPassword, "salty", 2), "salty", 2);
}

ClientLoginRequest request(AuthMethod method, std::optional<auth::StoredSecret> secret) {
  ClientLoginRequest made;
  made.user = "anna";
  made.method = method;
  made.secret = std::move(secret);
  made.allows_clear_text = true;
  return made;
}

std::string initial_response(std::string_view mechanism, std::optional<std::string_view> data) {
  std::string body = std::string(mechanism) + '\0';
  WireWriter writer(body);
  writer.u32(data ? static_cast<uint32_t>(data->size()) : 0xffffffffU).bytes(data.value_or(""));
  return body;
}

struct Sent {
  char type;
  std::string body;
};

// A client connection without a socket: what it was sent, message by message.
struct Client {
  explicit Client(ClientLoginRequest made) : login(std::move(made), source) {
    std::string out;
    progress = login.start(out);
    keep(out);
  }

  void say(std::string_view body, char type = 'p') {
    std::string out;
    progress = login.receive(type, body, out);
    keep(out);
  }

  void keep(std::string_view out) {
    sent.clear();
    WholeFrame frame;
    while (take_whole_frame(out, 30'000, frame) == FrameStatus::Header) {
      sent.push_back({frame.type, std::string(frame.body)});
      out.remove_prefix(frame.total_bytes);
    }
    EXPECT_EQ(out, "");
  }

  // Authentication's code and data, or the error's SQLSTATE and message.
  std::string said(size_t at = 0) const {
    if (at >= sent.size()) {
      return "nothing";
    }
    if (sent[at].type == 'E') {
      const ErrorFields fields = decode_error_fields(sent[at].body);
      return std::string(fields.severity) + " " + std::string(fields.sqlstate) + " " +
             std::string(fields.message);
    }
    WireReader reader(sent[at].body);
    const uint32_t code = reader.u32();
    return "R" + std::to_string(code);
  }
  std::string data(size_t at = 0) const { return sent.at(at).body.substr(4); }

  auth::VerifierSource source{std::string(32, 's'), 2};
  ClientLogin login;
  LoginProgress progress;
  std::vector<Sent> sent;
};

// The whole SCRAM exchange with this password; what the last answer said.
std::string try_scram(Client& client, std::string_view password, std::string end_point_hash = {}) {
  auth::ScramClient scram({.secret = auth::PlainPassword{auth::SecretString(password)},
                           .end_point_hash = std::move(end_point_hash)});
  EXPECT_EQ(client.said(), "R10");
  const auto initial = scram.start(client.data());
  EXPECT_TRUE(initial.ok());
  client.say(initial_response(initial->mechanism, initial->message));
  EXPECT_EQ(client.said(), "R11");
  const auto response = scram.respond(client.data());
  EXPECT_TRUE(response.ok());
  client.say(*response);
  if (client.said() == "R12") {
    EXPECT_TRUE(scram.verify(client.data()).ok());
    return client.said(1);
  }
  return client.said();
}

std::string try_md5(Client& client, std::string_view password) {
  EXPECT_EQ(client.said(), "R5");
  auth::Md5Salt salt{};
  client.data().copy(salt.data(), salt.size());
  const auth::SecretString hash = *auth::md5_hash(password, "anna");
  client.say(std::string(auth::md5_response(hash.view(), salt)->view()) + '\0');
  return client.said();
}

std::string try_clear(Client& client, std::string_view password) {
  EXPECT_EQ(client.said(), "R3");
  client.say(std::string(password) + '\0');
  return client.said();
}

constexpr std::string_view kDenied = "FATAL 28P01 password authentication failed for user \"anna\"";

TEST(ClientLogin, TrustAsksNothing) {
  Client client(request(AuthMethod::Trust, std::nullopt));
  EXPECT_EQ(client.progress, LoginProgress::Done);
  EXPECT_EQ(client.said(), "R0");
}

TEST(ClientLogin, RejectAsksNothing) {
  Client client(request(AuthMethod::Reject, plain()));
  EXPECT_EQ(client.progress, LoginProgress::Failed);
  EXPECT_EQ(client.said(), "FATAL 28000 authentication failed for user \"anna\": host rejected");
}

TEST(ClientLogin, AnIdentityMatchesOrItDoesNot) {
  for (const auto& [method, name] :
       {std::pair(AuthMethod::Cert, "certificate"), std::pair(AuthMethod::Peer, "Peer")}) {
    ClientLoginRequest made = request(method, std::nullopt);
    EXPECT_EQ(Client(made).said(),
              "FATAL 28000 " + std::string(name) + " authentication failed for user \"anna\"");
    made.identity_matches = true;
    EXPECT_EQ(Client(made).said(), "R0");
  }
}

TEST(ClientLogin, ScramProvesBothSides) {
  Client client(request(AuthMethod::ScramSha256, scram()));
  EXPECT_EQ(try_scram(client, kPassword), "R0");
  EXPECT_EQ(client.progress, LoginProgress::Done);
  ASSERT_TRUE(client.login.scram_keys());
  EXPECT_EQ(client.login.scram_keys()->client_key.view(),
            auth::derive_scram_keys(kPassword, "salty", 2).client_key.view());
}

TEST(ClientLogin, ScramIsBoundToTheTlsLink) {
  ClientLoginRequest made = request(AuthMethod::ScramSha256, scram());
  made.end_point_hash = "hash";
  Client bound(made);
  EXPECT_EQ(try_scram(bound, kPassword, "hash"), "R0");
  Client intercepted(made);
  EXPECT_EQ(try_scram(intercepted, kPassword, "other"), "FATAL 28000 SCRAM channel binding check failed");
}

TEST(ClientLogin, ClearTextThatOpensAVerifierGivesItsKeys) {
  Client client(request(AuthMethod::Password, scram()));
  EXPECT_EQ(try_clear(client, kPassword), "R0");
  EXPECT_TRUE(client.login.scram_keys());
  Client wrong(request(AuthMethod::Password, scram()));
  EXPECT_EQ(try_clear(wrong, "wrong"), kDenied);
  EXPECT_FALSE(wrong.login.scram_keys());
}

TEST(ClientLogin, ClearTextIsNotAskedForInTheClear) {
  ClientLoginRequest made = request(AuthMethod::Password, plain());
  made.allows_clear_text = false;
  Client client(made);
  EXPECT_EQ(client.progress, LoginProgress::Failed);
  EXPECT_EQ(client.sent.at(0).type, 'E');
}

TEST(ClientLogin, TheMd5MethodAsksForScramWhereAVerifierIsStored) {
  Client hash(request(AuthMethod::Md5, md5()));
  EXPECT_EQ(try_md5(hash, kPassword), "R0");
  Client text(request(AuthMethod::Md5, plain()));
  EXPECT_EQ(try_md5(text, kPassword), "R0");
  Client verifier(request(AuthMethod::Md5, scram()));
  EXPECT_EQ(try_scram(verifier, kPassword), "R0");
}

TEST(ClientLogin, TheScramMethodFailsWithAnMd5HashAndDoesNotSayWhy) {
  Client client(request(AuthMethod::ScramSha256, md5()));
  EXPECT_EQ(try_scram(client, kPassword), kDenied);
  EXPECT_EQ(client.login.log_detail(), "User \"anna\" does not have a valid SCRAM secret.");
}

// S16, S17: nobody, no password, an empty one, an expired one, and a wrong one look alike.
TEST(ClientLogin, AUserWhoCannotLogInSeesTheSameMessagesAsOneWhoMistyped) {
  struct Case {
    std::optional<auth::StoredSecret> secret;
    bool is_expired;
    std::string_view password;
    std::string_view log_detail;
  };
  const auto cases = [](const auth::StoredSecret& good) {
    return std::vector<Case>{
        {std::nullopt, false, kPassword, "User \"anna\" does not exist."},
        {auth::NoPassword{}, false, kPassword, "User \"anna\" has no password assigned."},
        {auth::PlainPassword{}, false, kPassword, "User \"anna\" has no password assigned."},
        {good, true, kPassword, "User \"anna\" has an expired password."},
        {good, false, "wrong", "Password does not match."}};
  };
  for (const Case& c : cases(scram())) {
    ClientLoginRequest made = request(AuthMethod::ScramSha256, c.secret);
    made.is_expired = c.is_expired;
    Client client(made);
    EXPECT_EQ(try_scram(client, c.password), kDenied);
    EXPECT_EQ(client.login.log_detail(), c.log_detail);
    EXPECT_FALSE(client.login.scram_keys());
  }
  for (const Case& c : cases(plain())) {
    ClientLoginRequest made = request(AuthMethod::Md5, c.secret);
    made.is_expired = c.is_expired;
    made.mocks_md5 = true;
    Client client(made);
    EXPECT_EQ(try_md5(client, c.password), kDenied);
    EXPECT_EQ(client.login.log_detail(), c.log_detail);
  }
  for (const Case& c : cases(plain())) {
    ClientLoginRequest made = request(AuthMethod::Password, c.secret);
    made.is_expired = c.is_expired;
    Client client(made);
    EXPECT_EQ(try_clear(client, c.password), kDenied);
    EXPECT_EQ(client.login.log_detail(), c.log_detail);
  }
  Client nobody(request(AuthMethod::Md5, std::nullopt));
  EXPECT_EQ(try_scram(nobody, kPassword), kDenied);
}

// S16
TEST(ClientLogin, ChallengesOfANameStayTheSame) {
  const auto salt_of = [](std::optional<auth::StoredSecret> secret) {
    Client client(request(AuthMethod::ScramSha256, std::move(secret)));
    client.say(initial_response("SCRAM-SHA-256", "n,,n=,r=abc"));
    const std::string challenge = client.data();
    return challenge.substr(challenge.find(",s="));
  };
  EXPECT_EQ(salt_of(std::nullopt), salt_of(std::nullopt));
  EXPECT_EQ(salt_of(std::nullopt), salt_of(plain()));
}

// S18
TEST(ClientLogin, AnEmptyPasswordIsRefusedForEverybody) {
  for (const std::optional<auth::StoredSecret>& secret :
       {std::optional<auth::StoredSecret>(), std::optional(plain()), std::optional(scram())}) {
    Client client(request(AuthMethod::Password, secret));
    EXPECT_EQ(try_clear(client, ""), "FATAL 28P01 empty password returned by client");
  }
}

// S18, S09
TEST(ClientLogin, PasswordsAreBounded) {
  for (const size_t size : {size_t{1'023}, size_t{1'024}, ClientLogin::kMaxPasswordBytes}) {
    const std::string password(size, 'p');
    Client client(request(AuthMethod::Password, auth::PlainPassword{auth::SecretString(password)}));
    EXPECT_EQ(client.login.max_message_length(), ClientLogin::kMaxPasswordBytes + 5);
    EXPECT_EQ(try_clear(client, password), "R0") << size;
  }
  Client client(request(AuthMethod::Password, plain()));
  EXPECT_EQ(try_clear(client, std::string(ClientLogin::kMaxPasswordBytes + 1, 'p')),
            "FATAL 08P01 invalid message length");
}

TEST(ClientLogin, SaslMessagesAreBounded) {
  Client client(request(AuthMethod::ScramSha256, scram()));
  EXPECT_EQ(client.login.max_message_length(), auth::ScramServer::kMaxMessageBytes + 4);
  client.say(initial_response("SCRAM-SHA-256", "n,,n=,r=" + std::string(2'000, 'a')));
  EXPECT_EQ(client.said(), "FATAL 08P01 invalid message length");
}

// S23: what is stored, sent as if it were what was typed.
TEST(ClientLogin, AStoredHashOrVerifierOpensNothing) {
  const std::string hash(std::get<auth::Md5Hash>(md5()).text.view());
  const std::string verifier = auth::format_scram_verifier(std::get<auth::ScramVerifier>(scram()));
  Client clear_hash(request(AuthMethod::Password, md5()));
  EXPECT_EQ(try_clear(clear_hash, hash), kDenied);
  Client clear_verifier(request(AuthMethod::Password, scram()));
  EXPECT_EQ(try_clear(clear_verifier, verifier), kDenied);
  Client sent_hash(request(AuthMethod::Md5, md5()));
  sent_hash.say(hash + '\0');
  EXPECT_EQ(sent_hash.said(), kDenied);
  Client typed_verifier(request(AuthMethod::ScramSha256, scram()));
  EXPECT_EQ(try_scram(typed_verifier, verifier), kDenied);
}

TEST(ClientLogin, TakesTheMechanismFirstAndTheMessageLater) {
  Client client(request(AuthMethod::ScramSha256, scram()));
  client.say(initial_response("SCRAM-SHA-256", std::nullopt));
  EXPECT_EQ(client.said(), "R11");
  EXPECT_EQ(client.data(), "");
  auth::ScramClient side({.secret = auth::PlainPassword{auth::SecretString(kPassword)}});
  client.say(side.start("SCRAM-SHA-256\0\0"s)->message);
  client.say(*side.respond(client.data()));
  EXPECT_EQ(client.progress, LoginProgress::Done);
}

// S19: the final message where the first belongs, and rubbish in every place.
TEST(ClientLogin, BrokenMessagesAreProtocolViolations) {
  const std::string good = initial_response("SCRAM-SHA-256", "n,,n=,r=abc");
  std::vector<std::string> broken = {good + "x", initial_response("SCRAM-SHA-1", "n,,n=,r=abc"),
                                     initial_response("SCRAM-SHA-256", "c=biws,r=abc,p=AAAA")};
  for (size_t size = 0; size < good.size(); ++size) {
    broken.push_back(good.substr(0, size));
  }
  for (const std::string& body : broken) {
    Client client(request(AuthMethod::ScramSha256, scram()));
    client.say(body);
    EXPECT_EQ(client.progress, LoginProgress::Failed);
    EXPECT_EQ(client.login.error().sqlstate, "08P01");
  }
  for (const std::string& body : {""s, "unterminated"s, "two\0words\0"s, "\0\0"s}) {
    for (const AuthMethod method : {AuthMethod::Password, AuthMethod::Md5}) {
      Client client(request(method, plain()));
      client.say(body);
      EXPECT_EQ(client.login.error().sqlstate, "08P01");
    }
  }
}

TEST(ClientLogin, AnyOtherMessageIsAProtocolViolation) {
  for (int type = 0; type < 256; ++type) {
    if (type == 'p') {
      continue;
    }
    Client client(request(AuthMethod::ScramSha256, scram()));
    client.say(initial_response("SCRAM-SHA-256", "n,,n=,r=abc"), static_cast<char>(type));
    EXPECT_EQ(client.said(), "FATAL 08P01 expected SASL response, got message type " + std::to_string(type));
  }
}

}  // namespace
}  // namespace sportello::proxy
