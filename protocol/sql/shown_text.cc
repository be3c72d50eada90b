#include "protocol/sql/shown_text.h"

#include <algorithm>

#include "protocol/sql/lexer.h"

namespace sportello::sql {
namespace {

constexpr std::string_view kCut = "…";

// Follows where a statement gives a value to a setting.
class SettingWatch {
 public:
  // True: this and the rest of the statement is a setting's value.
  bool is_value(const Token& token) {
    if (token.is(';')) {
      *this = SettingWatch();
      return false;
    }
    if (value_) return true;
    ++tokens_;
    if (tokens_ == 1) {
      sets_ = token.is_word("set");
      alters_ = token.is_word("alter");
    } else if (tokens_ == 2 && alters_) {
      alters_ = token.is_word("role") || token.is_word("user") || token.is_word("group") ||
                token.is_word("database") || token.is_word("system");
    } else if (alters_ && token.is_word("set")) {
      sets_ = true;
    } else if (sets_ && (token.is_word("to") || token.text == "=")) {
      value_ = true;  // what comes next
    }
    return false;
  }

 private:
  size_t tokens_ = 0;
  bool alters_ = false;  // ALTER ROLE, …
  bool sets_ = false;    // SET has been said
  bool value_ = false;   // and TO or =
};

class Shower {
 public:
  explicit Shower(size_t most_bytes) : most_bytes_(std::max(most_bytes, kCut.size())) {}

  // False: no more fits.
  bool add(const Token& token, bool after_space) {
    const bool is_value = settings_.is_value(token);
    if (is_value && in_value_) return true;
    in_value_ = is_value;
    const bool is_hidden = is_value || token.is_literal();
    const std::string hidden = is_hidden ? "$" + std::to_string(++placeholders_) : "";
    return put(is_hidden ? std::string_view(hidden) : token.text, after_space && !out_.empty());
  }
  // put() has left room for it.
  void cut() { out_.append(kCut); }
  std::string take() { return std::move(out_); }

 private:
  bool put(std::string_view piece, bool after_space) {
    if (out_.size() + (after_space ? 1 : 0) + piece.size() + kCut.size() > most_bytes_) {
      cut();
      return false;
    }
    if (after_space) out_ += ' ';
    // A quoted name may hold anything.
    for (const char c : piece) out_ += static_cast<unsigned char>(c) < ' ' || c == '\x7f' ? ' ' : c;
    return true;
  }

  size_t most_bytes_;
  SettingWatch settings_;
  std::string out_;
  size_t placeholders_ = 0;
  bool in_value_ = false;
};

}  // namespace

std::string shown_text(std::string_view text, bool standard_conforming_strings, size_t most_bytes) {
  Lexer lexer(text, standard_conforming_strings);
  Shower shower(most_bytes);
  const char* end = text.data();
  for (Token token = lexer.next(); token.kind != TokenKind::End; token = lexer.next()) {
    if (token.kind == TokenKind::Error) {
      shower.cut();
      break;
    }
    if (!shower.add(token, token.text.data() > end)) break;
    end = token.text.data() + token.text.size();
  }
  return shower.take();
}

}  // namespace sportello::sql
