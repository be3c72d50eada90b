#include "protocol/sql/fingerprint.h"

#include <algorithm>
#include <array>
#include <utility>

#include "protocol/sql/lexer.h"
#include "protocol/sql/moment_words.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace sportello::sql {
namespace {

// Writes the canonical text. No token takes more than its own bytes and a mark, and none is empty, so twice
// the text is always room enough and no put() need ask.
class CanonicalText {
 public:
  CanonicalText(std::string& scratch, size_t text_bytes) {
    if (scratch.size() < 2 * text_bytes) scratch.resize(2 * text_bytes);
    begin_ = here_ = scratch.data();
  }
  void put(char byte) { *here_++ = byte; }
  void put(std::string_view bytes) { here_ = std::copy(bytes.begin(), bytes.end(), here_); }
  void put_lower(std::string_view bytes) {
    here_ = std::transform(bytes.begin(), bytes.end(), here_, to_lower);
  }
  std::string_view view() const { return {begin_, static_cast<size_t>(here_ - begin_)}; }

 private:
  char* begin_;
  char* here_;
};

// Begin a token, so that different token streams are different bytes. No word or
// operator holds such a byte; quoted tokens end with their own quote.
enum Mark : char { kLiteral = 1, kWord, kExact, kSymbol, kMoment, kHint };

template <typename... Words>
bool any_of(const Token& token, Words... words) {
  return (token.is_word(words) || ...);
}

// Words that can nest an expression or a query without a bracket. AND and OR are not here, as the parser
// makes a chain of them one flat node.
bool nests(const Token& word) {
  switch (to_lower(word.text[0])) {
    case 'a':
      return any_of(word, "at");
    case 'b':
      return any_of(word, "between");
    case 'c':
      return any_of(word, "case", "collate");
    case 'e':
      return any_of(word, "except", "escape", "explain");
    case 'i':
      return any_of(word, "is", "in", "isnull", "ilike", "intersect");
    case 'j':
      return any_of(word, "join");
    case 'l':
      return any_of(word, "like");
    case 'n':
      return any_of(word, "not", "notnull");
    case 'o':
      return any_of(word, "operator", "overlaps");
    case 's':
      return any_of(word, "select", "similar");
    case 'u':
      return any_of(word, "union");
    case 'w':
      return any_of(word, "with");
    default:
      return false;
  }
}

// After these words a sign belongs to the number that follows; after any other it is taken for an operator.
bool expects_operand(const Token& word) {
  return any_of(word, "and", "between", "by", "else", "limit", "offset", "or", "select", "then", "when");
}

// A literal where lists are shortened; elsewhere IS NULL and IS TRUE need these words.
bool is_list_literal(const Token& token) {
  return token.is_literal() || (token.kind == TokenKind::Word && any_of(token, "null", "true", "false"));
}

class ShapeMeter {
 public:
  ShapeMeter(std::string& scratch, size_t text_bytes, bool standard_conforming_strings)
      : canonical_(scratch, text_bytes), standard_conforming_strings_(standard_conforming_strings) {}

  // Signs before numbers go first: what follows sees `-1` as the literal it is.
  void feed(const Token& token) {
    ++shape_.tokens;
    if (token.kind == TokenKind::String || token.kind == TokenKind::DollarString) {
      shape_.names_a_moment = shape_.names_a_moment || may_name_a_moment(token, standard_conforming_strings_);
    }
    if (held_sign_.kind == TokenKind::Operator) {
      const Token sign = std::exchange(held_sign_, Token{});
      if (token.kind != TokenKind::Number) collapse(sign);
    } else if (token.kind == TokenKind::Operator && (token.text == "-" || token.text == "+") &&
               !after_operand()) {
      held_sign_ = token;
      return;
    }
    collapse(token);
    previous_ = token;
  }

  Shape finish(RouteHint hint) {
    if (held_sign_.kind == TokenKind::Operator) collapse(held_sign_);
    flush();
    shape_.well_formed = balanced_ && depth_ == 0;
    const std::string_view tokens = canonical_.view();
    shape_.fingerprint = XXH3_64bits(tokens.data(), tokens.size());
    if (shape_.names_a_moment) canonical_.put(kMoment);
    if (hint != RouteHint::None) {
      canonical_.put(kHint);
      canonical_.put(static_cast<char>(hint));
    }
    shape_.hint = hint;
    shape_.canonical = canonical_.view();
    return shape_;
  }

