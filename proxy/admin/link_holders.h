// Who holds a server connection of some databases, and why: what a PAUSE waits for, as told to whoever said
// it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "proxy/admin/admin_protocol.h"

namespace sportello::proxy {

struct DatabaseRuntime;
class Worker;

struct LinkHolder {
  uint32_t id;  // SHOW CLIENTS' and KILL_CLIENT's
  std::string user;
  std::string database;
  std::string why;
};

// Those of one worker, on its thread.
std::vector<LinkHolder> link_holders(Worker& worker,
                                     const std::vector<std::shared_ptr<DatabaseRuntime>>& databases);

// Of all workers. At most kMostNamed are named.
AdminNotice waits_for(const std::vector<std::vector<LinkHolder>>& holders);

}  // namespace sportello::proxy
