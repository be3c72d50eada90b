// Cuts SQL text into tokens exactly as PostgreSQL's own scanner does: strings and their continuation lines,
// E'', U&'', B'', X'', N'', dollar quotes, quoted identifiers, nested comments, operators (which end where a
// comment begins), numbers, parameters.
//
// Tokens are views into the text: nothing is copied, unescaped, folded or looked up, and comments and white
// space are left out. One pass, no allocation, no recursion, linear time. What PostgreSQL would refuse
// (unterminated, junk after a number, NUL) is one Error token, after which only End follows.
//
// Left to others: shapes and how deep a text nests (fingerprint.h), what it means (statement_parser.h).
//
// The caller knows two things that change what a quote means:
// - standard_conforming_strings of the session; off, a backslash escapes in '...' too.
// - client_encoding. The server converts text before it scans it, we scan what came. In every encoding whose
//   multibyte characters hold no ASCII byte this is the same; others need encoding_is_ascii_safe().
// Manual: sql-syntax-lexical.html.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "protocol/sql/route_hint.h"

namespace sportello::sql {

enum class TokenKind : uint8_t {
  Word,               // unquoted identifier or keyword, in the text's own case
  QuotedIdentifier,   // "..." with its quotes
  UnicodeIdentifier,  // U&"..."; a UESCAPE that belongs to it follows as Word and String
  String,             // '...', N'...', E'...', U&'...', B'...', X'...', continuation lines included
  DollarString,       // $tag$...$tag$ with its tags
  Number,             // 42, 4.2, .5e-3, and PostgreSQL 16's 0x2A and 1_000
  Parameter,          // $1
  Operator,           // + - * / < > = and longer ones, also => <= >= <> !=
  Punctuation,        // ( ) [ ] , ; . : and the longer :: .. :=
  Other,              // a byte that begins no token of SQL, such as a lone $ or a backslash
  Error,              // PostgreSQL refuses the text here; the token is the rest of it
  End,
};

// ASCII lower case of one byte; others stay. PostgreSQL folds keywords and, in UTF-8, identifiers so.
constexpr char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

struct Token {
  TokenKind kind = TokenKind::End;
  std::string_view text;  // points into the lexer's text

  bool is(char punctuation) const {
    return kind == TokenKind::Punctuation && text.size() == 1 && text[0] == punctuation;
  }
  bool is_literal() const {
    return kind == TokenKind::String || kind == TokenKind::DollarString || kind == TokenKind::Number ||
           kind == TokenKind::Parameter;
  }
  // An unquoted word equal to `lower_case`, whatever its case.
  bool is_word(std::string_view lower_case) const {
    if (kind != TokenKind::Word || text.size() != lower_case.size()) return false;
    for (size_t i = 0; i < lower_case.size(); ++i) {
      if (to_lower(text[i]) != lower_case[i]) return false;
    }
    return true;
  }
};

class Lexer {
 public:
  explicit Lexer(std::string_view text, bool standard_conforming_strings = true)
      : begin_(text.data()),
        here_(text.data()),
        end_(text.data() + text.size()),
        standard_conforming_strings_(standard_conforming_strings) {}

  Token next();

  // Where the next token will be looked for: bytes from the text's start.
  size_t position() const { return static_cast<size_t>(here_ - begin_); }

  // The hint of the comments that were passed by so far.
  RouteHint hint() const { return hint_; }

 private:
  bool skip_space();  // false: a comment has no end
  bool skip_block_comment();
  void comment(const char* begin, const char* end);
  Token prefixed_or_word();
  Token word(const char* start);
  enum class Quotes : uint8_t {
    Doubled,       // '' is a quote
    Escaped,       // and so is \'
    BitsHaveNone,  // B'' and X'' end at any quote
  };
  Token quoted_string(const char* start, Quotes quotes);
  Token quoted_identifier(const char* start, TokenKind kind);
  Token dollar();
  Token number();
  Token operator_token();
  Token finish(TokenKind kind, const char* start);
  Token fail(const char* start);
  bool continues_on_next_line();
  char peek(size_t ahead) const { return static_cast<size_t>(end_ - here_) > ahead ? here_[ahead] : '\0'; }

  const char* begin_;
  const char* here_;
  const char* end_;
  bool standard_conforming_strings_;
  RouteHint hint_ = RouteHint::None;
};

// False for the client encodings in which the second byte of a character can be a quote or a backslash
// (SJIS, BIG5, GBK, UHC, GB18030, JOHAB, SHIFT_JIS_2004, by any of their names): texts of such a session
// that are not plain ASCII must be taken for unknown. `client_encoding` is as ParameterStatus reports it.
bool encoding_is_ascii_safe(std::string_view client_encoding);

}  // namespace sportello::sql
