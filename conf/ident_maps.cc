#include "conf/ident_maps.h"

#include <regex.h>

#include "conf/hba_fields.h"

namespace sportello::conf {

// A compiled POSIX expression; matching it changes nothing, so that threads may share it.
class SystemUserPattern {
 public:
  explicit SystemUserPattern(const std::string& expression) {
    const int code = regcomp(&compiled_, expression.c_str(), REG_EXTENDED);
    is_compiled_ = code == 0;
    if (is_compiled_) return;
    char text[256];
    regerror(code, &compiled_, text, sizeof text);
    problem_ = text;
  }
  SystemUserPattern(const SystemUserPattern&) = delete;
  SystemUserPattern& operator=(const SystemUserPattern&) = delete;
  ~SystemUserPattern() {
    if (is_compiled_) regfree(&compiled_);
  }

  const std::string& problem() const { return problem_; }
  bool has_parentheses() const { return is_compiled_ && compiled_.re_nsub > 0; }

  struct Match {
    bool is_whole = false;
    std::string first;  // what the first parentheses took
  };
  Match match(const std::string& name) const {
    regmatch_t found[2];
    if (name.find('\0') != std::string::npos || regexec(&compiled_, name.c_str(), 2, found, 0) != 0)
      return {};
    Match match;
    match.is_whole = found[0].rm_so == 0 && static_cast<size_t>(found[0].rm_eo) == name.size();
    if (found[1].rm_so >= 0)
      match.first = name.substr(static_cast<size_t>(found[1].rm_so),
                                static_cast<size_t>(found[1].rm_eo - found[1].rm_so));
    return match;
  }

 private:
  regex_t compiled_{};
  bool is_compiled_ = false;
  std::string problem_;
};

namespace {

constexpr std::string_view kFirst = "\\1";

bool allows_entry(const IdentMaps::Entry& entry, const std::string& system_user,
                  std::string_view database_user) {
  if (entry.pattern == nullptr)
    return entry.system_user == system_user && entry.database_user == database_user;
  const SystemUserPattern::Match match = entry.pattern->match(system_user);
  if (!match.is_whole) return false;
  std::string expected = entry.database_user;
  const size_t at = expected.find(kFirst);
  if (at != std::string::npos) expected.replace(at, kFirst.size(), match.first);
  return expected == database_user;
}

class Parser {
 public:
  explicit Parser(const TextFile& file) : file_(file) {}

  IdentMapsLoad run() {
    IdentMapsLoad load;
    std::vector<IdentMaps::Entry> entries;
    for (const HbaLine& line : cut_hba_lines(file_, diagnostics_))
      if (std::optional<IdentMaps::Entry> entry = read(line)) entries.push_back(*std::move(entry));
    load.diagnostics = std::move(diagnostics_);
    if (!has_errors(load.diagnostics)) load.maps.emplace(std::move(entries));
    return load;
  }

 private:
  std::optional<IdentMaps::Entry> read(const HbaLine& line) {
    if (line.fields.size() != 3) return complain(line.at, "a line is: map-name system-user database-user");
    for (const HbaField& field : line.fields)
      if (field.size() != 1) return complain(field[1].at, "one name is expected here, not a list");
    const HbaItem& system_user = line.fields[1].front();
    const HbaItem& database_user = line.fields[2].front();
    IdentMaps::Entry entry{line.fields[0].front().text, system_user.text, nullptr, database_user.text};
    if (!database_user.is_quoted && database_user.text.starts_with('+'))
      return complain(database_user.at, "who is a member of a role is not known here: list the users");
    if (!system_user.text.starts_with('/')) return entry;
    return with_pattern(std::move(entry), system_user, database_user);
  }

  std::optional<IdentMaps::Entry> with_pattern(IdentMaps::Entry entry, const HbaItem& system_user,
                                               const HbaItem& database_user) {
    auto pattern = std::make_shared<SystemUserPattern>(system_user.text.substr(1));
    if (!pattern->problem().empty())
      return complain(system_user.at, "this is no regular expression: " + pattern->problem());
    if (database_user.text.find(kFirst) != std::string::npos && !pattern->has_parentheses())
      return complain(database_user.at, "\\1 needs parentheses in the regular expression");
    entry.pattern = std::move(pattern);
    return entry;
  }

  std::nullopt_t complain(Position at, std::string message) {
    diagnostics_.push_back({.file = file_.path,
                            .at = at,
                            .message = std::move(message),
                            .source_line = std::string(line_of(file_.text, at.line))});
    return std::nullopt;
  }

  const TextFile& file_;
  std::vector<Diagnostic> diagnostics_;
};

}  // namespace

bool IdentMaps::allows(std::string_view map, const std::string& system_user,
                       std::string_view database_user) const {
  if (map.empty()) return system_user == database_user;
  for (const Entry& entry : entries_)
    if (entry.map == map && allows_entry(entry, system_user, database_user)) return true;
  return false;
}

IdentMapsLoad parse_ident_maps(const TextFile& file) { return Parser(file).run(); }

IdentMapsLoad load_ident_maps(const std::string& path, const FileReader& read_file) {
  const TextFile file = read_file(path);
  if (file.ok()) return parse_ident_maps(file);
  return {.diagnostics = {{.file = path, .message = "cannot be read: " + file.problem}}};
}

}  // namespace sportello::conf
