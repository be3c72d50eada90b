// What drivers and psql say to every server whether it makes sense there or not: the block that they open,
// RESET, DISCARD, DEALLOCATE, and the like.
#pragma once

#include <optional>

#include "proxy/admin/admin_command.h"
#include "proxy/admin/admin_tokens.h"

namespace sportello::proxy {

// Answered with its tag; what of it has not been read does not matter.
inline AdminCommand ignored_command(std::string_view tag) {
  return {.verb = AdminVerb::Ignored, .tag = std::string(tag)};
}

// Nothing: it is none of those.
std::optional<AdminCommand> read_driver_command(AdminTokens& tokens);

}  // namespace sportello::proxy
