#include "protocol/sql/lexer.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace sportello::sql {
namespace {

// What a byte can be; a table, as this loop runs over every byte of every new text.
enum ByteClass : uint8_t {
  kSpace = 1,
  kIdentStart = 2,  // letters, underscore, every byte of a multibyte character
  kDigit = 4,
  kOperator = 8,
  kSelf = 16,  // a token by itself: , ( ) [ ] . ; :
  kHexDigit = 32,
};

constexpr std::array<uint8_t, 256> make_classes() {
  std::array<uint8_t, 256> table{};
  for (int c = 0; c < 256; ++c) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (letter || c == '_' || c >= 0x80) table[static_cast<size_t>(c)] |= kIdentStart;
    if (c >= '0' && c <= '9') table[static_cast<size_t>(c)] |= kDigit | kHexDigit;
    if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')) table[static_cast<size_t>(c)] |= kHexDigit;
  }
  for (char c : std::string_view(" \t\n\r\f\v")) table[static_cast<uint8_t>(c)] |= kSpace;
  for (char c : std::string_view("~!@#^&|`?+-*/%<>=")) table[static_cast<uint8_t>(c)] |= kOperator;
  for (char c : std::string_view(",()[].;:")) table[static_cast<uint8_t>(c)] |= kSelf;
  return table;
}
constexpr std::array<uint8_t, 256> kClasses = make_classes();

bool is_a(char c, int classes) { return (kClasses[static_cast<uint8_t>(c)] & classes) != 0; }
bool is_newline(char c) { return c == '\n' || c == '\r'; }
constexpr ptrdiff_t kNameDataLen = 64;  // PostgreSQL refuses operators of this length

// An operator that holds one of these may end in + or -.
bool keeps_trailing_sign(char c) { return std::string_view("~!@#^&|`?%").find(c) != std::string_view::npos; }

const char* skip_class(const char* at, const char* end, int classes) {
  while (at < end && is_a(*at, classes)) ++at;
  return at;
}

const char* skip_line(const char* at, const char* end) {
  while (at < end && !is_newline(*at)) ++at;
  return at;
}

}  // namespace

Token Lexer::next() {
  const char* before = here_;
  if (!skip_space()) return fail(before);
  if (here_ >= end_) return finish(TokenKind::End, here_);
  const char c = *here_;
  if (is_a(c, kIdentStart)) return prefixed_or_word();
  if (is_a(c, kDigit) || (c == '.' && is_a(peek(1), kDigit))) return number();
  if (c == '\'') {
    const char* start = here_++;
    return quoted_string(start, standard_conforming_strings_ ? Quotes::Doubled : Quotes::Escaped);
  }
  if (c == '"') {
    const char* start = here_++;
    return quoted_identifier(start, TokenKind::QuotedIdentifier);
  }
  if (c == '$') return dollar();
  if (is_a(c, kOperator)) return operator_token();
  const char* start = here_++;
  if (c == '\0') return fail(start);
  if (!is_a(c, kSelf)) return finish(TokenKind::Other, start);
  const bool pair = (c == ':' && (peek(0) == ':' || peek(0) == '=')) || (c == '.' && peek(0) == '.');
  if (pair) ++here_;
  return finish(TokenKind::Punctuation, start);
}

bool Lexer::skip_space() {
  for (;;) {
    here_ = skip_class(here_, end_, kSpace);
    if (peek(0) == '-' && peek(1) == '-') {
      const char* inside = here_ + 2;
      here_ = skip_line(here_, end_);
      comment(inside, here_);
    } else if (peek(0) == '/' && peek(1) == '*') {
      if (!skip_block_comment()) return false;
    } else {
      return true;
    }
  }
}

bool Lexer::skip_block_comment() {
  const char* inside = here_ + 2;
  size_t depth = 0;
  while (here_ < end_) {
    if (peek(0) == '/' && peek(1) == '*') {
      ++depth;
      here_ += 2;
    } else if (peek(0) == '*' && peek(1) == '/') {
      here_ += 2;
      if (--depth > 0) continue;
      comment(inside, here_ - 2);
      return true;
    } else if (*here_ == '\0') {
      return false;
    } else {
      ++here_;
    }
  }
  return false;
}

