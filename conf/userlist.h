// auth_file: users and their secrets, one a line, in PgBouncer's and PostgreSQL's old pg_auth format:
//
//   "user" "secret"        ; a comment; # another
//
// A quote inside is doubled. The secret stays the text it is: a password, "md5…", or a SCRAM verifier; what
// follows it on the line is ignored, as ever. Of two lines for one user the last counts, with a warning. No
// diagnostic shows a line: they are secrets.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "conf/diagnostic.h"
#include "conf/text_file.h"

namespace sportello::conf {

struct Userlist {
  std::map<std::string, std::string> secrets;  // user -> secret; complete only if no diagnostic is an error
  std::vector<Diagnostic> diagnostics;
};

Userlist parse_userlist(const TextFile& file);
Userlist load_userlist(const std::string& path, const FileReader& read_file = read_text_file);

}  // namespace sportello::conf
