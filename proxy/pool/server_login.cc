#include "proxy/pool/server_login.h"

#include <algorithm>
#include <iterator>

#include "protocol/backend_messages.h"
#include "protocol/error_response.h"
#include "protocol/frontend_messages.h"
#include "protocol/invariant.h"
#include "protocol/sqlstate.h"
#include "protocol/startup_messages.h"
#include "protocol/wire.h"

namespace sportello::proxy {
namespace {

constexpr size_t kSqlstateLength = 5;

Error refused(std::string message) {
  return {sqlstate::kSqlclientUnableToEstablishConnection, std::move(message)};
}

Error violation(std::string message) { return {sqlstate::kProtocolViolation, std::move(message)}; }

bool has_nul(std::string_view text) { return text.find('\0') != std::string_view::npos; }

void append_password_message(std::string& out, std::string_view password) {
  WireWriter(out).begin(frontend::kPassword).cstring(password).end();
}

std::optional<ServerLogin::Event> event_of(Authentication code) {
  switch (code) {
    case Authentication::Ok:
      return ServerLogin::Event::AuthenticationOk;
    case Authentication::CleartextPassword:
      return ServerLogin::Event::ClearTextAsked;
    case Authentication::Md5Password:
      return ServerLogin::Event::Md5Asked;
    case Authentication::Sasl:
      return ServerLogin::Event::SaslAsked;
    case Authentication::SaslContinue:
      return ServerLogin::Event::SaslContinue;
    case Authentication::SaslFinal:
      return ServerLogin::Event::SaslFinal;
  }
  return std::nullopt;
}

}  // namespace

Error ServerLoginFailure::as_sent() const {
  Error copy = error;
  if (!server_sqlstate.empty()) {
    copy.sqlstate = server_sqlstate;
  }
  return copy;
}

struct ServerLogin::Transition {
  State from;
  Event event;
  State to;
  Result<void> (ServerLogin::*action)(std::string_view data, std::string& out);
};

// What is not in here is the server's protocol violation; an action that fails ends in Failed. ErrorResponse
// ends every state in Failed, and NoticeResponse is passed over in all of them.
const ServerLogin::Transition ServerLogin::kTransitions[] = {
    {State::Start, Event::Begin, State::AwaitRequest, &ServerLogin::send_startup},

    {State::AwaitRequest, Event::AuthenticationOk, State::AwaitReady, &ServerLogin::accept_without_proof},
    {State::AwaitRequest, Event::ClearTextAsked, State::AwaitOk, &ServerLogin::send_clear_text},
    {State::AwaitRequest, Event::Md5Asked, State::AwaitOk, &ServerLogin::send_md5},
    {State::AwaitRequest, Event::SaslAsked, State::AwaitSaslContinue, &ServerLogin::send_sasl_initial},

    {State::AwaitSaslContinue, Event::SaslContinue, State::AwaitSaslFinal, &ServerLogin::send_sasl_response},
    {State::AwaitSaslFinal, Event::SaslFinal, State::AwaitOk, &ServerLogin::verify_server},
    {State::AwaitOk, Event::AuthenticationOk, State::AwaitReady, &ServerLogin::accept},

    {State::AwaitReady, Event::ParameterStatus, State::AwaitReady, &ServerLogin::keep_parameter},
    {State::AwaitReady, Event::BackendKeyData, State::AwaitReady, &ServerLogin::keep_key},
    {State::AwaitReady, Event::ReadyForQuery, State::Done, &ServerLogin::finish},
};

LoginProgress ServerLogin::start(std::string& out) { return enter(Event::Begin, {}, out); }

LoginProgress ServerLogin::receive(char type, std::string_view body, std::string& out) {
  invariant(state_ != State::Start && state_ != State::Done && state_ != State::Failed,
            "messages are received only while a login is waiting for one");
  switch (type) {
    case backend::kAuthentication:
      return receive_authentication(body, out);
    case backend::kParameterStatus:
      return enter(Event::ParameterStatus, body, out);
    case backend::kBackendKeyData:
      return enter(Event::BackendKeyData, body, out);
    case backend::kReadyForQuery:
      return enter(Event::ReadyForQuery, body, out);
    case backend::kErrorResponse:
      return receive_error(body);
    case backend::kNoticeResponse:
      return LoginProgress::Waiting;
    default:
      return fail(violation("the server sent a message of type " +
                            std::to_string(static_cast<uint8_t>(type)) + " during login"));
  }
}

LoginProgress ServerLogin::receive_authentication(std::string_view body, std::string& out) {
  WireReader reader(body);
  const uint32_t code = reader.u32();
  if (!reader.ok()) {
    return fail(violation("the server sent an authentication request without its kind"));
  }
  const std::optional<Event> event = event_of(static_cast<Authentication>(code));
  if (!event) {
    return fail(refused("the server asks for authentication method " + std::to_string(code) +
                        ", which is not supported"));
  }
  return enter(*event, reader.remaining(), out);
}

LoginProgress ServerLogin::receive_error(std::string_view body) {
  const ErrorFields fields = decode_error_fields(body);
  const bool has_state = fields.sqlstate.size() == kSqlstateLength;
  failure_.server_sqlstate = has_state ? fields.sqlstate : sqlstate::kSqlserverRejectedConnection;
  return fail({sqlstate::kSqlserverRejectedConnection,
               fields.message.empty() ? "the server refused the login and gave no reason"
                                      : std::string(fields.message),
               std::string(fields.detail), std::string(fields.hint)});
}

// The one place that changes state, with fail().
LoginProgress ServerLogin::enter(Event event, std::string_view data, std::string& out) {
  const auto* found = std::find_if(
      std::begin(kTransitions), std::end(kTransitions),
      [&](const Transition& transition) { return transition.from == state_ && transition.event == event; });
  if (found == std::end(kTransitions)) {
    return fail(violation("the server sent " + std::string(to_string(event)) + " during login, in state " +
                          std::string(to_string(state_))));
  }
  const Result<void> done = (this->*found->action)(data, out);
  if (!done) {
    return fail(done.error());
  }
  state_ = found->to;
  return state_ == State::Done ? LoginProgress::Done : LoginProgress::Waiting;
}

LoginProgress ServerLogin::fail(Error error) {
  failure_.error = std::move(error);
  state_ = State::Failed;
  return LoginProgress::Failed;
}

Result<void> ServerLogin::send_startup(std::string_view /*data*/, std::string& out) {
  std::vector<std::pair<std::string, std::string>> parameters = {{"user", request_.user}};
  if (!request_.database.empty()) {
    parameters.emplace_back("database", request_.database);
  }
  parameters.insert(parameters.end(), request_.parameters.begin(), request_.parameters.end());
  for (const auto& [name, value] : parameters) {
    // What follows a NUL would be read as parameters of its own.
    if (name.empty() || has_nul(name) || has_nul(value)) {
      return refused("a startup parameter has no name, or a NUL in its name or value");
    }
  }
  append_startup_message(out, kProtocol30, parameters);
  return {};
}

Result<void> ServerLogin::check_allowed(bool is_allowed, std::string_view method) const {
  if (!is_allowed) {
    return refused("the server asks for " + std::string(method) + ", which require_auth does not allow");
  }
  return {};
}

Result<void> ServerLogin::accept_without_proof(std::string_view data, std::string& out) {
  if (request_.require_auth.channel_binding == auth::ChannelBinding::Require) {
    return refused("channel binding is required, but the server did not authenticate us");
  }
  if (Result<void> allowed = check_allowed(request_.require_auth.allows_none, "no authentication");
      !allowed) {
    return allowed;
  }
  return accept(data, out);
}

Result<void> ServerLogin::send_clear_text(std::string_view data, std::string& out) {
  const RequireAuth& rules = request_.require_auth;
  if (!data.empty()) {
    return violation("malformed AuthenticationCleartextPassword");
  }
  if (rules.channel_binding == auth::ChannelBinding::Require) {
    return refused("channel binding is required, but the server asks for a clear text password");
  }
  if (Result<void> allowed = check_allowed(rules.allows_clear_text, "a clear text password"); !allowed) {
    return allowed;
  }
  if (!request_.is_private && !rules.allows_clear_text_unencrypted) {
    return refused("the server asks for a clear text password on a connection without encryption");
  }
  const auto* plain = std::get_if<auth::PlainPassword>(&request_.secret);
  if (plain == nullptr || plain->text.empty()) {
    return refused("the server asks for a password in clear text, and none is known for this user");
  }
  append_password_message(out, plain->text.view());
  return {};
}

Result<void> ServerLogin::send_md5(std::string_view data, std::string& out) {
  auth::Md5Salt salt{};
  if (data.size() != salt.size()) {
    return violation("malformed AuthenticationMD5Password");
  }
  std::copy(data.begin(), data.end(), salt.begin());
  if (request_.require_auth.channel_binding == auth::ChannelBinding::Require) {
    return refused("channel binding is required, but the server asks for an MD5 hash");
  }
  if (Result<void> allowed = check_allowed(request_.require_auth.allows_md5, "an MD5 hash"); !allowed) {
    return allowed;
  }
  std::optional<auth::SecretString> hash;
  if (const auto* stored = std::get_if<auth::Md5Hash>(&request_.secret)) {
    hash = stored->text;
  } else if (const auto* plain = std::get_if<auth::PlainPassword>(&request_.secret);
             plain != nullptr && !plain->text.empty()) {
    hash = auth::md5_hash(plain->text.view(), request_.user);
  } else {
    return refused("the server asks for an MD5 hash, and neither it nor the password is known for this user");
  }
  const std::optional<auth::SecretString> response =
      hash ? auth::md5_response(hash->view(), salt) : std::nullopt;
  if (!response) {
    return refused("the server asks for an MD5 hash, and OpenSSL has no MD5 here");
  }
  append_password_message(out, response->view());
  return {};
}

Result<void> ServerLogin::send_sasl_initial(std::string_view data, std::string& out) {
  if (Result<void> allowed = check_allowed(request_.require_auth.allows_scram, "SCRAM"); !allowed) {
    return allowed;
  }
  auth::ScramClient::Settings settings;
  if (const auto* keys = std::get_if<auth::ScramKeys>(&request_.secret)) {
    settings.secret = *keys;
  } else if (const auto* plain = std::get_if<auth::PlainPassword>(&request_.secret);
             plain != nullptr && !plain->text.empty()) {
    settings.secret = *plain;
  } else {
    return refused(
        "the server asks for SCRAM, and neither the password nor SCRAM keys are known for this user");
  }
  settings.derived = request_.derived;
  settings.end_point_hash = request_.end_point_hash;
  settings.channel_binding = request_.require_auth.channel_binding;
  settings.max_iterations = request_.max_scram_iterations;
  scram_.emplace(std::move(settings));
  const Result<auth::ScramClient::Initial> initial = scram_->start(data);
  if (!initial) {
    return initial.error();
  }
  WireWriter(out)
      .begin(frontend::kPassword)
      .cstring(initial->mechanism)
      .u32(static_cast<uint32_t>(initial->message.size()))
      .bytes(initial->message)
      .end();
  return {};
}

Result<void> ServerLogin::send_sasl_response(std::string_view data, std::string& out) {
  const Result<std::string> response = scram_->respond(data);
  if (!response) {
    return response.error();
  }
  append_password(out, *response);
  return {};
}

Result<void> ServerLogin::verify_server(std::string_view data, std::string& /*out*/) {
  Result<void> verified = scram_->verify(data);
  if (verified && std::holds_alternative<auth::PlainPassword>(request_.secret)) {
    result_.derived = scram_->derived();
  }
  return verified;
}

Result<void> ServerLogin::accept(std::string_view data, std::string& /*out*/) {
  return data.empty() ? Result<void>() : violation("malformed AuthenticationOk");
}

Result<void> ServerLogin::keep_parameter(std::string_view data, std::string& /*out*/) {
  const std::optional<ParameterStatus> status = decode_parameter_status(data);
  parameter_bytes_ += data.size();
  if (!status || status->name.empty() || parameter_bytes_ > kMaxParameterBytes ||
      result_.parameters.size() == kMaxParameters) {
    return violation("the server sent malformed or too many ParameterStatus messages");
  }
  const auto known = std::find_if(result_.parameters.begin(), result_.parameters.end(),
                                  [&](const auto& parameter) { return parameter.first == status->name; });
  if (known != result_.parameters.end()) {
    known->second = status->value;
  } else {
    result_.parameters.emplace_back(status->name, status->value);
  }
  return {};
}

Result<void> ServerLogin::keep_key(std::string_view data, std::string& /*out*/) {
  const std::optional<BackendKeyData> key = decode_backend_key_data(data);
  if (!key) {
    return violation("the server sent a malformed BackendKeyData");
  }
  result_.process_id = key->process_id;
  result_.secret_key = key->secret_key;
  return {};
}

Result<void> ServerLogin::finish(std::string_view data, std::string& /*out*/) {
  return decode_ready_for_query(data) == TransactionStatus::Idle
             ? Result<void>()
             : violation("the server's first ReadyForQuery is malformed or not idle");
}

std::string_view to_string(ServerLogin::State state) {
  switch (state) {
    case ServerLogin::State::Start:
      return "Start";
    case ServerLogin::State::AwaitRequest:
      return "AwaitRequest";
    case ServerLogin::State::AwaitSaslContinue:
      return "AwaitSaslContinue";
    case ServerLogin::State::AwaitSaslFinal:
      return "AwaitSaslFinal";
    case ServerLogin::State::AwaitOk:
      return "AwaitOk";
    case ServerLogin::State::AwaitReady:
      return "AwaitReady";
    case ServerLogin::State::Done:
      return "Done";
    case ServerLogin::State::Failed:
      return "Failed";
  }
  return "?";
}

std::string_view to_string(ServerLogin::Event event) {
  switch (event) {
    case ServerLogin::Event::Begin:
      return "Begin";
    case ServerLogin::Event::AuthenticationOk:
      return "AuthenticationOk";
    case ServerLogin::Event::ClearTextAsked:
      return "AuthenticationCleartextPassword";
    case ServerLogin::Event::Md5Asked:
      return "AuthenticationMD5Password";
    case ServerLogin::Event::SaslAsked:
      return "AuthenticationSASL";
    case ServerLogin::Event::SaslContinue:
      return "AuthenticationSASLContinue";
    case ServerLogin::Event::SaslFinal:
      return "AuthenticationSASLFinal";
    case ServerLogin::Event::ParameterStatus:
      return "ParameterStatus";
    case ServerLogin::Event::BackendKeyData:
      return "BackendKeyData";
    case ServerLogin::Event::ReadyForQuery:
      return "ReadyForQuery";
  }
  return "?";
}

}  // namespace sportello::proxy
