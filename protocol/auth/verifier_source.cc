#include "protocol/auth/verifier_source.h"

#include "protocol/invariant.h"

namespace sportello::auth {
namespace {

std::string labelled(std::string_view label, std::string_view user) {
  return std::string(label).append(1, '\0').append(user);
}

}  // namespace

VerifierSource::VerifierSource(std::string_view secret, uint32_t iterations)
    : secret_(secret), iterations_(iterations) {
  invariant(secret.size() >= SecretKey::kBytes, "mock salts need a secret that cannot be guessed");
}

ScramVerifier VerifierSource::mock(std::string_view user) const {
  ScramVerifier verifier;
  verifier.iterations = iterations_;
  verifier.salt = salt_of(user);
  // Not the digest of anything that somebody knows, and not constant, so that nothing can be tried on it.
  verifier.stored_key = hmac_sha256(secret_.view(), labelled("stored key", user));
  verifier.server_key = hmac_sha256(secret_.view(), labelled("server key", user));
  return verifier;
}

ScramVerifier VerifierSource::of_plain(std::string_view user, std::string_view password) {
  SecretString identity = SecretString::take(labelled(labelled("plain", user), password));
  std::string key(hmac_sha256(secret_.view(), identity.view()).view());
  if (const auto found = kept_.find(key); found != kept_.end()) {
    return found->second;
  }
  const std::string salt = salt_of(user);
  ScramVerifier verifier =
      make_scram_verifier(derive_scram_keys(password, salt, iterations_), salt, iterations_);
  if (kept_order_.size() == kMaxKept) {
    kept_.erase(kept_order_.front());
    kept_order_.pop_front();
  }
  kept_.emplace(key, verifier);
  kept_order_.push_back(std::move(key));
  return verifier;
}

std::string VerifierSource::salt_of(std::string_view user) const {
  return std::string(hmac_sha256(secret_.view(), labelled("salt", user)).view().substr(0, kScramSaltBytes));
}

}  // namespace sportello::auth