void Lexer::comment(const char* begin, const char* end) {
  const RouteHint hint = hint_in_comment(std::string_view(begin, static_cast<size_t>(end - begin)));
  if (hint != RouteHint::None) hint_ = stronger(hint_, hint);
}

// E'', B'', X'', N'', U&'' and U&"" look like words until their quote.
Token Lexer::prefixed_or_word() {
  const char* start = here_;
  const char c = to_lower(*here_);
  const char second = peek(1);
  if (second == '\'' && (c == 'e' || c == 'b' || c == 'x' || c == 'n')) {
    here_ += 2;
    if (c == 'b' || c == 'x') return quoted_string(start, Quotes::BitsHaveNone);
    const bool escaped = c == 'e' || !standard_conforming_strings_;
    return quoted_string(start, escaped ? Quotes::Escaped : Quotes::Doubled);
  }
  if (c == 'u' && second == '&' && (peek(2) == '\'' || peek(2) == '"')) {
    const bool identifier = peek(2) == '"';
    here_ += 3;
    if (identifier) return quoted_identifier(start, TokenKind::UnicodeIdentifier);
    // PostgreSQL refuses U&'' while standard_conforming_strings is off.
    return standard_conforming_strings_ ? quoted_string(start, Quotes::Doubled) : fail(start);
  }
  return word(start);
}

Token Lexer::word(const char* start) {
  while (here_ < end_ && (is_a(*here_, kIdentStart | kDigit) || *here_ == '$')) ++here_;
  return finish(TokenKind::Word, start);
}

// here_ is behind the opening quote.
Token Lexer::quoted_string(const char* start, Quotes quotes) {
  while (here_ < end_) {
    const char c = *here_++;
    if (c == '\0') return fail(start);
    if (c == '\\' && quotes == Quotes::Escaped) {
      if (here_ >= end_ || *here_ == '\0') return fail(start);
      ++here_;
    } else if (c == '\'') {
      if (peek(0) == '\'' && quotes != Quotes::BitsHaveNone) {
        ++here_;
      } else if (!continues_on_next_line()) {
        return finish(TokenKind::String, start);
      }
    }
  }
  return fail(start);
}

// 'a'  -- comment, then at least one line break
// 'b'                       is one string. Moves behind the second opening quote if that is what follows.
bool Lexer::continues_on_next_line() {
  const char* at = here_;
  bool saw_newline = false;
  for (;;) {
    while (at < end_ && is_a(*at, kSpace)) saw_newline |= is_newline(*at++);
    if (end_ - at >= 2 && at[0] == '-' && at[1] == '-') {
      at = skip_line(at, end_);
      // Behind the line break a comment must have one of its own; at the text's end there is no quote anyway.
      if (at >= end_) return false;
    } else {
      break;
    }
  }
  if (!saw_newline || at >= end_ || *at != '\'') return false;
  here_ = at + 1;
  return true;
}

Token Lexer::quoted_identifier(const char* start, TokenKind kind) {
  const char* body = here_;
  while (here_ < end_) {
    const char c = *here_++;
    if (c == '\0') return fail(start);
    if (c != '"') continue;
    if (peek(0) == '"') {
      ++here_;
    } else if (here_ - 1 == body) {
      return fail(start);  // zero-length
    } else {
      return finish(kind, start);
    }
  }
  return fail(start);
}

// $1, $$...$$, $tag$...$tag$, or a dollar that means nothing.
Token Lexer::dollar() {
  const char* start = here_++;
  if (is_a(peek(0), kDigit)) {
    here_ = skip_class(here_, end_, kDigit);
    if (here_ < end_ && is_a(*here_, kIdentStart)) return fail(start);
    return finish(TokenKind::Parameter, start);
  }
  const char* tag_end = here_;
  if (tag_end < end_ && is_a(*tag_end, kIdentStart)) {
    tag_end = skip_class(tag_end, end_, kIdentStart | kDigit);
  }
  if (tag_end >= end_ || *tag_end != '$') return finish(TokenKind::Other, start);
  const std::string_view tag(start, static_cast<size_t>(tag_end + 1 - start));
  const std::string_view rest(tag_end + 1, static_cast<size_t>(end_ - tag_end - 1));
  const size_t close = rest.find(tag);
  if (close == std::string_view::npos || rest.substr(0, close).find('\0') != std::string_view::npos) {
    return fail(start);
  }
  here_ = rest.data() + close + tag.size();
  return finish(TokenKind::DollarString, start);
}

