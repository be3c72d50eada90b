#include "proxy/admin/link_holders.h"

#include <algorithm>

#include "proxy/log.h"
#include "proxy/worker.h"

namespace sportello::proxy {
namespace {

constexpr size_t kMostNamed = 10;

std::string why_held(ClientConnection& client) {
  if (client.replication() != ReplicationKind::None) {
    return "replication";
  }
  if (!client.is_logged_in()) {
    return "logs in";
  }
  if (!client.link()->state().at_rest()) {
    return "in a transaction or a statement";
  }
  const std::string reasons = client.session().pin_reasons();
  return reasons.empty() ? "keeps it" : "keeps it: " + reasons;
}

}  // namespace

std::vector<LinkHolder> link_holders(Worker& worker,
                                     const std::vector<std::shared_ptr<DatabaseRuntime>>& databases) {
  std::vector<LinkHolder> holders;
  for (const auto& client : worker.clients()) {
    const bool counts =
        client->link() != nullptr && client->pool() != nullptr &&
        std::find(databases.begin(), databases.end(), client->pool()->shared().database) != databases.end();
    if (counts) {
      holders.push_back(
          {client->process_id(), client->user_name(), client->database_name(), why_held(*client)});
    }
  }
  return holders;
}

AdminNotice waits_for(const std::vector<std::vector<LinkHolder>>& holders) {
  AdminNotice notice;
  size_t count = 0;
  for (const auto& of_worker : holders) {
    for (const LinkHolder& holder : of_worker) {
      if (count++ < kMostNamed) {
        notice.detail += (notice.detail.empty() ? "client " : "\nclient ") + std::to_string(holder.id) +
                         " (" + printable(holder.user) + " in " + printable(holder.database) +
                         "): " + holder.why;
      }
    }
  }
  if (count > kMostNamed) {
    notice.detail += "\nand " + std::to_string(count - kMostNamed) + " more";
  }
  notice.message = "PAUSE waits for " + std::to_string(count) +
                   (count == 1 ? " client that holds" : " clients that hold") + " a server connection";
  notice.hint =
      "Who keeps it does so until it ends or says DISCARD ALL; KILL_CLIENT ends it. "
      "A cancel request ends the wait and the pause.";
  return notice;
}

}  // namespace sportello::proxy
