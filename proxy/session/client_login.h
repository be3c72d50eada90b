// A client's way from StartupMessage to AuthenticationOk: which proof is asked for, what is made of the
// answer. A core: it takes whole messages and appends what is to be sent; it knows no socket and no clock.
//
// Others decide which method applies (HBA rules), look up the secret and whether it has expired, map
// certificate and operating system names to users, bound the time that a login may take, and delay or count
// failures. What follows AuthenticationOk (ParameterStatus, BackendKeyData, ReadyForQuery) is the session's.
//
// A client cannot tell why it failed, nor whether its user exists: a user who does not exist, has no
// password, or whose password has expired goes through the same exchange as one who mistyped it, and gets the
// same error. log_detail() says why, for our log alone. auth-password.html,
// protocol-flow.html#SASL-AUTHENTICATION.
//
// After a proven SCRAM exchange, or a clear password that opened a stored verifier, scram_keys() logs in to a
// server that stores the same verifier.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/auth/password.h"
#include "protocol/auth/scram_server.h"
#include "protocol/auth/verifier_source.h"
#include "protocol/result.h"
#include "proxy/session/login_progress.h"

namespace sportello::proxy {

// pg_hba.conf's names. Md5 asks a user with a stored verifier for SCRAM, as PostgreSQL does.
enum class AuthMethod : uint8_t { Trust, Reject, Password, Md5, ScramSha256, Cert, Peer };

struct ClientLoginRequest {
  std::string user;
  AuthMethod method = AuthMethod::Reject;
  std::optional<auth::StoredSecret> secret;  // nothing: there is no such user
  bool is_expired = false;                   // VALID UNTIL has passed
  // Cert, Peer: the certificate, or the operating system's user, stands for this user.
  bool identity_matches = false;
  // Password: the link has TLS or is a Unix socket, or the configuration allows it on any.
  bool allows_clear_text = false;
  // Md5: what a user who does not exist is taken to have. Best is what most users have.
  bool mocks_md5 = false;
  std::string end_point_hash;  // of our certificate, on a link with TLS (tls_session.h)
};

class ClientLogin {
 public:
  // PostgreSQL takes 65,535 bytes; before a login a client makes us hold no more than a StartupMessage does.
  static constexpr size_t kMaxPasswordBytes = 10'000;

  enum class State : uint8_t {
    Start,             // nothing was asked yet
    AwaitPassword,     // asked for the password in clear
    AwaitMd5Response,  // asked for the hash of salt and hash
    AwaitSaslInitial,  // offered SASL mechanisms
    AwaitSaslFirst,    // the mechanism is chosen; client-first-message is owed
    AwaitSaslFinal,    // challenged; client-final-message is owed
    Authenticated,     // AuthenticationOk is in what was appended
    Failed,            // ErrorResponse is in what was appended; close
  };
  enum class Event : uint8_t {
    Admitted,         // nothing has to be proven
    ClearTextAsked,   // the method wants a PasswordMessage
    Md5Asked,         // the method wants an MD5 response
    SaslAsked,        // the method wants SCRAM
    MechanismChosen,  // SASLInitialResponse without its data
    Challenged,       // client-first-message was good
    Proven,           // the right password
    SaslProven,       // the same, and the client wants our proof in return
    Refused,          // wrong password, or a broken message
  };

  // `verifiers` is used during calls only.
  ClientLogin(ClientLoginRequest request, auth::VerifierSource& verifiers);

  LoginProgress start(std::string& out);
  // A message of the client, whole. While Waiting only.
  LoginProgress receive(char type, std::string_view body, std::string& out);

  // What the length word of the next message may say at the most.
  uint32_t max_message_length() const;
  State state() const { return state_; }
  // When Failed: what the client was told, and what it was not.
  const Error& error() const { return error_; }
  const std::string& log_detail() const { return log_detail_; }
  const std::optional<auth::ScramKeys>& scram_keys() const { return scram_keys_; }

 private:
  struct Transition;
  static const Transition kTransitions[];

  Event choose_challenge();
  Event choose_md5_or_sasl();
  Event judge(char type, std::string_view body);
  Event judge_password(std::string_view body);
  Event judge_md5_response(std::string_view body);
  Event judge_sasl_initial(std::string_view body);
  Event judge_sasl_first(std::string_view message);
  Event judge_sasl_final(std::string_view message);
  Event refuse(Error error, std::string log_detail = {});
  Event refuse_password(std::string log_detail);
  // One of the three states of the SASL exchange.
  bool is_sasl() const;
  bool is_doomed() const;
  std::string why_doomed() const;
  auth::ScramVerifier verifier();

  LoginProgress enter(Event event, std::string& out);
  void send_ok(std::string& out);
  void ask_clear_text(std::string& out);
  void ask_md5(std::string& out);
  void ask_sasl(std::string& out);
  void send_empty_challenge(std::string& out);
  void send_challenge(std::string& out);
  void send_sasl_final(std::string& out);
  void send_error(std::string& out);

  ClientLoginRequest request_;
  auth::VerifierSource& verifiers_;
  State state_ = State::Start;
  auth::Md5Salt md5_salt_{};                // from AwaitMd5Response
  std::optional<auth::ScramServer> scram_;  // from AwaitSaslInitial
  std::string mechanism_;                   // from AwaitSaslFirst
  std::string reply_;                       // data of the SASL message to be sent next
  std::optional<auth::ScramKeys> scram_keys_;
  Error error_;
  std::string log_detail_;
};

}  // namespace sportello::proxy
