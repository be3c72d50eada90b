// A text as it may be shown to operators (SHOW QUERIES): $1, $2, … in the place of every literal and
// parameter, comments gone, white space one blank. What could be somebody's data or password is never in it
// (S29):
//   - string, bit, dollar-quoted and numeric constants, the bodies of functions and DO blocks among them;
//   - what a SET, or an ALTER ROLE, DATABASE or SYSTEM … SET gives to its parameter, quoted or not;
//   - what follows a place where the lexer finds an error, such as a string without end.
// Names stay. Cut, with "…" at its end, at `most_bytes`, between two tokens.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sportello::sql {

std::string shown_text(std::string_view text, bool standard_conforming_strings, size_t most_bytes);

}  // namespace sportello::sql
