// The columns of every SHOW, in PgBouncer's names, types and order, since agents and scripts read them; ours
// come after theirs.
#pragma once

#include "proxy/admin/admin_command.h"
#include "proxy/admin/admin_table.h"

namespace sportello::proxy {

// None: the answer has no rows (HELP is a notice, FDS an error).
const AdminColumns& show_columns(ShowTopic topic);

// Of Show and Select; none for every other verb.
AdminColumns result_columns(const AdminCommand& command);

}  // namespace sportello::proxy
