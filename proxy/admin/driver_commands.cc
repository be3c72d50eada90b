#include "proxy/admin/driver_commands.h"

#include <utility>

namespace sportello::proxy {
namespace {

std::optional<AdminCommand> finished(const AdminTokens& tokens, AdminCommand command) {
  return tokens.at_end() ? std::optional(std::move(command)) : std::nullopt;
}

}  // namespace

std::optional<AdminCommand> read_driver_command(AdminTokens& tokens) {
  if (tokens.accept("BEGIN")) {
    return AdminCommand{.verb = AdminVerb::Begin, .tag = "BEGIN"};
  }
  if (tokens.accept("START")) {
    return tokens.accept("TRANSACTION") ? AdminCommand{.verb = AdminVerb::Begin, .tag = "START TRANSACTION"}
                                        : std::optional<AdminCommand>();
  }
  if (tokens.accept("COMMIT") || tokens.accept("END")) {
    return AdminCommand{.verb = AdminVerb::Commit, .tag = "COMMIT"};
  }
  if (tokens.accept("ROLLBACK") || tokens.accept("ABORT")) {
    if (!tokens.accept("TRANSACTION")) {
      tokens.accept("WORK");
    }
    return AdminCommand{.verb = tokens.accept("TO") ? AdminVerb::RollbackTo : AdminVerb::Rollback,
                        .tag = "ROLLBACK"};
  }
  if (tokens.accept("SAVEPOINT")) {
    return AdminCommand{.verb = AdminVerb::Savepoint, .tag = "SAVEPOINT"};
  }
  if (tokens.accept("RELEASE")) {
    return AdminCommand{.verb = AdminVerb::Savepoint, .tag = "RELEASE"};
  }
  if (tokens.accept("DEALLOCATE")) {
    tokens.accept("PREPARE");
    if (tokens.accept("ALL")) {
      return finished(tokens, {.verb = AdminVerb::Deallocate, .tag = "DEALLOCATE ALL"});
    }
    if (!tokens.is_name()) {
      return std::nullopt;
    }
    return finished(tokens,
                    {.verb = AdminVerb::Deallocate, .argument = tokens.take_name(), .tag = "DEALLOCATE"});
  }
  if (tokens.accept("DISCARD")) {
    return tokens.accept("ALL") ? AdminCommand{.verb = AdminVerb::Deallocate, .tag = "DISCARD ALL"}
                                : ignored_command("DISCARD");
  }
  if (tokens.accept("RESET")) {
    return ignored_command("RESET");
  }
  if (tokens.accept("UNLISTEN")) {
    return ignored_command("UNLISTEN");
  }
  if (tokens.accept("CLOSE") && tokens.accept("ALL")) {
    return ignored_command("CLOSE CURSOR ALL");
  }
  return std::nullopt;
}

}  // namespace sportello::proxy
