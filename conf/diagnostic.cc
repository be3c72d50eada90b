#include "conf/diagnostic.h"

#include <algorithm>
#include <cstdio>
#include <numeric>

namespace sportello::conf {

namespace {

constexpr size_t kMaxShownLine = 400;

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }
bool continues_character(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

// A tab is kept where it serves layout; anything else that drives a terminal is spelled out.
std::string printable(std::string_view text) {
  std::string shown;
  for (const char c : text.substr(0, kMaxShownLine)) shown += is_control(c) && c != '\t' ? '?' : c;
  return shown;
}

// As wide on a terminal as the `characters` first characters of the line.
std::string blank_of(std::string_view line, uint32_t characters) {
  std::string blank;
  for (size_t i = 0; i < line.size(); ++i) {
    if (continues_character(line[i])) continue;
    if (characters-- == 0) break;
    blank += line[i] == '\t' ? '\t' : ' ';
  }
  return blank;
}

// Edits (insert, delete, replace, swap neighbours) that turn one word into the other.
size_t distance(std::string_view from, std::string_view to) {
  std::vector<size_t> before_last(to.size() + 1), last(to.size() + 1), current(to.size() + 1);
  std::iota(last.begin(), last.end(), size_t{0});
  for (size_t i = 1; i <= from.size(); ++i) {
    current[0] = i;
    for (size_t j = 1; j <= to.size(); ++j) {
      const size_t replaced = last[j - 1] + (from[i - 1] == to[j - 1] ? 0 : 1);
      current[j] = std::min({last[j] + 1, current[j - 1] + 1, replaced});
      if (i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1])
        current[j] = std::min(current[j], before_last[j - 2] + 1);
    }
    std::swap(before_last, last);
    std::swap(last, current);
  }
  return last[to.size()];
}

}  // namespace

std::string Diagnostic::headline() const {
  std::string text = file;
  if (at.line != 0) text += ':' + std::to_string(at.line);
  if (at.line != 0 && at.column != 0) text += ':' + std::to_string(at.column);
  text += severity == Severity::Error ? ": error: " : ": warning: ";
  return text + message;
}

std::string Diagnostic::to_string() const {
  std::string text = headline();
  if (source_line.empty() || at.line == 0) return text;
  const std::string number = std::to_string(at.line);
  const std::string shown = printable(source_line);
  text += "\n " + number + " | " + shown;
  if (at.column != 0)
    text += "\n " + std::string(number.size(), ' ') + " | " + blank_of(shown, at.column - 1) + '^';
  return text;
}

bool has_errors(const std::vector<Diagnostic>& diagnostics) {
  return std::any_of(diagnostics.begin(), diagnostics.end(), [](const Diagnostic& diagnostic) {
    return diagnostic.severity == Diagnostic::Severity::Error;
  });
}

std::string_view line_of(std::string_view text, uint32_t number) {
  for (uint32_t at = 1; number != 0; ++at) {
    const size_t end = text.find('\n');
    if (at == number) {
      std::string_view line = text.substr(0, end);
      if (line.ends_with('\r')) line.remove_suffix(1);
      return line;
    }
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return {};
}

std::string in_quotes(std::string_view name) {
  constexpr size_t kMaxShownName = 100;
  std::string text = "\"";
  for (const char c : name.substr(0, kMaxShownName)) {
    char escaped[8];
    std::snprintf(escaped, sizeof escaped, "\\x%02x", static_cast<unsigned>(static_cast<unsigned char>(c)));
    text += is_control(c) ? std::string(escaped) : std::string(1, c);
  }
  if (name.size() > kMaxShownName) text += "…";
  return text + '"';
}

std::string_view nearest(std::string_view word, const std::vector<std::string_view>& candidates) {
  constexpr size_t kMaxWord = 64;
  if (word.empty() || word.size() > kMaxWord) return {};
  // A third of the word may be wrong; of short words, one letter.
  size_t best = word.size() / 3 + 2;
  best = std::min(best, word.size());
  std::string_view found;
  for (const std::string_view candidate : candidates) {
    const size_t edits = distance(word, candidate);
    if (edits < best) {
      best = edits;
      found = candidate;
    }
  }
  return found;
}

}  // namespace sportello::conf