 private:
  // Where the tokens are in a list that may be shortened. Held tokens are not hashed yet; as only their
  // number matters (they are literals and commas), `held_literals_` is all that is kept of them.
  enum class List : uint8_t {
    None,       //                       literal      ,             ) or ]      anything else
    Open,       // IN (                  One          None          None        None
    One,        // IN (1                 None         Comma         None        None
    Comma,      // IN (1 [,]             CommaOne     None          None        None    hash what is held
    CommaOne,   // IN (1 [, 2]           None         Comma         None        None    forget at , and )
    Values,     // VALUES                                ( -> FirstRow, else None
    FirstRow,   // VALUES (              FirstCell    None          None        None
    FirstCell,  // VALUES (1             None         FirstRow      RowDone     None
    RowDone,    // VALUES (1)            None         RowComma      None        None
    RowComma,   // VALUES (1) [,]           ( -> Row, else None                         hash what is held
    Row,        // VALUES (1) [, (]      Cell         None          None        None    hash what is held
    Cell,       // VALUES (1) [, (2]     None         Row           RowDone     None    forget at ) if equal
  };

  void collapse(const Token& token) {
    switch (list_) {
      case List::None:
        break;
      case List::Open:
        if (!is_list_literal(token)) break;
        return literal(List::One);
      case List::One:
        if (!token.is(',')) break;
        list_ = List::Comma;
        return;
      case List::Comma:
        if (!is_list_literal(token)) break;
        list_ = List::CommaOne;
        return;
      case List::CommaOne:
        if (token.is(',')) {
          list_ = List::Comma;
          return;
        }
        if (token.is(')') || token.is(']')) list_ = List::None;
        break;
      case List::Values:
        if (!token.is('(')) break;
        first_row_cells_ = 0;
        emit(token);
        list_ = List::FirstRow;
        return;
      case List::FirstRow:
        if (!is_list_literal(token)) break;
        ++first_row_cells_;
        return literal(List::FirstCell);
      case List::FirstCell:
        if (!token.is(',') && !token.is(')')) break;
        emit(token);
        list_ = token.is(',') ? List::FirstRow : List::RowDone;
        return;
      case List::RowDone:
        if (!token.is(',')) break;
        list_ = List::RowComma;
        return;
      case List::RowComma:
        if (!token.is('(')) break;
        held_literals_ = 0;
        list_ = List::Row;
        return;
      case List::Row:
        if (!is_list_literal(token)) break;
        ++held_literals_;
        list_ = List::Cell;
        return;
      case List::Cell:
        if (token.is(',')) {
          list_ = List::Row;
          return;
        }
        if (!token.is(')') || held_literals_ != first_row_cells_) break;
        list_ = List::RowDone;
        return;
    }
    flush();
    emit(token);
  }

  // The list went on in a way that must count: what was held is hashed after all.
  void flush() {
    const List was = std::exchange(list_, List::None);
    if (was == List::Comma || was == List::CommaOne) {
      symbol(',');
      if (was == List::CommaOne) canonical_.put(kLiteral);
    } else if (was == List::RowComma || was == List::Row || was == List::Cell) {
      symbol(',');
      if (was == List::RowComma) return;
      open('(');
      symbol('(');
      for (uint32_t i = 0; i < held_literals_; ++i) {
        if (i > 0) symbol(',');
        canonical_.put(kLiteral);
      }
      if (was == List::Row && held_literals_ > 0) symbol(',');
    }
  }

  void literal(List next) {
    before_next();
    canonical_.put(kLiteral);
    list_ = next;
  }

