#include "protocol/sql/moment_words.h"

#include <algorithm>
#include <array>

namespace sportello::sql {
namespace {

constexpr std::array<std::string_view, 4> kWords = {"now", "today", "tomorrow", "yesterday"};

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool ends_with_without_case(std::string_view text, std::string_view lower_case) {
  return text.size() >= lower_case.size() &&
         std::equal(lower_case.begin(), lower_case.end(), text.end() - lower_case.size(),
                    [](char other, char mine) { return to_lower(mine) == other; });
}

// In E'': those of which another letter could come are \x, \u, \101, and \w, which is w.
bool is_plain_escape(char c) { return std::string_view("bfnrt'\\").find(c) != std::string_view::npos; }

bool may_be_spelled_otherwise(std::string_view body, bool escapes) {
  for (size_t i = 0; i < body.size(); ++i) {
    if (body[i] == '\\' && escapes) {
      if (i + 1 >= body.size() || !is_plain_escape(body[i + 1])) return true;
      ++i;
    } else if (body[i] == '\'') {
      if (i + 1 >= body.size() || body[i + 1] != '\'') return true;  // a continuation line
      ++i;
    }
  }
  return false;
}

}  // namespace

bool names_a_moment(std::string_view value) {
  for (size_t end = 3; end <= value.size(); ++end) {
    const int last = value[end - 1] | 0x20;  // in lower case, if it is a letter
    if ((last != 'w' && last != 'y') || (end < value.size() && is_letter(value[end]))) continue;
    for (const std::string_view word : kWords) {
      if (!ends_with_without_case(value.substr(0, end), word)) continue;
      if (end == word.size() || !is_letter(value[end - word.size() - 1])) return true;
    }
  }
  return false;
}

bool may_name_a_moment(const Token& literal, bool standard_conforming_strings) {
  if (literal.kind == TokenKind::DollarString) return names_a_moment(literal.text);
  if (literal.kind != TokenKind::String) return false;
  const size_t quote = literal.text.find('\'');
  const char prefix = quote == 0 ? '\0' : to_lower(literal.text[0]);
  if (prefix == 'b' || prefix == 'x') return false;
  if (prefix == 'u') return true;  // UESCAPE, still to come, may name any escape character
  const std::string_view body = literal.text.substr(quote + 1, literal.text.size() - quote - 2);
  return names_a_moment(body) ||
         may_be_spelled_otherwise(body, prefix == 'e' || !standard_conforming_strings);
}

}  // namespace sportello::sql
