// What is wrong with a configuration, and where: file, line and column, a sentence, and the line itself with
// a caret under the place. All files of a configuration report through this, so that a user sees every
// problem of a start or reload at once. No secret is ever part of a message; a source line is shown only
// where its reader says that it holds none.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sportello::conf {

struct Position {
  uint32_t line = 0;    // from 1; 0: the file as a whole
  uint32_t column = 0;  // from 1, in characters; 0: the line as a whole
};

struct Diagnostic {
  // A warning is told and lived with; an error refuses the whole configuration.
  enum class Severity : uint8_t { Warning, Error };

  Severity severity = Severity::Error;
  std::string file;
  Position at;
  std::string message;
  std::string source_line;  // empty: not shown

  // file:line:column: error: message
  std::string headline() const;
  // The headline, and below it the line with a caret. No newline at the end.
  std::string to_string() const;
};

bool has_errors(const std::vector<Diagnostic>& diagnostics);

// Line `number` (from 1) of a text, without its end; empty if there is none.
std::string_view line_of(std::string_view text, uint32_t number);

// `name` in quotes, its control characters as \xNN: what is shown on a terminal must not drive it.
std::string in_quotes(std::string_view name);

// The candidate that `word` was most likely meant to be; empty if none is near.
std::string_view nearest(std::string_view word, const std::vector<std::string_view>& candidates);

}  // namespace sportello::conf
