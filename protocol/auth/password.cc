#include "protocol/auth/password.h"

#include <openssl/evp.h>

#include <algorithm>

namespace sportello::auth {
namespace {

constexpr std::string_view kMd5Prefix = "md5";
constexpr size_t kMd5Bytes = 16;
constexpr size_t kMd5HashLength = 3 + 2 * kMd5Bytes;

bool is_md5_hash(std::string_view text) {
  return text.size() == kMd5HashLength && text.starts_with(kMd5Prefix) &&
         text.find_first_not_of("0123456789abcdef", kMd5Prefix.size()) == std::string_view::npos;
}

// "md5" and the digest of a || b in hexadecimal.
std::optional<SecretString> md5_of(std::string_view a, std::string_view b) {
  std::string input;
  input.reserve(a.size() + b.size());
  input.append(a).append(b);
  std::array<uint8_t, kMd5Bytes> digest{};
  unsigned size = 0;
  const bool done = EVP_Digest(input.data(), input.size(), digest.data(), &size, EVP_md5(), nullptr) == 1 &&
                    size == kMd5Bytes;
  OPENSSL_cleanse(input.data(), input.size());
  if (!done) {
    return std::nullopt;
  }
  std::string text(kMd5Prefix);
  for (const uint8_t byte : digest) {
    text.push_back("0123456789abcdef"[byte >> 4]);
    text.push_back("0123456789abcdef"[byte & 0xf]);
  }
  return SecretString::take(std::move(text));
}

// The hash to compare with; nothing if the secret does not lead to one.
std::optional<SecretString> md5_hash_of(const StoredSecret& secret, std::string_view user) {
  if (const auto* hash = std::get_if<Md5Hash>(&secret)) {
    return hash->text;
  }
  if (const auto* plain = std::get_if<PlainPassword>(&secret); plain != nullptr && !plain->text.empty()) {
    return md5_hash(plain->text.view(), user);
  }
  return std::nullopt;
}

struct ClearPasswordCheck {
  std::string_view user;
  std::string_view password;

  bool operator()(const NoPassword& /*none*/) const { return false; }
  bool operator()(const PlainPassword& plain) const { return equal_secrets(plain.text.view(), password); }
  bool operator()(const Md5Hash& stored) const {
    const std::optional<SecretString> hash = md5_hash(password, user);
    return hash && equal_secrets(hash->view(), stored.text.view());
  }
  bool operator()(const ScramVerifier& verifier) const { return matches_scram_verifier(verifier, password); }
};

}  // namespace

StoredSecret parse_stored_secret(std::string_view stored) {
  if (stored.empty()) {
    return NoPassword{};
  }
  if (is_md5_hash(stored)) {
    return Md5Hash{SecretString(stored)};
  }
  if (std::optional<ScramVerifier> verifier = parse_scram_verifier(stored)) {
    return *std::move(verifier);
  }
  return PlainPassword{SecretString(stored)};
}

Md5Salt make_md5_salt() {
  Md5Salt salt{};
  const std::string random = random_bytes(kMd5SaltBytes);
  std::copy(random.begin(), random.end(), salt.begin());
  return salt;
}

std::optional<SecretString> md5_hash(std::string_view password, std::string_view user) {
  return md5_of(password, user);
}

std::optional<SecretString> md5_response(std::string_view hash, const Md5Salt& salt) {
  return md5_of(hash.substr(std::min(hash.size(), kMd5Prefix.size())), {salt.data(), salt.size()});
}

bool check_clear_password(const StoredSecret& secret, std::string_view user, std::string_view password) {
  return !password.empty() && std::visit(ClearPasswordCheck{user, password}, secret);
}

bool check_md5_response(const StoredSecret& secret, std::string_view user, const Md5Salt& salt,
                        std::string_view response) {
  const std::optional<SecretString> hash = md5_hash_of(secret, user);
  const std::optional<SecretString> expected = hash ? md5_response(hash->view(), salt) : std::nullopt;
  return expected && equal_secrets(expected->view(), response);
}

}  // namespace sportello::auth
