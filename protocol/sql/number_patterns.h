// Texts that differ from one met before in nothing but its whole numbers (WHERE id = 4711): such a text has
// the tokens, and so the shape and the facts, of that other one, and need not be lexed to know it.
//
//   select a from t1 where b = 4711 and c = 5       a pattern
//   ^^^^^^^^^^^^^^^^^^^^^^^^^^^    ^^^^^^^^^        must be the same, byte for byte
//                              ^^^^         ^       any digits
//
// A number here is a token of decimal digits alone, with nothing behind it that could belong to a number or a
// name (t1, $1, 1.5, 0x1F and 1e5 are compared like any other bytes). The lexer is then in the same state in
// front of such a number and behind it, however many digits there are.
//
// A pattern's place follows from the bytes in front of the text's first digit, so that a text is compared
// with one pattern. A shape has to come twice in a row to take the place of another. One thread; bounded by
// kPlaces and kMostBytes. For texts under standard_conforming_strings only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/sql/statement_facts.h"

namespace sportello::sql {

class NumberPatterns {
 public:
  static constexpr size_t kPlaces = 256;
  static constexpr size_t kMostBytes = 1024;  // of a text that becomes a pattern
  static constexpr size_t kMostNumbers = 16;  // in it

  // `seed` is this process's own secret.
  explicit NumberPatterns(uint64_t seed) : seed_(seed), places_(kPlaces) {}

  // Null if it fits no pattern. The reference is good until the next call of note().
  const std::shared_ptr<const StatementFacts>* find(std::string_view text) const;

  // `text` was met and find() did not know it. Its facts hang on no literal.
  void note(std::string_view text, const std::shared_ptr<const StatementFacts>& facts);

  size_t bytes() const { return bytes_; }

 private:
  struct Number {
    size_t begin;
    size_t end;
  };
  struct Pattern {
    std::shared_ptr<const StatementFacts> facts;  // null: the place is free
    std::string text;
    std::vector<Number> numbers;
    uint64_t candidate = 0;  // the shape that came last and was not known
  };

  static bool fits(const Pattern& pattern, std::string_view text);
  static std::vector<Number> numbers_of(std::string_view text);
  size_t place_of(std::string_view text, size_t first_digit) const;

  uint64_t seed_;
  std::vector<Pattern> places_;
  size_t bytes_ = sizeof(Pattern) * kPlaces;
};

}  // namespace sportello::sql