// Digits with single underscores between them, as PostgreSQL 16 allows; older servers refuse the text.
static const char* skip_digits(const char* at, const char* end, int digit_class) {
  while (at < end && is_a(*at, digit_class)) {
    ++at;
    if (at + 1 < end && *at == '_' && is_a(at[1], digit_class)) ++at;
  }
  return at;
}

Token Lexer::number() {
  const char* start = here_;
  const char radix = to_lower(peek(1));
  if (*here_ == '0' && (radix == 'x' || radix == 'o' || radix == 'b')) {
    here_ += peek(2) == '_' ? 3 : 2;
    const char* digits = here_;
    here_ = skip_digits(here_, end_, radix == 'x' ? kHexDigit : kDigit);
    if (here_ == digits) return fail(start);
  } else {
    here_ = skip_digits(here_, end_, kDigit);
    // 1..10 is an integer, a range operator and an integer.
    if (peek(0) == '.' && peek(1) != '.') here_ = skip_digits(here_ + 1, end_, kDigit);
    if (to_lower(peek(0)) == 'e') {
      const size_t sign = peek(1) == '+' || peek(1) == '-' ? 1 : 0;
      if (!is_a(peek(1 + sign), kDigit)) return fail(start);
      here_ = skip_digits(here_ + 1 + sign, end_, kDigit);
    }
  }
  if (here_ < end_ && is_a(*here_, kIdentStart)) return fail(start);
  return finish(TokenKind::Number, start);
}

// The longest run of operator bytes, less what begins a comment, less trailing signs that SQL wants apart
// (a*-1 is a, *, -, 1).
Token Lexer::operator_token() {
  const char* start = here_;
  const char* stop = start + 1;
  bool may_end_in_sign = keeps_trailing_sign(*start);
  while (stop < end_ && is_a(*stop, kOperator)) {
    const bool comment =
        stop + 1 < end_ && ((stop[0] == '/' && stop[1] == '*') || (stop[0] == '-' && stop[1] == '-'));
    if (comment) break;
    may_end_in_sign |= keeps_trailing_sign(*stop);
    ++stop;
  }
  if (!may_end_in_sign) {
    while (stop - start > 1 && (stop[-1] == '+' || stop[-1] == '-')) --stop;
  }
  here_ = stop;
  return stop - start < kNameDataLen ? finish(TokenKind::Operator, start) : fail(start);
}

Token Lexer::finish(TokenKind kind, const char* start) {
  return Token{kind, std::string_view(start, static_cast<size_t>(here_ - start))};
}

Token Lexer::fail(const char* start) {
  here_ = end_;
  return finish(TokenKind::Error, start);
}

bool encoding_is_ascii_safe(std::string_view client_encoding) {
  // Names are compared without case and punctuation, as PostgreSQL does: "Shift_JIS" is "shiftjis".
  char name[32];
  size_t length = 0;
  for (char c : client_encoding) {
    if (!is_a(c, kIdentStart | kDigit) || c == '_') continue;
    if (length == sizeof name) return false;
    name[length++] = to_lower(c);
  }
  constexpr std::string_view kUnsafe[] = {"big5",       "gb18030",   "gbk",    "johab",      "mskanji",
                                          "shiftjis",   "sjis",      "uhc",    "win932",     "shiftjis2004",
                                          "win936",     "win949",    "win950", "windows932", "windows936",
                                          "windows949", "windows950"};
  return std::find(std::begin(kUnsafe), std::end(kUnsafe), std::string_view(name, length)) ==
         std::end(kUnsafe);
}

}  // namespace sportello::sql
