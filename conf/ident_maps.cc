#include "conf/ident_maps.h"

#include <regex.h>

#include "conf/hba_fields.h"

namespace sportello::conf {

// A compiled POSIX expression; matching it changes nothing, so that threads may share it.
class UserPattern {
 public:
  explicit UserPattern(const std::string& expression) {
    const int code = regcomp(&compiled_, expression.c_str(), REG_EXTENDED);
    is_compiled_ = code == 0;
    if (is_compiled_) return;
    char text[256];
    regerror(code, &compiled_, text, sizeof text);
    problem_ = text;
  }
  UserPattern(const UserPattern&) = delete;
  UserPattern& operator=(const UserPattern&) = delete;
  ~UserPattern() {
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

// What \1 stands for if it is meant.
std::optional<std::string> match_system_user(const IdentMaps::Entry& entry, const std::string& system_user) {
  if (entry.system_pattern == nullptr)
    return entry.system_user == system_user ? std::optional(std::string(kFirst)) : std::nullopt;
  UserPattern::Match match = entry.system_pattern->match(system_user);
  return match.is_whole ? std::optional(std::move(match.first)) : std::nullopt;
}

bool allows_entry(const IdentMaps::Entry& entry, const std::string& system_user,
                  const std::string& database_user) {
  const std::optional<std::string> first = match_system_user(entry, system_user);
  if (!first) return false;
  if (entry.is_anyone) return true;
  if (entry.database_pattern != nullptr) return entry.database_pattern->match(database_user).is_whole;
  std::string expected = entry.database_user;
  const size_t at = expected.find(kFirst);
  if (at != std::string::npos) expected.replace(at, kFirst.size(), *first);
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
    if (!database_user.is_quoted && database_user.text.starts_with('+'))
      return complain(database_user.at, "who is a member of a role is not known here: list the users");
    IdentMaps::Entry entry;
    entry.map = line.fields[0].front().text;
    entry.system_user = system_user.text;
    entry.database_user = database_user.text;
    entry.is_anyone = database_user.is_keyword("all");
    if (!take_pattern(system_user, entry.system_pattern) ||
        !take_pattern(database_user, entry.database_pattern)) {
      return std::nullopt;
    }
    const bool wants_first =
        entry.database_pattern == nullptr && database_user.text.find(kFirst) != std::string::npos;
    if (wants_first && entry.system_pattern != nullptr && !entry.system_pattern->has_parentheses())
      return complain(database_user.at, "\\1 needs parentheses in the regular expression");
    return entry;
  }

  // False: it should be a regular expression and is none.
  bool take_pattern(const HbaItem& user, std::shared_ptr<const UserPattern>& taken) {
    if (!user.text.starts_with('/')) return true;
    auto pattern = std::make_shared<const UserPattern>(user.text.substr(1));
    if (!pattern->problem().empty()) {
      complain(user.at, "this is no regular expression: " + pattern->problem());
      return false;
    }
    taken = std::move(pattern);
    return true;
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
                       const std::string& database_user) const {
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
