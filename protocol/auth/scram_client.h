// The client's side of one SCRAM-SHA-256 exchange (RFC 5802, RFC 7677), towards a server:
//
//     ScramClient                           server
//     start           ◀──────────   the mechanisms offered
//     ─▶ client-first-message    ──────────▶
//     respond         ◀──────────   server-first-message
//     ─▶ client-final-message    ──────────▶
//     verify          ◀──────────   server-final-message
//
// The password never leaves; it may even be unknown, with ScramKeys in its place. A server is believed only
// once verify() is content: it proves there that it has the verifier. Iterations above the given bound are
// refused, since a server could otherwise keep our thread busy for minutes.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "protocol/auth/password.h"
#include "protocol/auth/scram.h"
#include "protocol/result.h"

namespace sportello::auth {

enum class ChannelBinding : uint8_t { Disable, Prefer, Require };

class ScramClient {
 public:
  struct Settings {
    std::variant<PlainPassword, ScramKeys> secret;
    // Of an earlier login with the same password: used when salt and iterations are still the same.
    std::optional<DerivedScramKeys> derived;
    std::string end_point_hash;  // of the server's certificate; empty: the link cannot be bound
    ChannelBinding channel_binding = ChannelBinding::Prefer;
    uint32_t max_iterations = kMaxScramIterations;  // not over kMaxScramIterations
    std::string nonce = make_scram_nonce();
  };
  explicit ScramClient(Settings settings) : settings_(std::move(settings)) {}

  struct Initial {
    std::string_view mechanism;
    std::string message;
  };
  // `mechanism_list`: the data of AuthenticationSASL.
  Result<Initial> start(std::string_view mechanism_list);
  Result<std::string> respond(std::string_view server_first);
  Result<void> verify(std::string_view server_final);

  // After verify(): what to give as `derived` the next time.
  const DerivedScramKeys& derived() const { return used_; }

 private:
  ScramKeys keys_for(std::string_view salt, uint32_t iterations) const;

  Settings settings_;
  std::string gs2_header_;
  std::string client_first_bare_;
  std::string auth_message_;
  DerivedScramKeys used_;
};

}  // namespace sportello::auth
