// auth_ident_file: which database users an operating system's user, or a certificate's common name, may log
// in as, in pg_ident.conf's syntax (auth-username-maps.html):
//
//   map-name  system-user  database-user
//
// A name that begins with a slash is a regular expression (POSIX, extended); \1 in the database user is what
// the first parentheses of the system user's took. It has to match the whole name: PostgreSQL leaves that to
// anchors, and forgetting those must not open a door. The database user `all`, not quoted, is anyone (both as
// of PostgreSQL 16). Immutable once loaded; used by all threads.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conf/diagnostic.h"
#include "conf/text_file.h"

namespace sportello::conf {

class UserPattern;

class IdentMaps {
 public:
  struct Entry {
    std::string map;
    std::string system_user;  // unless there is a pattern
    std::shared_ptr<const UserPattern> system_pattern;
    std::string database_user;  // unless there is a pattern, or it is anyone
    std::shared_ptr<const UserPattern> database_pattern;
    bool is_anyone = false;
  };

  explicit IdentMaps(std::vector<Entry> entries = {}) : entries_(std::move(entries)) {}

  // Without a map (empty name) both names have to be the same.
  bool allows(std::string_view map, const std::string& system_user, const std::string& database_user) const;

 private:
  std::vector<Entry> entries_;
};

struct IdentMapsLoad {
  std::optional<IdentMaps> maps;  // empty if any diagnostic is an error
  std::vector<Diagnostic> diagnostics;
};

IdentMapsLoad parse_ident_maps(const TextFile& file);
IdentMapsLoad load_ident_maps(const std::string& path, const FileReader& read_file = read_text_file);

}  // namespace sportello::conf