  void emit(const Token& token) {
    if (token.is(';') && depth_ == 0) {
      held_semicolon_ = true;
      return;
    }
    before_next();
    const bool after_in = std::exchange(after_in_, false);
    const bool after_uescape = std::exchange(after_uescape_, false);
    switch (token.kind) {
      case TokenKind::Word:
        return word(token);
      case TokenKind::String:
        if (after_uescape) return exact(token);
        canonical_.put(kLiteral);
        return;
      case TokenKind::DollarString:
      case TokenKind::Number:
      case TokenKind::Parameter:
        canonical_.put(kLiteral);
        return;
      case TokenKind::QuotedIdentifier:
      case TokenKind::UnicodeIdentifier:
        return exact(token);
      case TokenKind::Operator:
      case TokenKind::Punctuation:
        return symbols(token, after_in);
      case TokenKind::Other:
      case TokenKind::Error:
        balanced_ = false;
        return exact(token);
      case TokenKind::End:
        return;
    }
  }

  void word(const Token& token) {
    canonical_.put(kWord);
    canonical_.put_lower(token.text);
    if (nests(token)) ++shape_.deepening;
    const size_t size = token.text.size();
    after_in_ = (size == 2 && token.is_word("in")) || (size == 5 && token.is_word("array"));
    after_uescape_ = size == 7 && token.is_word("uescape");
    if (size == 6 && token.is_word("values")) list_ = List::Values;
  }

  void symbols(const Token& token, bool after_in) {
    canonical_.put(kSymbol);
    canonical_.put(token.text);
    if (token.kind == TokenKind::Operator || token.text == "::") ++shape_.deepening;
    if (token.text.size() != 1 || token.kind == TokenKind::Operator) return;
    const char c = token.text[0];
    if (c == '(' || c == '[') {
      open(c);
      if (after_in) list_ = List::Open;
      if (c == '[') ++shape_.deepening;
    } else if (c == ')' || c == ']') {
      close(c);
    }
  }

  void open(char bracket) {
    if (depth_ < brackets_.size()) brackets_[depth_] = bracket;
    ++depth_;
    shape_.nesting = std::max(shape_.nesting, static_cast<uint32_t>(depth_));
  }

  void close(char bracket) {
    if (depth_ == 0) {
      balanced_ = false;
      return;
    }
    --depth_;
    // Deeper than the stack of brackets nothing is compared: such a text is too deep for the parser anyway.
    if (depth_ < brackets_.size() && (brackets_[depth_] == '(') != (bracket == ')')) balanced_ = false;
  }

  void before_next() {
    if (std::exchange(held_semicolon_, false)) symbol(';');
  }
  void symbol(char c) {
    canonical_.put(kSymbol);
    canonical_.put(c);
  }
  void exact(const Token& token) {
    canonical_.put(kExact);
    canonical_.put(token.text);
  }

  // Whether a sign that comes next is an operator: asked only then, as hardly any text has one.
  bool after_operand() const {
    switch (previous_.kind) {
      case TokenKind::End:  // the text's start
      case TokenKind::Operator:
        return false;
      case TokenKind::Punctuation:
        return previous_.is(')') || previous_.is(']');
      case TokenKind::Word:
        return !expects_operand(previous_);
      default:
        return true;
    }
  }

  CanonicalText canonical_;
  bool standard_conforming_strings_;
  Shape shape_;
  std::array<char, 256> brackets_;  // those open now
  size_t depth_ = 0;
  bool balanced_ = true;
  Token previous_;   // the last one that was not held
  Token held_sign_;  // a sign that may belong to a number; Operator if there is one
  bool held_semicolon_ = false;
  bool after_in_ = false;  // the next bracket opens a list that may be shortened
  bool after_uescape_ = false;
  List list_ = List::None;
  uint32_t first_row_cells_ = 0;
  uint32_t held_literals_ = 0;
};

}  // namespace

Shape measure_shape(std::string_view text, bool standard_conforming_strings, std::string& scratch) {
  Lexer lexer(text, standard_conforming_strings);
  ShapeMeter meter(scratch, text.size(), standard_conforming_strings);
  for (Token token = lexer.next(); token.kind != TokenKind::End; token = lexer.next()) meter.feed(token);
  return meter.finish(lexer.hint());
}

uint64_t fingerprint_of(std::string_view text, bool standard_conforming_strings) {
  std::string scratch;
  return measure_shape(text, standard_conforming_strings, scratch).fingerprint;
}

}  // namespace sportello::sql
