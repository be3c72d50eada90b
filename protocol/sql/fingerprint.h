// The shape of a text: a 64-bit hash of its tokens with literals, parameters, white space and comments taken
// out, and how large and deep it is.
//
// Two texts have one fingerprint if they differ only in
// - white space, comments, trailing semicolons, and the case of unquoted words;
// - the values of literals; a parameter ($1) and a literal of any type count as the same, and so does a sign
//   before a number (`= -1` and `= 1`);
// - the length of a list of literals in IN (...) or ARRAY[...], and the number of VALUES rows of literals.
//   NULL, TRUE and FALSE count as literals there, and as words everywhere else.
// Quoted identifiers count exactly; so does the escape character of a UESCAPE, as it changes a name.
//
// Two things outside of this count for facts, though not for the fingerprint: a hint in a comment
// (route_hint.h), and that a literal may name a moment relative to now (moment_words.h). They are marks at
// the end of the canonical text, behind what is hashed; so facts are shared only by texts that agree in them.
//
// Facts that hang on a literal must not be shared by fingerprint (StatementFacts::literal_dependent).
//
// What is hashed is the canonical text: the tokens that count, each behind a mark. Who must not be fooled by
// two shapes of one hash (hashes can be made to collide on purpose) compares canonical texts.
//
// One pass over the tokens; no allocation once the caller's scratch has grown. The hash is xxHash's XXH3 and
// may differ between releases of Sportello: it is for memory, not for files.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/sql/route_hint.h"

namespace sportello::sql {

struct Shape {
  uint64_t fingerprint = 0;
  uint32_t tokens = 0;
  uint32_t nesting = 0;  // the most brackets open at once
  // Tokens that can each put a level more on the parse tree: operators, casts, subscripts, and the words
  // that nest without brackets (NOT, CASE, UNION, JOIN, ...). 1+1+1 has two. With nesting, an upper bound
  // of the tree's depth.
  uint32_t deepening = 0;
  std::string_view canonical;  // in the caller's scratch: good until that is used again
  RouteHint hint = RouteHint::None;
  bool names_a_moment = false;  // a literal may be 'now', 'today' or the like
  bool well_formed = false;     // the lexer met no error, and brackets are closed as they were opened
};

Shape measure_shape(std::string_view text, bool standard_conforming_strings, std::string& scratch);

// The fingerprint alone, for texts that are met once (cache rules).
uint64_t fingerprint_of(std::string_view text, bool standard_conforming_strings = true);

}  // namespace sportello::sql
