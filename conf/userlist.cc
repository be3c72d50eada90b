#include "conf/userlist.h"

#include <optional>
#include <string_view>

namespace sportello::conf {

namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v'; }

uint32_t column_at(std::string_view line, size_t offset) {
  uint32_t column = 1;
  for (const char c : line.substr(0, offset)) column += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  return column;
}

class LineReader {
 public:
  explicit LineReader(std::string_view line) : line_(line) {}

  void skip_spaces() {
    while (at_ < line_.size() && is_space(line_[at_])) ++at_;
  }
  bool at_end() const { return at_ == line_.size(); }
  bool at_comment() const { return !at_end() && (line_[at_] == ';' || line_[at_] == '#'); }
  uint32_t column() const { return column_at(line_, at_); }

  // A text in double quotes; the next thing in the line.
  std::optional<std::string> quoted_text() {
    if (at_end() || line_[at_] != '"') return std::nullopt;
    std::string text;
    for (size_t i = at_ + 1; i < line_.size(); ++i) {
      if (line_[i] != '"') {
        text += line_[i];
      } else if (i + 1 < line_.size() && line_[i + 1] == '"') {
        text += line_[++i];
      } else {
        at_ = i + 1;
        return text;
      }
    }
    return std::nullopt;
  }

 private:
  std::string_view line_;
  size_t at_ = 0;
};

class Parser {
 public:
  explicit Parser(const TextFile& file) : file_(file) {}

  Userlist run() {
    std::string_view rest = file_.text;
    while (!rest.empty()) {
      ++number_;
      const size_t end = std::min(rest.find('\n'), rest.size());
      read_line(rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return std::move(list_);
  }

 private:
  void complain(Diagnostic::Severity severity, uint32_t column, std::string message) {
    list_.diagnostics.push_back(
        {.severity = severity, .file = file_.path, .at = {number_, column}, .message = std::move(message)});
  }
  void error(uint32_t column, std::string message) {
    complain(Diagnostic::Severity::Error, column, std::move(message));
  }

  void read_line(std::string_view line) {
    LineReader reader(line);
    reader.skip_spaces();
    if (reader.at_end() || reader.at_comment()) return;
    const uint32_t begin = reader.column();
    std::optional<std::string> user = reader.quoted_text();
    if (!user) return error(begin, "the user's name is expected here, in double quotes: \"user\" \"secret\"");
    reader.skip_spaces();
    const uint32_t secret_at = reader.column();
    std::optional<std::string> secret = reader.quoted_text();
    if (!secret)
      return error(secret_at, "the secret is expected here, in double quotes: \"user\" \"secret\"");
    if (user->empty()) return error(begin, "a user's name is not empty");
    if (user->find('\0') != std::string::npos || secret->find('\0') != std::string::npos)
      return error(begin, "there is a NUL in this line");
    if (list_.secrets.contains(*user))
      complain(Diagnostic::Severity::Warning, begin,
               in_quotes(*user) + " was there before: the last line counts");
    list_.secrets[*std::move(user)] = *std::move(secret);
  }

  const TextFile& file_;
  uint32_t number_ = 0;
  Userlist list_;
};

}  // namespace

Userlist parse_userlist(const TextFile& file) { return Parser(file).run(); }

Userlist load_userlist(const std::string& path, const FileReader& read_file) {
  const TextFile file = read_file(path);
  if (file.ok()) return parse_userlist(file);
  return {.diagnostics = {{.file = path, .message = "cannot be read: " + file.problem}}};
}

}  // namespace sportello::conf
