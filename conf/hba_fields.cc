#include "conf/hba_fields.h"

namespace sportello::conf {

namespace {

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v'; }

class Cutter {
 public:
  Cutter(const TextFile& file, std::vector<Diagnostic>& diagnostics)
      : file_(file), text_(file.text), diagnostics_(diagnostics) {}

  std::vector<HbaLine> run() {
    std::vector<HbaLine> lines;
    while (at_ < text_.size()) {
      is_good_ = true;
      HbaLine line = cut_line();
      if (is_good_ && !line.fields.empty()) lines.push_back(std::move(line));
    }
    return lines;
  }

 private:
  bool at_end_of_line() const { return at_ == text_.size() || text_[at_] == '\n'; }

  void step() {
    const char c = text_[at_++];
    if (c == '\n') {
      place_ = {place_.line + 1, 1};
    } else if ((static_cast<unsigned char>(c) & 0xc0) != 0x80 || place_.column == 1) {
      ++place_.column;
    }
  }

  bool skip_continuation() {
    size_t end = at_ + 1;
    if (text_[at_] != '\\') return false;
    if (end < text_.size() && text_[end] == '\r') ++end;
    if (end >= text_.size() || text_[end] != '\n') return false;
    while (at_ <= end) step();
    return true;
  }

  void skip_blanks() {
    while (at_ < text_.size() && (is_blank(text_[at_]) || (text_[at_] == '\\' && skip_continuation()))) {
      if (at_ < text_.size() && is_blank(text_[at_])) step();
    }
  }

  void skip_line() {
    // A comment, too, is continued: what is commented out stays so.
    while (!at_end_of_line())
      if (text_[at_] != '\\' || !skip_continuation()) step();
    if (at_ < text_.size()) step();
  }

  HbaLine cut_line() {
    HbaLine line;
    bool continues_field = false;  // a comma came last
    for (skip_blanks(); !at_end_of_line() && text_[at_] != '#'; skip_blanks()) {
      if (line.fields.empty()) line.at = place_;
      HbaItem item = cut_item();
      if (!is_good_) break;
      if (!continues_field) line.fields.emplace_back();
      line.fields.back().push_back(std::move(item));
      continues_field = at_ < text_.size() && text_[at_] == ',';
      if (continues_field) step();
    }
    skip_line();
    return line;
  }

  // Quotes may begin and end within a word: they part nothing.
  HbaItem cut_item() {
    HbaItem item{.at = place_};
    bool in_quotes_now = false;
    while (!at_end_of_line()) {
      const char c = text_[at_];
      if (!in_quotes_now && (is_blank(c) || c == ',' || c == '#')) break;
      if (text_[at_] == '\\' && skip_continuation()) continue;
      step();
      if (c == '"') {
        // Two in a row inside quotes are one.
        if (in_quotes_now && !at_end_of_line() && text_[at_] == '"') {
          item.text += '"';
          step();
          continue;
        }
        in_quotes_now = !in_quotes_now;
        item.is_quoted = true;
      } else {
        item.text += c;
      }
    }
    if (in_quotes_now) complain(item.at, "the quote that begins here is never closed");
    if (item.text.find('\0') != std::string::npos) complain(item.at, "there is a NUL here");
    if (item.text.empty() && !item.is_quoted) complain(item.at, "something is expected before this comma");
    return item;
  }

  void complain(Position at, std::string message) {
    is_good_ = false;
    diagnostics_.push_back({.file = file_.path,
                            .at = at,
                            .message = std::move(message),
                            .source_line = std::string(line_of(text_, at.line))});
  }

  const TextFile& file_;
  std::string_view text_;
  std::vector<Diagnostic>& diagnostics_;
  size_t at_ = 0;
  Position place_{1, 1};
  bool is_good_ = true;
};

}  // namespace

std::vector<HbaLine> cut_hba_lines(const TextFile& file, std::vector<Diagnostic>& diagnostics) {
  return Cutter(file, diagnostics).run();
}

}  // namespace sportello::conf
