// A server's address as libpq takes it: "host=… port=…" or "postgresql://user@host:port/name?…"
// (libpq-connect.html#LIBPQ-CONNSTRING), of which we take the parameters that mean something to a proxy.
// Lists of hosts and ports, separated by commas, name several servers that share all other parameters; one
// port may be for all.
//
// Environment variables are put in after the text was cut into its parts, so that whatever they hold (blanks,
// quotes, an '@' in a password) stays one value. Messages never repeat a value.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "conf/config.h"
#include "conf/environment.h"

namespace sportello::conf {

struct ConninfoProblem {
  size_t offset;  // in the text
  std::string message;
};

struct Conninfo {
  ServerAddress address;              // the first, where a list is given
  std::vector<ServerAddress> others;  // the rest of it; a server given twice is here once
  std::vector<ConninfoProblem> problems;
  bool has_literal_password = false;  // written down in the text itself
};

Conninfo parse_conninfo(std::string_view text, const Environment& environment);

}  // namespace sportello::conf
