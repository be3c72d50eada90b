// Finds the console's commands in a text: PgBouncer's, and what drivers and psql say to every server
// (driver_commands.h, driver_select.h).
//
// Words have no case, names keep theirs; a name that is not a plain word is written in double quotes.
// Comments and trailing semicolons mean nothing. Several commands may stand in one text.
#pragma once

#include <string_view>
#include <vector>

#include "protocol/result.h"
#include "proxy/admin/admin_command.h"

namespace sportello::proxy {

// All commands of a text, none if it is empty; or the syntax error, of the first that is wrong.
Result<std::vector<AdminCommand>> parse_admin_text(std::string_view text);

}  // namespace sportello::proxy
