// Our way into a server: from StartupMessage to its first ReadyForQuery. A core: it takes whole messages and
// appends what is to be sent; it knows no socket and no clock. TLS comes before, and bounding the time that a
// login may take is the link's.
//
// The server is not trusted until it has proved itself. It never gets the password, or what can be had from
// it, in a form that RequireAuth does not allow; it gets one proof and no second; once SCRAM has begun,
// nothing but its own right signature ends it; a message that does not belong where it comes is an error,
// never passed over. protocol-flow.html#PROTOCOL-FLOW-START-UP.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "protocol/auth/password.h"
#include "protocol/auth/scram_client.h"
#include "protocol/result.h"
#include "proxy/pool/require_auth.h"
#include "proxy/session/login_progress.h"

namespace sportello::proxy {

using ServerSecret = std::variant<auth::NoPassword, auth::PlainPassword, auth::Md5Hash, auth::ScramKeys>;

struct ServerLoginRequest {
  std::string user;
  std::string database;
  std::vector<std::pair<std::string, std::string>> parameters;  // of the StartupMessage, besides these two
  ServerSecret secret;
  // The last login's ServerLoginResult::derived with the same password: saves a millisecond of hashing.
  std::optional<auth::DerivedScramKeys> derived;
  std::string end_point_hash;  // of the server's certificate, on a link with TLS (tls_session.h)
  bool is_private = false;     // the link has TLS or is a Unix socket
  RequireAuth require_auth;
  uint32_t max_scram_iterations = auth::kMaxScramIterations;
};

struct ServerLoginResult {
  std::vector<std::pair<std::string, std::string>> parameters;  // ParameterStatus; each name once
  uint32_t process_id = 0;  // both 0 and empty when the server sent no key
  std::string secret_key;
  std::optional<auth::DerivedScramKeys> derived;
};

struct ServerLoginFailure {
  Error error;
  // As the server sent it, with its own message in `error`; empty when it was us who broke off.
  std::string server_sqlstate;

  // The error as the server's: valid as long as this failure.
  Error as_sent() const;
};

class ServerLogin {
 public:
  // What the length word of a message may say at the most: libpq's MAX_ERRLEN.
  static constexpr uint32_t kMaxMessageLength = 30'000;
  // Of all ParameterStatus messages together.
  static constexpr size_t kMaxParameterBytes = 65'536;
  static constexpr size_t kMaxParameters = 1'000;

  enum class State : uint8_t {
    Start,              // nothing was sent yet
    AwaitRequest,       // the StartupMessage went out
    AwaitSaslContinue,  // client-first-message went out
    AwaitSaslFinal,     // client-final-message went out
    AwaitOk,            // our proof went out, and under SCRAM the server's came in
    AwaitReady,         // AuthenticationOk: the server's parameters and our cancel key come in
    Done,               // ReadyForQuery
    Failed,             // close the link
  };
  enum class Event : uint8_t {
    Begin,
    AuthenticationOk,
    ClearTextAsked,
    Md5Asked,
    SaslAsked,
    SaslContinue,
    SaslFinal,
    ParameterStatus,
    BackendKeyData,
    ReadyForQuery,
  };

  explicit ServerLogin(ServerLoginRequest request) : request_(std::move(request)) {}

  LoginProgress start(std::string& out);
  // A message of the server, whole. While Waiting only.
  LoginProgress receive(char type, std::string_view body, std::string& out);

  State state() const { return state_; }
  const ServerLoginResult& result() const { return result_; }     // when Done
  const ServerLoginFailure& failure() const { return failure_; }  // when Failed

 private:
  struct Transition;
  static const Transition kTransitions[];

  LoginProgress receive_authentication(std::string_view body, std::string& out);
  LoginProgress receive_error(std::string_view body);
  LoginProgress enter(Event event, std::string_view data, std::string& out);
  LoginProgress fail(Error error);

  Result<void> send_startup(std::string_view data, std::string& out);
  Result<void> accept_without_proof(std::string_view data, std::string& out);
  Result<void> send_clear_text(std::string_view data, std::string& out);
  Result<void> send_md5(std::string_view data, std::string& out);
  Result<void> send_sasl_initial(std::string_view data, std::string& out);
  Result<void> send_sasl_response(std::string_view data, std::string& out);
  Result<void> verify_server(std::string_view data, std::string& out);
  Result<void> accept(std::string_view data, std::string& out);
  Result<void> keep_parameter(std::string_view data, std::string& out);
  Result<void> keep_key(std::string_view data, std::string& out);
  Result<void> finish(std::string_view data, std::string& out);
  Result<void> check_allowed(bool is_allowed, std::string_view method) const;

  ServerLoginRequest request_;
  State state_ = State::Start;
  std::optional<auth::ScramClient> scram_;  // from AwaitSaslContinue
  size_t parameter_bytes_ = 0;
  ServerLoginResult result_;
  ServerLoginFailure failure_;
};

std::string_view to_string(ServerLogin::State state);
std::string_view to_string(ServerLogin::Event event);

}  // namespace sportello::proxy
