// The words of the console's own commands, in tables: what each is called, what it takes, and how SHOW HELP
// tells of it.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "proxy/admin/admin_command.h"

namespace sportello::proxy {

// What stands behind a command's first word.
enum class AdminArgument : uint8_t { None, OptionalDatabase, Database, Client, ShutdownMode, Cache };

struct AdminVerbRow {
  std::string_view word;
  AdminVerb verb;
  AdminArgument argument;
  std::string_view help;
};

// But for SHOW, EXPLAIN and SET.
std::span<const AdminVerbRow> admin_verbs();

// Of SHOW; nullptr: none is called so.
const ShowTopic* find_topic(std::string_view name);

// All commands, a line each; of SHOW HELP and of the hint with a syntax error.
std::string admin_help();

}  // namespace sportello::proxy
