// EXPLAIN at the console: how the proxy sees a statement and where it would go, a row (step, result) for each
// thing that counts. Asked as a session that has written nothing yet, with its role's own search_path, in no
// transaction. Nothing is sent to any server.
//
//   EXPLAIN [database [user]] 'statement'        EXPLAIN statement
//
// Any worker's thread: what a worker alone knows (shapes that a replica has refused) is that of the worker it
// is asked on.
#pragma once

#include <memory>

#include "protocol/result.h"
#include "proxy/admin/admin_command.h"
#include "proxy/admin/admin_show.h"
#include "proxy/admin/admin_table.h"

namespace sportello::proxy {

class Worker;

AdminColumns explain_columns();
// An error when no database is meant, or it is not known.
Result<AdminTable> explain(const AdminCommand& command, const AdminView& view, Worker& worker);

}  // namespace sportello::proxy
