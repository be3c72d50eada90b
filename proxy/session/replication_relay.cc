#include "proxy/session/replication_relay.h"

#include <strings.h>

#include "protocol/backend_messages.h"
#include "protocol/frontend_messages.h"

namespace sportello::proxy {
namespace {

// `value` is `word` or the front of it, at least `least` bytes long; case does not matter.
bool abbreviates(std::string_view value, std::string_view word, size_t least = 1) {
  return value.size() >= least && value.size() <= word.size() &&
         strncasecmp(value.data(), word.data(), value.size()) == 0;
}

}  // namespace

std::string_view replication_name(ReplicationKind kind) {
  switch (kind) {
    case ReplicationKind::None:
      return "none";
    case ReplicationKind::Physical:
      return "physical";
    case ReplicationKind::Logical:
      return "logical";
  }
  return "";
}

std::optional<ReplicationKind> parse_replication(std::string_view value) {
  if (value == "database") {
    return ReplicationKind::Logical;
  }
  if (value == "1" || abbreviates(value, "true") || abbreviates(value, "yes") ||
      abbreviates(value, "on", 2)) {
    return ReplicationKind::Physical;
  }
  if (value == "0" || abbreviates(value, "false") || abbreviates(value, "no") ||
      abbreviates(value, "off", 2)) {
    return ReplicationKind::None;
  }
  return std::nullopt;
}

ReplicationRelay::Verdict ReplicationRelay::on_client_bytes(std::string_view in) {
  bool terminates = false;
  const bool followed = from_client_.follow(in, [&](char type) {
    terminates = terminates || type == frontend::kTerminate;
    if (type == frontend::kQuery || type == frontend::kSync || type == frontend::kFunctionCall) {
      unanswered_++;
    }
  });
  return !followed ? Verdict::Violation : terminates ? Verdict::Terminate : Verdict::PassOn;
}

bool ReplicationRelay::on_server_bytes(std::string_view in) {
  return from_server_.follow(in, [&](char type) {
    ended_in_error_ = type == backend::kErrorResponse;
    switch (type) {
      case backend::kCopyBothResponse:
        streams_ = true;
        break;
      case backend::kCopyDone:
      case backend::kErrorResponse:
        streams_ = false;
        break;
      case backend::kReadyForQuery:
        streams_ = false;
        unanswered_ -= unanswered_ > 0 ? 1 : 0;
        break;
      default:
        break;
    }
  });
}

}  // namespace sportello::proxy
