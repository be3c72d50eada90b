#include "proxy/admin/admin_tokens.h"

#include <algorithm>

namespace sportello::proxy {

using sql::Token;
using sql::TokenKind;

bool same_word(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return sql::to_lower(x) == sql::to_lower(y); });
}

std::string unquote(std::string_view text, char quote) {
  std::string out;
  text = text.substr(1, text.size() - 2);
  for (size_t i = 0; i < text.size(); i++) {
    out.push_back(text[i]);
    if (text[i] == quote) {
      i++;
    }
  }
  return out;
}

// Of '…' and $tag$…$tag$; of other strings nothing.
std::string string_value(std::string_view text) {
  if (text.starts_with('\'')) {
    return unquote(text, '\'');
  }
  if (text.starts_with('$')) {
    const size_t tag = text.find('$', 1) + 1;
    return std::string(text.substr(tag, text.size() - 2 * tag));
  }
  return "";
}

std::string_view AdminTokens::rest() const {
  if (at_end()) {
    return {};
  }
  const char* begin = peek().text.data();
  return {begin, static_cast<size_t>(last().text.data() + last().text.size() - begin)};
}

std::string_view AdminTokens::text() const {
  const char* begin = tokens_.front().text.data();
  return {begin, static_cast<size_t>(last().text.data() + last().text.size() - begin)};
}

bool AdminTokens::is_name(size_t ahead) const {
  return peek(ahead).kind == TokenKind::Word || peek(ahead).kind == TokenKind::QuotedIdentifier;
}

bool AdminTokens::accept(std::string_view word) {
  if (peek().kind != TokenKind::Word || !same_word(peek().text, word)) {
    return false;
  }
  at_++;
  return true;
}

bool AdminTokens::accept(char punctuation) {
  if (!peek().is(punctuation)) {
    return false;
  }
  at_++;
  return true;
}

std::string AdminTokens::take_name() {
  const Token& token = tokens_[at_++];
  return token.kind == TokenKind::QuotedIdentifier ? unquote(token.text, '"') : std::string(token.text);
}

}  // namespace sportello::proxy
