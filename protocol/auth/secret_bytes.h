// Bytes that must not outlive their use: passwords and keys. Both types wipe what they held when they are
// destroyed, assigned to, or moved from, so that a freed block or a core file does not hold it. Comparing
// goes through equal_secrets, whose time does not depend on where two secrets differ.
//
// What they cannot wipe: copies that a caller makes into ordinary strings, and the buffer a message came in.
#pragma once

#include <openssl/crypto.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace sportello::auth {

// Equal content in constant time. Lengths are not secret.
inline bool equal_secrets(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

class SecretString {
 public:
  SecretString() = default;
  explicit SecretString(std::string_view text) : text_(text) {}
  // Takes the string's bytes over and leaves none behind in it.
  static SecretString take(std::string&& text) {
    SecretString secret{std::string_view(text)};
    OPENSSL_cleanse(text.data(), text.size());
    text.clear();
    return secret;
  }
  SecretString(const SecretString& other) = default;
  SecretString(SecretString&& other) noexcept : text_(std::move(other.text_)) { other.wipe(); }
  SecretString& operator=(const SecretString& other) {
    if (this != &other) {
      wipe();
      text_ = other.text_;
    }
    return *this;
  }
  SecretString& operator=(SecretString&& other) noexcept {
    if (this != &other) {
      wipe();
      text_ = std::move(other.text_);
      other.wipe();
    }
    return *this;
  }
  ~SecretString() { wipe(); }

  std::string_view view() const { return text_; }
  bool empty() const { return text_.empty(); }

 private:
  // The whole capacity: a moved-from string keeps short content in place although its size is 0.
  void wipe() {
    OPENSSL_cleanse(text_.data(), text_.capacity());
    text_.clear();
  }

  std::string text_;
};

// A key or a digest of SHA-256.
class SecretKey {
 public:
  static constexpr size_t kBytes = 32;

  SecretKey() = default;
  SecretKey(const SecretKey&) = default;
  SecretKey& operator=(const SecretKey&) = default;
  ~SecretKey() { OPENSSL_cleanse(bytes_.data(), kBytes); }

  uint8_t* data() { return bytes_.data(); }
  const uint8_t* data() const { return bytes_.data(); }
  std::string_view view() const { return {reinterpret_cast<const char*>(bytes_.data()), kBytes}; }

 private:
  std::array<uint8_t, kBytes> bytes_{};
};

}  // namespace sportello::auth
