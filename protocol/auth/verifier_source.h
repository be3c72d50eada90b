// A SCRAM verifier for whoever asks, so that a user who does not exist is challenged exactly like one who
// does: the same salt every time, the usual number of iterations (PostgreSQL's mock authentication).
//
// Salts come from a secret of this process: stable for a name, unknown to others. A password stored in clear
// gets its verifier from the same salts, and the last of these are kept, since deriving one costs about a
// millisecond; they are found by a keyed digest, so that no password is kept in clear here.
//
// One per worker, on that worker's thread; all workers are given the same secret.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>

#include "protocol/auth/scram.h"
#include "protocol/auth/secret_bytes.h"

namespace sportello::auth {

class VerifierSource {
 public:
  static constexpr size_t kMaxKept = 1024;

  // `secret`: at least 32 bytes from random_bytes().
  explicit VerifierSource(std::string_view secret, uint32_t iterations = kDefaultScramIterations);

  // No password matches it.
  ScramVerifier mock(std::string_view user) const;
  ScramVerifier of_plain(std::string_view user, std::string_view password);

 private:
  std::string salt_of(std::string_view user) const;

  SecretString secret_;
  uint32_t iterations_;
  std::unordered_map<std::string, ScramVerifier> kept_;  // at most kMaxKept
  std::deque<std::string> kept_order_;                   // its keys, oldest first
};

}  // namespace sportello::auth
