#include "protocol/sql/lexical_effects.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <iterator>

#include "protocol/sql/known_functions.h"
#include "protocol/sql/lexer.h"

namespace sportello::sql {
namespace {

using Words = std::initializer_list<std::string_view>;

bool is_one_of(const Token& token, Words words) {
  return std::any_of(words.begin(), words.end(), [&](std::string_view word) { return token.is_word(word); });
}

// The name a token has as an identifier, folded into `storage`; empty if it is none, or longer than any that
// we look for.
std::string_view name_of(const Token& token, std::array<char, 64>& storage) {
  std::string_view text = token.text;
  if (token.kind == TokenKind::QuotedIdentifier) {
    text = text.substr(1, text.size() - 2);
    return text.size() <= storage.size() ? text : std::string_view();
  }
  if (token.kind != TokenKind::Word || text.size() > storage.size()) return {};
  std::transform(text.begin(), text.end(), storage.begin(), to_lower);
  return {storage.data(), text.size()};
}

// Names that are suspect wherever they stand.
bool is_suspect_name(const Token& token) {
  // Its escapes could spell any name.
  if (token.kind == TokenKind::UnicodeIdentifier) return true;
  std::array<char, 64> storage;
  const std::string_view name = name_of(token, storage);
  if (name.empty()) return false;
  return name == "temp" || name == "temporary" || name.starts_with("pg_temp") || name == "pg_settings" ||
         session_effect_of_function(name) != 0;
}

}  // namespace

bool looks_harmless_to_session(std::string_view text, bool standard_conforming_strings) {
  Lexer lexer(text, standard_conforming_strings);
  bool at_start = true;
  for (Token token = lexer.next(); token.kind != TokenKind::End; token = lexer.next()) {
    if (token.kind == TokenKind::Error || is_suspect_name(token)) return false;
    if (token.is(';')) {
      at_start = true;
    } else if (at_start && !token.is('(')) {
      if (!is_one_of(token, {"select", "insert", "update", "delete", "merge", "with", "values", "table"})) {
        return false;
      }
      at_start = false;
    }
  }
  return true;
}

bool block_looks_harmless_to_session(std::string_view body) {
  // A body is scanned as SQL; where a backslash in a string would change its end, nobody can tell.
  if (body.find('\\') != std::string_view::npos) return false;
  Lexer lexer(body);
  bool at_start = true;
  for (Token token = lexer.next(); token.kind != TokenKind::End; token = lexer.next()) {
    if (token.kind == TokenKind::Error || is_suspect_name(token)) return false;
    // Dynamic SQL: EXECUTE 'SET ...', also in FOR ... IN EXECUTE and RETURN QUERY EXECUTE.
    if (is_one_of(token, {"execute"})) return false;
    if (at_start && is_one_of(token, {"set", "reset", "listen", "load", "discard", "prepare", "call"})) {
      return false;
    }
    at_start = token.is(';') || token.text == ">>" || is_one_of(token, {"begin", "then", "else", "loop"});
  }
  return true;
}

}  // namespace sportello::sql
