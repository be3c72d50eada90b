#include "protocol/auth/saslprep.h"

#include <stringprep.h>
#include <uninorm.h>
#include <unistr.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <optional>
#include <vector>

namespace sportello::auth {
namespace {

// A run of code points, wiped when it goes.
struct CodePoints {
  std::vector<uint32_t> points;

  CodePoints() = default;
  CodePoints(const CodePoints&) = delete;
  CodePoints& operator=(const CodePoints&) = delete;
  CodePoints(CodePoints&&) = default;
  CodePoints& operator=(CodePoints&&) = delete;
  ~CodePoints() { OPENSSL_cleanse(points.data(), points.size() * sizeof(uint32_t)); }
};

// A buffer that libunistring allocated, wiped and freed.
template <typename Unit>
struct Allocated {
  Unit* units = nullptr;
  size_t count = 0;

  Allocated() = default;
  Allocated(const Allocated&) = delete;
  Allocated& operator=(const Allocated&) = delete;
  ~Allocated() {
    OPENSSL_cleanse(units, count * sizeof(Unit));
    std::free(units);  // NOLINT: the library allocates with malloc
  }
};

// RFC 3454 tables end with an entry of zeros; the end of an entry of one code point is 0.
bool is_in(const Stringprep_table_element* table, uint32_t point) {
  for (; table->start != 0 || table->end != 0; ++table) {
    if (point >= table->start && point <= std::max(table->start, table->end)) {
      return true;
    }
  }
  return false;
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<uint8_t>(c) < 0x80; });
}

// RFC 4013 section 2.1: other spaces become SPACE, what is commonly mapped to nothing goes. Space comes
// first, since U+200B is in both tables.
void map(CodePoints& text, const uint32_t* points, size_t count) {
  text.points.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    if (is_in(stringprep_rfc3454_C_1_2, points[i])) {
      text.points.push_back(0x20);
    } else if (!is_in(stringprep_rfc3454_B_1, points[i])) {
      text.points.push_back(points[i]);
    }
  }
}

// RFC 4013 sections 2.3 and 2.5.
bool is_prohibited(uint32_t point) {
  static const Stringprep_table_element* const tables[] = {
      stringprep_rfc3454_C_1_2, stringprep_rfc3454_C_2_1, stringprep_rfc3454_C_2_2, stringprep_rfc3454_C_3,
      stringprep_rfc3454_C_4,   stringprep_rfc3454_C_5,   stringprep_rfc3454_C_6,   stringprep_rfc3454_C_7,
      stringprep_rfc3454_C_8,   stringprep_rfc3454_C_9,   stringprep_rfc3454_A_1};
  return std::any_of(std::begin(tables), std::end(tables),
                     [point](const auto* table) { return is_in(table, point); });
}

// RFC 3454 section 6: right-to-left text holds no left-to-right letter, and begins and ends right-to-left.
bool is_bidi_clean(const uint32_t* points, size_t count) {
  const auto is_right_to_left = [](uint32_t point) { return is_in(stringprep_rfc3454_D_1, point); };
  if (std::none_of(points, points + count, is_right_to_left)) {
    return true;
  }
  const auto is_left_to_right = [](uint32_t point) { return is_in(stringprep_rfc3454_D_2, point); };
  return is_right_to_left(points[0]) && is_right_to_left(points[count - 1]) &&
         std::none_of(points, points + count, is_left_to_right);
}

std::optional<SecretString> prepare(std::string_view password) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(password.data());
  Allocated<uint32_t> decoded;
  decoded.units = u8_to_u32(bytes, password.size(), nullptr, &decoded.count);
  if (decoded.units == nullptr) {
    return std::nullopt;
  }
  CodePoints mapped;
  map(mapped, decoded.units, decoded.count);
  if (mapped.points.empty()) {
    return std::nullopt;
  }
  // RFC 4013 would look at the normalised text here; PostgreSQL looks at the text before, and it is
  // PostgreSQL's verifiers that passwords have to meet.
  if (std::any_of(mapped.points.begin(), mapped.points.end(), is_prohibited) ||
      !is_bidi_clean(mapped.points.data(), mapped.points.size())) {
    return std::nullopt;
  }
  Allocated<uint32_t> normal;
  normal.units =
      u32_normalize(UNINORM_NFKC, mapped.points.data(), mapped.points.size(), nullptr, &normal.count);
  if (normal.units == nullptr) {
    return std::nullopt;
  }
  Allocated<uint8_t> encoded;
  encoded.units = u32_to_u8(normal.units, normal.count, nullptr, &encoded.count);
  if (encoded.units == nullptr) {
    return std::nullopt;
  }
  return SecretString(std::string_view(reinterpret_cast<const char*>(encoded.units), encoded.count));
}

}  // namespace

SecretString saslprep(std::string_view password) {
  if (is_ascii(password)) {
    return SecretString(password);
  }
  return prepare(password).value_or(SecretString(password));
}

}  // namespace sportello::auth
