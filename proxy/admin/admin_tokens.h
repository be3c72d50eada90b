// One command of the console as tokens, read from left to right: what stands next, and is it what is wanted?
// The parts of the parser (admin_parser.cc, driver_commands.h, driver_select.h) share it, and with it the
// place up to which the command was read. Also what tokens stand for: names, strings.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "protocol/sql/lexer.h"

namespace sportello::proxy {

bool same_word(std::string_view a, std::string_view b);

// Without the quotes around it, and with half of those in it.
std::string unquote(std::string_view text, char quote);

// Of '…' and $tag$…$tag$; of other strings nothing.
std::string string_value(std::string_view text);

class AdminTokens {
 public:
  // Those of one command, its semicolon taken off, at least one.
  explicit AdminTokens(std::span<const sql::Token> tokens) : tokens_(tokens) {}

  // Behind the end: a token that is nothing.
  const sql::Token& peek(size_t ahead = 0) const {
    static const sql::Token end;
    return at_ + ahead < tokens_.size() ? tokens_[at_ + ahead] : end;
  }
  bool at_end() const { return at_ >= tokens_.size(); }
  size_t left() const { return tokens_.size() - at_; }
  const sql::Token& last() const { return tokens_.back(); }
  // The text from the next token to the end.
  std::string_view rest() const;
  // All of it.
  std::string_view text() const;

  bool is_name(size_t ahead = 0) const;
  void skip(size_t count) { at_ += count; }
  // Goes on behind what was wanted, if it stands next.
  bool accept(std::string_view word);
  bool accept(char punctuation);
  // The next token, which is a name.
  std::string take_name();

 private:
  std::span<const sql::Token> tokens_;
  size_t at_ = 0;
};

}  // namespace sportello::proxy
