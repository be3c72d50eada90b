// The server's side of one SCRAM-SHA-256 exchange (RFC 5802, RFC 7677), towards a client of ours:
//
//     client                                ScramServer
//     client-first-message    ──────────▶   respond_first   ─▶ server-first-message
//     client-final-message    ──────────▶   respond_final   ─▶ server-final-message, or not proven
//
// Errors are a client that breaks the protocol, in PostgreSQL's words; a wrong password is no error but
// proven == false. A doomed exchange (no such user, password expired) takes the same steps and the same time
// and is never proven. The client's own ClientKey comes out of a proven exchange: with it the proxy can log
// in to a server that stores the same verifier.
//
// Channel binding is offered when the link has TLS and the certificate a hash to bind to (RFC 5929).
#pragma once

#include <string>
#include <string_view>

#include "protocol/auth/scram.h"
#include "protocol/result.h"

namespace sportello::auth {

class ScramServer {
 public:
  // PostgreSQL's PG_MAX_SASL_MESSAGE_LENGTH.
  static constexpr size_t kMaxMessageBytes = 1024;

  struct Settings {
    ScramVerifier verifier;
    bool is_doomed = false;
    std::string end_point_hash;  // of our certificate; empty: no channel binding
    std::string nonce = make_scram_nonce();
  };
  explicit ScramServer(Settings settings) : settings_(std::move(settings)) {}

  // The data of AuthenticationSASL: the mechanisms offered, best first.
  static std::string mechanism_list(bool has_channel_binding);

  Result<std::string> respond_first(std::string_view mechanism, std::string_view message);

  struct Outcome {
    bool is_proven = false;
    std::string server_final;  // when proven
    ScramKeys keys;            // when proven
  };
  // Once, after respond_first has answered.
  Result<Outcome> respond_final(std::string_view message);

 private:
  Result<std::string_view> check_gs2_header(std::string_view mechanism, std::string_view message);

  Settings settings_;
  std::string gs2_header_;  // with its two commas, as the client sent it
  bool is_bound_ = false;   // the client uses channel binding
  std::string nonce_;       // the client's and ours
  std::string client_first_bare_;
  std::string server_first_;
};

}  // namespace sportello::auth
