#include "proxy/session/client_login.h"

#include <algorithm>
#include <iterator>

#include "protocol/backend_messages.h"
#include "protocol/error_response.h"
#include "protocol/frontend_messages.h"
#include "protocol/invariant.h"
#include "protocol/sqlstate.h"
#include "protocol/wire.h"

namespace sportello::proxy {
namespace {

constexpr uint32_t kLengthWordBytes = 4;
constexpr uint32_t kNoInitialData = 0xffffffff;

struct PasswordMessage {
  std::string_view password;
};

std::optional<PasswordMessage> decode_password(std::string_view body) {
  WireReader reader(body);
  const std::string_view password = reader.cstring();
  return reader.complete() ? std::optional(PasswordMessage{password}) : std::nullopt;
}

struct SaslInitialResponse {
  std::string_view mechanism;
  std::optional<std::string_view> data;
};

std::optional<SaslInitialResponse> decode_sasl_initial(std::string_view body) {
  WireReader reader(body);
  SaslInitialResponse message;
  message.mechanism = reader.cstring();
  const uint32_t size = reader.u32();
  if (size != kNoInitialData) {
    message.data = reader.bytes(size);
  }
  return reader.complete() ? std::optional(message) : std::nullopt;
}

}  // namespace

struct ClientLogin::Transition {
  State from;
  Event event;
  State to;
  void (ClientLogin::*action)(std::string& out);
};

const ClientLogin::Transition ClientLogin::kTransitions[] = {
    {State::Start, Event::Admitted, State::Authenticated, &ClientLogin::send_ok},
    {State::Start, Event::ClearTextAsked, State::AwaitPassword, &ClientLogin::ask_clear_text},
    {State::Start, Event::Md5Asked, State::AwaitMd5Response, &ClientLogin::ask_md5},
    {State::Start, Event::SaslAsked, State::AwaitSaslInitial, &ClientLogin::ask_sasl},
    {State::Start, Event::Refused, State::Failed, &ClientLogin::send_error},

    {State::AwaitPassword, Event::Proven, State::Authenticated, &ClientLogin::send_ok},
    {State::AwaitPassword, Event::Refused, State::Failed, &ClientLogin::send_error},

    {State::AwaitMd5Response, Event::Proven, State::Authenticated, &ClientLogin::send_ok},
    {State::AwaitMd5Response, Event::Refused, State::Failed, &ClientLogin::send_error},

    {State::AwaitSaslInitial, Event::MechanismChosen, State::AwaitSaslFirst,
     &ClientLogin::send_empty_challenge},
    {State::AwaitSaslInitial, Event::Challenged, State::AwaitSaslFinal, &ClientLogin::send_challenge},
    {State::AwaitSaslInitial, Event::Refused, State::Failed, &ClientLogin::send_error},

    {State::AwaitSaslFirst, Event::Challenged, State::AwaitSaslFinal, &ClientLogin::send_challenge},
    {State::AwaitSaslFirst, Event::Refused, State::Failed, &ClientLogin::send_error},

    {State::AwaitSaslFinal, Event::SaslProven, State::Authenticated, &ClientLogin::send_sasl_final},
    {State::AwaitSaslFinal, Event::Refused, State::Failed, &ClientLogin::send_error},
};

ClientLogin::ClientLogin(ClientLoginRequest request, auth::VerifierSource& verifiers)
    : request_(std::move(request)), verifiers_(verifiers) {}

LoginProgress ClientLogin::start(std::string& out) { return enter(choose_challenge(), out); }

LoginProgress ClientLogin::receive(char type, std::string_view body, std::string& out) {
  return enter(judge(type, body), out);
}

uint32_t ClientLogin::max_message_length() const {
  const size_t body_bytes = is_sasl() ? auth::ScramServer::kMaxMessageBytes : kMaxPasswordBytes + 1;
  return static_cast<uint32_t>(body_bytes) + kLengthWordBytes;
}

// The one place that changes state. Events are made here from what arrived, so a pair that is not in the
// table is our mistake.
LoginProgress ClientLogin::enter(Event event, std::string& out) {
  const auto* found = std::find_if(
      std::begin(kTransitions), std::end(kTransitions),
      [&](const Transition& transition) { return transition.from == state_ && transition.event == event; });
  invariant(found != std::end(kTransitions), "each state's judge makes only the events the table has for it");
  state_ = found->to;
  (this->*found->action)(out);
  return state_ == State::Authenticated ? LoginProgress::Done
         : state_ == State::Failed      ? LoginProgress::Failed
                                        : LoginProgress::Waiting;
}

ClientLogin::Event ClientLogin::choose_challenge() {
  const auto refuse_identity = [this](std::string_view what) {
    return refuse({sqlstate::kInvalidAuthorization,
                   std::string(what) + " authentication failed for user \"" + request_.user + "\""});
  };
  switch (request_.method) {
    case AuthMethod::Trust:
      return Event::Admitted;
    case AuthMethod::Reject:
      return refuse({sqlstate::kInvalidAuthorization,
                     "authentication failed for user \"" + request_.user + "\": host rejected"});
    case AuthMethod::Cert:
      return request_.identity_matches ? Event::Admitted : refuse_identity("certificate");
    case AuthMethod::Peer:
      return request_.identity_matches ? Event::Admitted : refuse_identity("Peer");
    case AuthMethod::Password:
      return request_.allows_clear_text
                 ? Event::ClearTextAsked
                 : refuse({sqlstate::kInvalidAuthorization,
                           "password authentication in clear text is allowed only on encrypted connections"});
    case AuthMethod::Md5:
      return choose_md5_or_sasl();
    case AuthMethod::ScramSha256:
      return Event::SaslAsked;
  }
  invariant(false, "all methods are listed");
  return Event::Refused;
}

ClientLogin::Event ClientLogin::choose_md5_or_sasl() {
  if (!request_.secret || std::holds_alternative<auth::NoPassword>(*request_.secret)) {
    return request_.mocks_md5 ? Event::Md5Asked : Event::SaslAsked;
  }
  return std::holds_alternative<auth::ScramVerifier>(*request_.secret) ? Event::SaslAsked : Event::Md5Asked;
}

ClientLogin::Event ClientLogin::judge(char type, std::string_view body) {
  if (type != frontend::kPassword) {
    return refuse({sqlstate::kProtocolViolation,
                   std::string("expected ") + (is_sasl() ? "SASL" : "password") +
                       " response, got message type " + std::to_string(static_cast<uint8_t>(type))});
  }
  if (body.size() + kLengthWordBytes > max_message_length()) {
    return refuse({sqlstate::kProtocolViolation, "invalid message length"});
  }
  switch (state_) {
    case State::AwaitPassword:
      return judge_password(body);
    case State::AwaitMd5Response:
      return judge_md5_response(body);
    case State::AwaitSaslInitial:
      return judge_sasl_initial(body);
    case State::AwaitSaslFirst:
      return judge_sasl_first(body);
    case State::AwaitSaslFinal:
      return judge_sasl_final(body);
    case State::Start:
    case State::Authenticated:
    case State::Failed:
      break;
  }
  invariant(false, "messages are received only while a login is waiting for one");
  return Event::Refused;
}

ClientLogin::Event ClientLogin::judge_password(std::string_view body) {
  const std::optional<PasswordMessage> message = decode_password(body);
  if (!message) {
    return refuse({sqlstate::kProtocolViolation, "invalid password packet size"});
  }
  if (message->password.empty()) {
    return refuse({sqlstate::kInvalidPassword, "empty password returned by client"});
  }
  // For a user who does not exist the same work is done, against a verifier that nothing matches.
  const bool has_secret = request_.secret && !std::holds_alternative<auth::NoPassword>(*request_.secret);
  const auth::StoredSecret secret =
      has_secret ? *request_.secret : auth::StoredSecret(verifiers_.mock(request_.user));
  bool is_right = false;
  if (const auto* verifier = std::get_if<auth::ScramVerifier>(&secret)) {
    scram_keys_ = auth::unlock_scram_verifier(*verifier, message->password);
    is_right = scram_keys_.has_value();
  } else {
    is_right = auth::check_clear_password(secret, request_.user, message->password);
  }
  if (!is_right || is_doomed()) {
    scram_keys_.reset();
    return refuse_password(is_doomed() ? why_doomed() : "Password does not match.");
  }
  return Event::Proven;
}

ClientLogin::Event ClientLogin::judge_md5_response(std::string_view body) {
  const std::optional<PasswordMessage> message = decode_password(body);
  if (!message) {
    return refuse({sqlstate::kProtocolViolation, "invalid password packet size"});
  }
  if (message->password.empty()) {
    return refuse({sqlstate::kInvalidPassword, "empty password returned by client"});
  }
  const auth::StoredSecret secret =
      request_.secret ? *request_.secret : auth::PlainPassword{auth::SecretString("nobody's")};
  const bool is_right = auth::check_md5_response(secret, request_.user, md5_salt_, message->password);
  if (!is_right || is_doomed()) {
    return refuse_password(is_doomed() ? why_doomed() : "Password does not match.");
  }
  return Event::Proven;
}

ClientLogin::Event ClientLogin::judge_sasl_initial(std::string_view body) {
  const std::optional<SaslInitialResponse> message = decode_sasl_initial(body);
  if (!message) {
    return refuse({sqlstate::kProtocolViolation, "invalid SASLInitialResponse message"});
  }
  mechanism_ = message->mechanism;
  return message->data ? judge_sasl_first(*message->data) : Event::MechanismChosen;
}

ClientLogin::Event ClientLogin::judge_sasl_first(std::string_view message) {
  Result<std::string> challenge = scram_->respond_first(mechanism_, message);
  if (!challenge) {
    return refuse(challenge.error());
  }
  reply_ = std::move(challenge).value();
  return Event::Challenged;
}

ClientLogin::Event ClientLogin::judge_sasl_final(std::string_view message) {
  Result<auth::ScramServer::Outcome> outcome = scram_->respond_final(message);
  if (!outcome) {
    return refuse(outcome.error());
  }
  if (!outcome->is_proven) {
    return refuse_password(is_doomed() ? why_doomed() : "Password does not match.");
  }
  // Keys of a verifier of our own making fit no server, and its password is known.
  if (std::holds_alternative<auth::ScramVerifier>(*request_.secret)) {
    scram_keys_ = outcome->keys;
  }
  reply_ = std::move(outcome->server_final);
  return Event::SaslProven;
}

ClientLogin::Event ClientLogin::refuse(Error error, std::string log_detail) {
  error_ = std::move(error);
  log_detail_ = std::move(log_detail);
  return Event::Refused;
}

ClientLogin::Event ClientLogin::refuse_password(std::string log_detail) {
  return refuse(
      {sqlstate::kInvalidPassword, "password authentication failed for user \"" + request_.user + "\""},
      std::move(log_detail));
}

bool ClientLogin::is_sasl() const {
  return state_ == State::AwaitSaslInitial || state_ == State::AwaitSaslFirst ||
         state_ == State::AwaitSaslFinal;
}

bool ClientLogin::is_doomed() const { return !why_doomed().empty(); }

std::string ClientLogin::why_doomed() const {
  const std::string user = "User \"" + request_.user + "\"";
  if (!request_.secret) {
    return user + " does not exist.";
  }
  const auto* plain = std::get_if<auth::PlainPassword>(&*request_.secret);
  if (std::holds_alternative<auth::NoPassword>(*request_.secret) ||
      (plain != nullptr && plain->text.empty())) {
    return user + " has no password assigned.";
  }
  if (request_.is_expired) {
    return user + " has an expired password.";
  }
  if (is_sasl() && std::holds_alternative<auth::Md5Hash>(*request_.secret)) {
    return user + " does not have a valid SCRAM secret.";
  }
  return {};
}

auth::ScramVerifier ClientLogin::verifier() {
  if (request_.secret) {
    if (const auto* verifier = std::get_if<auth::ScramVerifier>(&*request_.secret)) {
      return *verifier;
    }
    if (const auto* plain = std::get_if<auth::PlainPassword>(&*request_.secret);
        plain != nullptr && !plain->text.empty()) {
      return verifiers_.of_plain(request_.user, plain->text.view());
    }
  }
  return verifiers_.mock(request_.user);
}

void ClientLogin::send_ok(std::string& out) { append_authentication(out, Authentication::Ok); }

void ClientLogin::ask_clear_text(std::string& out) {
  append_authentication(out, Authentication::CleartextPassword);
}

void ClientLogin::ask_md5(std::string& out) {
  md5_salt_ = auth::make_md5_salt();
  append_authentication(out, Authentication::Md5Password, {md5_salt_.data(), md5_salt_.size()});
}

void ClientLogin::ask_sasl(std::string& out) {
  scram_.emplace(auth::ScramServer::Settings{
      .verifier = verifier(), .is_doomed = is_doomed(), .end_point_hash = request_.end_point_hash});
  append_authentication(out, Authentication::Sasl,
                        auth::ScramServer::mechanism_list(!request_.end_point_hash.empty()));
}

void ClientLogin::send_empty_challenge(std::string& out) {
  append_authentication(out, Authentication::SaslContinue);
}

void ClientLogin::send_challenge(std::string& out) {
  append_authentication(out, Authentication::SaslContinue, reply_);
}

void ClientLogin::send_sasl_final(std::string& out) {
  append_authentication(out, Authentication::SaslFinal, reply_);
  send_ok(out);
}

void ClientLogin::send_error(std::string& out) { append_error_response(out, Severity::Fatal, error_); }

}  // namespace sportello::proxy
