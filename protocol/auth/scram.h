// The arithmetic and the grammar that both sides of SCRAM-SHA-256 share (RFC 5802, RFC 7677): keys,
// signatures, stored verifiers, and the attributes of a message. The two conversations are scram_server.h
// and scram_client.h; what PostgreSQL makes of them is sasl-authentication.html in its manual.
//
// Deriving keys from a password costs about a millisecond for every 4,096 iterations, and the iteration
// count comes from outside (a server's challenge, a role's stored verifier): callers hold it under
// kMaxScramIterations before they derive.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/auth/secret_bytes.h"

namespace sportello::auth {

inline constexpr std::string_view kScramSha256 = "SCRAM-SHA-256";
inline constexpr std::string_view kScramSha256Plus = "SCRAM-SHA-256-PLUS";
inline constexpr std::string_view kTlsServerEndPoint = "tls-server-end-point";

inline constexpr uint32_t kDefaultScramIterations = 4096;  // PostgreSQL 15 has no other
inline constexpr uint32_t kMaxScramIterations = 100'000;
inline constexpr size_t kScramSaltBytes = 16;

// What a client must have to log in: enough for it, although the password cannot be told from it.
struct ScramKeys {
  SecretKey client_key;
  SecretKey server_key;
};

// Keys and what they were derived with, so that the next login with the same password need not derive.
struct DerivedScramKeys {
  std::string salt;
  uint32_t iterations = 0;
  ScramKeys keys;
};

// What a server stores of a password.
struct ScramVerifier {
  uint32_t iterations = kDefaultScramIterations;
  std::string salt;  // as bytes
  SecretKey stored_key;
  SecretKey server_key;
};

SecretKey hmac_sha256(std::string_view key, std::string_view message);
SecretKey sha256(std::string_view bytes);
SecretKey exclusive_or(const SecretKey& a, const SecretKey& b);

// From the password as the user types it; SASLprep is applied here.
ScramKeys derive_scram_keys(std::string_view password, std::string_view salt, uint32_t iterations);
ScramVerifier make_scram_verifier(const ScramKeys& keys, std::string_view salt, uint32_t iterations);
// The keys, if `password` is the one that the verifier was made from; compared in constant time. A verifier
// of more than kMaxScramIterations matches nothing.
std::optional<ScramKeys> unlock_scram_verifier(const ScramVerifier& verifier, std::string_view password);
inline bool matches_scram_verifier(const ScramVerifier& verifier, std::string_view password) {
  return unlock_scram_verifier(verifier, password).has_value();
}

// `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`, the form of pg_authid.rolpassword.
std::optional<ScramVerifier> parse_scram_verifier(std::string_view text);
std::string format_scram_verifier(const ScramVerifier& verifier);

std::string random_bytes(size_t count);
// 18 random bytes in base 64, as PostgreSQL's.
std::string make_scram_nonce();
// Printable ASCII but for the comma, and not empty (RFC 5802 section 7).
bool is_scram_nonce(std::string_view text);

// Takes `name=value` attributes off a message one by one. Each answers nothing when the message goes on
// differently.
class ScramAttributes {
 public:
  explicit ScramAttributes(std::string_view message) : rest_(message) {}

  // The value of the next attribute, which must have this name.
  std::optional<std::string_view> take(char name);
  // The next attribute, whatever its name.
  struct Attribute {
    char name;
    std::string_view value;
  };
  std::optional<Attribute> take_any();
  bool at_end() const { return at_end_; }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
  bool at_end_ = false;
};

// A positive decimal number of an attribute or a verifier; nothing above 2^31 - 1.
std::optional<uint32_t> parse_scram_iterations(std::string_view digits);

}  // namespace sportello::auth
