#include "protocol/sql/number_patterns.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "protocol/sql/lexer.h"
#include "protocol/xxhash.h"

namespace sportello::sql {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Behind a number: it may be part of it, or of a name, or make it an error.
bool may_go_on(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '.' ||
         c == '$' || byte >= 0x80;
}

// npos: none. Eight bytes at a time, as it runs over half of every new text.
size_t first_digit(std::string_view text) {
  constexpr uint64_t kOnes = 0x0101010101010101;
  size_t at = 0;
  if constexpr (std::endian::native == std::endian::little) {
    for (; at + 8 <= text.size(); at += 8) {
      uint64_t bytes = 0;
      std::memcpy(&bytes, text.data() + at, 8);
      bytes ^= '0' * kOnes;  // digits are now 0 to 9
      const uint64_t others = ((bytes & (0x7f * kOnes)) + (0x76 * kOnes)) | bytes;
      if (const uint64_t digits = ~others & (0x80 * kOnes); digits != 0) {
        return at + static_cast<size_t>(std::countr_zero(digits)) / 8;
      }
    }
  }
  for (; at < text.size(); ++at) {
    if (is_digit(text[at])) return at;
  }
  return std::string_view::npos;
}

}  // namespace

size_t NumberPatterns::place_of(std::string_view text, size_t first_digit) const {
  return hash_bytes(text.substr(0, first_digit), seed_) % kPlaces;
}

const std::shared_ptr<const StatementFacts>* NumberPatterns::find(std::string_view text) const {
  const size_t digit = first_digit(text.substr(0, kMostBytes));
  if (digit == std::string_view::npos) return nullptr;
  const Pattern& pattern = places_[place_of(text, digit)];
  return pattern.facts != nullptr && fits(pattern, text) ? &pattern.facts : nullptr;
}

bool NumberPatterns::fits(const Pattern& pattern, std::string_view text) {
  const std::string_view known = pattern.text;
  size_t at = 0;    // in `text`
  size_t from = 0;  // in `known`
  for (const Number& number : pattern.numbers) {
    const std::string_view fixed = known.substr(from, number.begin - from);
    if (text.substr(at, fixed.size()) != fixed) return false;
    at += fixed.size();
    const size_t digits = at;
    while (at < text.size() && is_digit(text[at])) ++at;
    if (at == digits) return false;
    from = number.end;
  }
  return text.substr(at) == known.substr(from);
}

std::vector<NumberPatterns::Number> NumberPatterns::numbers_of(std::string_view text) {
  std::vector<Number> numbers;
  Lexer lexer(text);
  for (Token token = lexer.next(); token.kind != TokenKind::End; token = lexer.next()) {
    const size_t end = lexer.position();
    if (token.kind == TokenKind::Number && std::all_of(token.text.begin(), token.text.end(), is_digit) &&
        (end == text.size() || !may_go_on(text[end]))) {
      numbers.push_back({end - token.text.size(), end});
    }
  }
  return numbers;
}

void NumberPatterns::note(std::string_view text, const std::shared_ptr<const StatementFacts>& facts) {
  if (text.size() > kMostBytes) return;
  const size_t digit = first_digit(text);
  if (digit == std::string_view::npos) return;
  Pattern& pattern = places_[place_of(text, digit)];
  if (pattern.candidate != facts->fingerprint) {
    pattern.candidate = facts->fingerprint;
    return;
  }
  std::vector<Number> numbers = numbers_of(text);
  if (numbers.empty() || numbers.size() > kMostNumbers) return;
  bytes_ -= pattern.text.capacity() + pattern.numbers.capacity() * sizeof(Number);
  pattern.text = std::string(text);
  pattern.numbers = std::move(numbers);
  pattern.facts = facts;
  bytes_ += pattern.text.capacity() + pattern.numbers.capacity() * sizeof(Number);
}

}  // namespace sportello::sql
