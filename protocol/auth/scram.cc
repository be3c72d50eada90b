#include "protocol/auth/scram.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <algorithm>
#include <charconv>
#include <limits>

#include "protocol/auth/base64.h"
#include "protocol/auth/saslprep.h"
#include "protocol/invariant.h"

namespace sportello::auth {
namespace {

constexpr size_t kNonceBytes = 18;

const uint8_t* as_bytes(std::string_view text) { return reinterpret_cast<const uint8_t*>(text.data()); }

std::optional<SecretKey> decode_key(std::string_view text) {
  std::optional<std::string> bytes = base64_decode(text);
  if (!bytes || bytes->size() != SecretKey::kBytes) {
    return std::nullopt;
  }
  SecretKey key;
  std::copy(bytes->begin(), bytes->end(), key.data());
  OPENSSL_cleanse(bytes->data(), bytes->size());
  return key;
}

// The text before `separator`, which is taken as well; nothing when it is not there.
std::optional<std::string_view> take_until(std::string_view& text, char separator) {
  const size_t end = text.find(separator);
  if (end == std::string_view::npos) {
    return std::nullopt;
  }
  const std::string_view front = text.substr(0, end);
  text.remove_prefix(end + 1);
  return front;
}

}  // namespace

SecretKey hmac_sha256(std::string_view key, std::string_view message) {
  SecretKey mac;
  unsigned size = 0;
  const bool done = HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), as_bytes(message),
                         message.size(), mac.data(), &size) != nullptr;
  invariant(done && size == SecretKey::kBytes, "OpenSSL always has HMAC-SHA-256");
  return mac;
}

SecretKey sha256(std::string_view bytes) {
  SecretKey digest;
  unsigned size = 0;
  const bool done = EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr) == 1;
  invariant(done && size == SecretKey::kBytes, "OpenSSL always has SHA-256");
  return digest;
}

SecretKey exclusive_or(const SecretKey& a, const SecretKey& b) {
  SecretKey result;
  for (size_t i = 0; i < SecretKey::kBytes; ++i) {
    result.data()[i] = a.data()[i] ^ b.data()[i];
  }
  return result;
}

ScramKeys derive_scram_keys(std::string_view password, std::string_view salt, uint32_t iterations) {
  invariant(iterations >= 1 && iterations <= kMaxScramIterations, "callers bound the iteration count");
  const SecretString prepared = saslprep(password);
  SecretKey salted;
  const bool done =
      PKCS5_PBKDF2_HMAC(prepared.view().data(), static_cast<int>(prepared.view().size()), as_bytes(salt),
                        static_cast<int>(salt.size()), static_cast<int>(iterations), EVP_sha256(),
                        static_cast<int>(SecretKey::kBytes), salted.data()) == 1;
  invariant(done, "OpenSSL always has PBKDF2 with HMAC-SHA-256");
  return {hmac_sha256(salted.view(), "Client Key"), hmac_sha256(salted.view(), "Server Key")};
}

ScramVerifier make_scram_verifier(const ScramKeys& keys, std::string_view salt, uint32_t iterations) {
  return {iterations, std::string(salt), sha256(keys.client_key.view()), keys.server_key};
}

std::optional<ScramKeys> unlock_scram_verifier(const ScramVerifier& verifier, std::string_view password) {
  if (verifier.iterations > kMaxScramIterations) {
    return std::nullopt;
  }
  const ScramKeys keys = derive_scram_keys(password, verifier.salt, verifier.iterations);
  const bool matches = equal_secrets(keys.server_key.view(), verifier.server_key.view());
  return matches ? std::optional(keys) : std::nullopt;
}

std::optional<ScramVerifier> parse_scram_verifier(std::string_view text) {
  const std::optional<std::string_view> scheme = take_until(text, '$');
  if (scheme != kScramSha256) {
    return std::nullopt;
  }
  const std::optional<std::string_view> iterations = take_until(text, ':');
  const std::optional<std::string_view> salt = take_until(text, '$');
  const std::optional<std::string_view> stored_key = take_until(text, ':');
  if (!iterations || !salt || !stored_key) {
    return std::nullopt;
  }
  const std::optional<uint32_t> count = parse_scram_iterations(*iterations);
  const std::optional<std::string> salt_bytes = base64_decode(*salt);
  const std::optional<SecretKey> stored = decode_key(*stored_key);
  const std::optional<SecretKey> server = decode_key(text);
  if (!count || !salt_bytes || !stored || !server) {
    return std::nullopt;
  }
  return ScramVerifier{*count, *salt_bytes, *stored, *server};
}

std::string format_scram_verifier(const ScramVerifier& verifier) {
  return std::string(kScramSha256) + '$' + std::to_string(verifier.iterations) + ':' +
         base64_encode(verifier.salt) + '$' + base64_encode(verifier.stored_key.view()) + ':' +
         base64_encode(verifier.server_key.view());
}

std::string random_bytes(size_t count) {
  std::string bytes(count, '\0');
  const bool done = RAND_bytes(reinterpret_cast<uint8_t*>(bytes.data()), static_cast<int>(count)) == 1;
  invariant(done, "the generator is seeded by the kernel; without it no secret can be made");
  return bytes;
}

std::string make_scram_nonce() { return base64_encode(random_bytes(kNonceBytes)); }

bool is_scram_nonce(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x21 && c <= 0x7e && c != ','; });
}

std::optional<std::string_view> ScramAttributes::take(char name) {
  const std::optional<Attribute> attribute = take_any();
  return attribute && attribute->name == name ? std::optional(attribute->value) : std::nullopt;
}

std::optional<ScramAttributes::Attribute> ScramAttributes::take_any() {
  const bool named =
      rest_.size() >= 2 && ((rest_[0] >= 'a' && rest_[0] <= 'z') || (rest_[0] >= 'A' && rest_[0] <= 'Z'));
  if (at_end_ || !named || rest_[1] != '=') {
    return std::nullopt;
  }
  const size_t end = std::min(rest_.find(','), rest_.size());
  const Attribute attribute{rest_[0], rest_.substr(2, end - 2)};
  at_end_ = end == rest_.size();
  rest_.remove_prefix(at_end_ ? end : end + 1);
  return attribute;
}

std::optional<uint32_t> parse_scram_iterations(std::string_view digits) {
  uint32_t count = 0;
  const auto [end, status] = std::from_chars(digits.data(), digits.data() + digits.size(), count);
  const bool whole = status == std::errc() && end == digits.data() + digits.size();
  const bool in_range = count >= 1 && count <= std::numeric_limits<int32_t>::max();
  return whole && in_range ? std::optional(count) : std::nullopt;
}

}  // namespace sportello::auth
