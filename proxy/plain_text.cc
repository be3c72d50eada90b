#include "proxy/plain_text.h"

#include <cstdint>

namespace sportello::proxy {
namespace {

constexpr uint32_t kFirstSurrogate = 0xd800;
constexpr uint32_t kLastSurrogate = 0xdfff;
constexpr uint32_t kLastCodePoint = 0x10ffff;

struct Form {
  size_t length;
  uint32_t first_bits;  // of the code point, in the first byte
  uint32_t least;       // a smaller code point has a shorter form
};

// By its first byte; length 0: none begins so.
Form form_of(uint8_t first) {
  if (first < 0x80) return {1, first, 0};
  if ((first & 0xe0U) == 0xc0) return {2, first & 0x1fU, 0x80};
  if ((first & 0xf0U) == 0xe0) return {3, first & 0x0fU, 0x800};
  if ((first & 0xf8U) == 0xf0) return {4, first & 0x07U, 0x10000};
  return {0, 0, 0};
}

// How many bytes the character in front has; 0: it is not one that may be shown.
size_t character_bytes(std::string_view text) {
  const Form form = form_of(static_cast<uint8_t>(text.front()));
  if (form.length == 0 || form.length > text.size()) {
    return 0;
  }
  uint32_t code_point = form.first_bits;
  for (const char c : text.substr(1, form.length - 1)) {
    const auto byte = static_cast<uint8_t>(c);
    if ((byte & 0xc0U) != 0x80) {
      return 0;
    }
    code_point = code_point << 6U | (byte & 0x3fU);
  }
  if (code_point == '\\') {
    return 0;
  }
  const bool is_control = code_point < 0x20 || (code_point >= 0x7f && code_point < 0xa0);
  const bool is_surrogate = code_point >= kFirstSurrogate && code_point <= kLastSurrogate;
  return is_control || is_surrogate || code_point < form.least || code_point > kLastCodePoint ? 0
                                                                                              : form.length;
}

}  // namespace

std::string plain_text(std::string_view text) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string plain;
  plain.reserve(text.size());
  while (!text.empty()) {
    size_t bytes = character_bytes(text);
    if (bytes > 0) {
      plain.append(text.substr(0, bytes));
    } else {
      const auto byte = static_cast<uint8_t>(text.front());
      plain.append("\\x").append(1, kDigits[byte >> 4U]).append(1, kDigits[byte & 0xfU]);
      bytes = 1;
    }
    text.remove_prefix(bytes);
  }
  return plain;
}

}  // namespace sportello::proxy
