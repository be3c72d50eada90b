// The part of Worker that others post to it: the control plane (a reload, a drain, SUSPEND, addresses that
// changed), the admin console, and other workers whose pools need room.
#include <algorithm>

#include "protocol/sqlstate.h"
#include "proxy/worker.h"
#include "proxy/worker_group.h"

namespace sportello::proxy {

// What the configuration says to sessions.
void Worker::note_limits() {
  const conf::Config& conf = config_->conf;
  context_.inspect_max = conf.sql_inspect_max;
  context_.max_prepared_statements = static_cast<size_t>(conf.max_prepared_statements);
  context_.max_packet_size = static_cast<uint32_t>(conf.max_packet_size);
  context_.simple_query_disabled = conf.disable_pqexec;
}

void Worker::apply_config(RuntimeConfigRef config) {
  config_ = std::move(config);
  note_limits();
  for (auto& [shared, its_pool] : pools_) {
    its_pool->set_settings(its_pool->shared().current_settings());
    if (config_->database(shared->database->name) != nullptr) {
      for (auto& [user, member] : its_pool->members) {
        note_member(*its_pool, member);
      }
    }
  }
  move_clients();
}

void Worker::note_member(Pool& pool, PoolMember& member) {
  const std::string& database = pool.shared().database->name;
  const std::string& server_user = config_->server_user(database, member.user->name);
  member.settings = config_->client_settings(database, member.user->name);
  member.next =
      server_user == pool.shared().user->name ? nullptr : group_->pool(*config_, database, server_user);
}

// The entry of a database names another user to log in as, or none any more: who is in a pool that others
// are in now goes to its own. Who holds a link does so when it has let it go.
void Worker::move_clients() {
  for (size_t i = clients_.size(); i-- > 0;) {
    if (i < clients_.size()) {
      clients_[i]->leave_pool();
    }
  }
}

void Worker::begin_drain(bool begins_nothing) {
  draining_ = true;
  begins_nothing_ = begins_nothing_ || begins_nothing;
  close_resting_clients();
}

void Worker::close_resting_clients() {
  for (size_t i = clients_.size(); i-- > 0;) {
    if (i < clients_.size() && (clients_[i]->is_resting() || clients_[i]->waits_in_vain())) {
      clients_[i]->close(CloseReason::ShuttingDown);
    }
  }
}

void Worker::fail_waiting(const std::shared_ptr<PoolRuntime>& shared, const Error& why) {
  Pool& failed = pool(shared);
  while (!failed.waiting().empty()) {
    ClientConnection* client = failed.waiting().front().client;
    failed.stop_waiting(client);
    client->link_refused(why);
  }
}

void Worker::tell_refusal(const std::shared_ptr<PoolRuntime>& shared) {
  if (const auto why = pool(shared).refusal(now())) {
    fail_waiting(shared, *why);
  }
}

void Worker::leave_server(const std::shared_ptr<NodeRuntime>& server) {
  for (size_t i = links_.size(); i-- > 0;) {
    if (i >= links_.size() || links_[i]->server() != server || links_[i]->pool().shared().node != 0) {
      continue;
    }
    ServerLink& link = *links_[i];
    if (link.phase() == LinkPhase::Idle) {
      close_link(link);
    } else if (link.phase() == LinkPhase::Held) {
      link_failed(link, {sqlstate::kConnectionFailure, "another server is the primary now"});
    } else {
      link.close_when_free = true;
    }
  }
}

void Worker::reroute_waiting(const std::shared_ptr<PoolRuntime>& shared) {
  Pool& left = pool(shared);
  for (size_t waiting = left.waiting().size(); waiting-- > 0 && !left.waiting().empty();) {
    ClientConnection* client = left.waiting().front().client;
    left.stop_waiting(client);
    client->reroute();
  }
}

void Worker::evict_idle(const std::shared_ptr<PoolRuntime>& wanted) {
  const PoolRuntime::Full full = wanted->full();
  const bool is_wanted =
      wanted->waiting.load() > wanted->connecting.load() || wanted->slots_wanted.load() > 0;
  if (!is_wanted) {
    return;  // it was asked for more than once, or a link of its own has come free
  }
  ServerLink* oldest = nullptr;
  for (auto& [shared, its_pool] : pools_) {
    if (!wanted->shares_limit(full, *shared) || its_pool->idle().empty() || shared->waiting.load() > 0) {
      continue;
    }
    ServerLink* link = its_pool->idle().front();
    if (oldest == nullptr || link->last_active() < oldest->last_active()) {
      oldest = link;
    }
  }
  if (oldest != nullptr) {
    close_link(*oldest);
  }
}

void Worker::forget_pools(const DatabaseRuntime* database) {
  std::erase_if(pools_, [&](const auto& entry) {
    const Pool* its_pool = entry.second.get();
    if (entry.first->database.get() != database || !its_pool->waiting().empty()) {
      return false;
    }
    const bool used = std::any_of(links_.begin(), links_.end(),
                                  [&](const auto& link) { return &link->pool() == its_pool; }) ||
                      std::any_of(clients_.begin(), clients_.end(),
                                  [&](const auto& client) { return client->pool() == its_pool; });
    return !used;
  });
}

void Worker::leave_lost_addresses(const std::string& host, const AddressList& addresses) {
  close_idle_links([&](ServerLink& link) {
    return link.phase() != LinkPhase::Connecting && link.pool().settings().address.host == host &&
           std::find(addresses.begin(), addresses.end(), numeric_address(link.endpoint())) == addresses.end();
  });
}

// ---- SUSPEND ----

void Worker::suspend() {
  suspended_ = true;
  for (const auto& client : clients_) {
    if (client->admin() == nullptr) {
      client->hold();
    }
  }
  for (const auto& link : links_) {
    if (link->was_ready) {
      link->transport()->hold();
    }
  }
}

void Worker::resume() {
  if (!std::exchange(suspended_, false)) {
    return;
  }
  for (const auto& client : clients_) {
    client->release();
  }
  for (const auto& link : links_) {
    if (link->transport() != nullptr) {
      link->transport()->release();
    }
  }
  serve_waiting();
}

size_t Worker::unflushed() const {
  const auto clients = std::count_if(clients_.begin(), clients_.end(), [](const auto& client) {
    return client->admin() == nullptr && client->unsent_bytes() > 0;
  });
  const auto links = std::count_if(links_.begin(), links_.end(), [](const auto& link) {
    return link->was_ready && link->transport()->unsent_bytes() > 0;
  });
  return static_cast<size_t>(clients + links);
}

void Worker::close_unflushed() {
  for (size_t i = clients_.size(); i-- > 0;) {
    if (i < clients_.size() && clients_[i]->admin() == nullptr && clients_[i]->unsent_bytes() > 0) {
      clients_[i]->close(CloseReason::SuspendTimeout);
    }
  }
  for (size_t i = links_.size(); i-- > 0;) {
    if (i < links_.size() && links_[i]->was_ready && links_[i]->transport()->unsent_bytes() > 0) {
      link_failed(*links_[i], {sqlstate::kConnectionFailure, "suspend_timeout: the server takes nothing"});
    }
  }
}

// Serving a client may make it ask a replica, and so make a pool.
std::vector<Pool*> Worker::known_pools() const {
  std::vector<Pool*> known;
  known.reserve(pools_.size());
  for (const auto& [shared, its_pool] : pools_) {
    known.push_back(its_pool.get());
  }
  return known;
}

void Worker::serve_waiting() {
  for (Pool* its_pool : known_pools()) {
    if (!its_pool->waiting().empty()) {
      serve(its_pool->shared_ref());
    }
  }
}

bool Worker::is_quiet(const DatabaseRuntime* database) const {
  return std::none_of(links_.begin(), links_.end(), [&](const auto& link) {
    return link->pool().shared().database.get() == database && link->phase() == LinkPhase::Held;
  });
}

void Worker::leave_database(const std::string& dbname) {
  close_idle_links([&](ServerLink& link) {
    const PoolRuntime& pool = link.pool().shared();
    const std::string& its_own = link.pool().settings().address.dbname;
    return link.phase() != LinkPhase::Connecting &&
           (its_own.empty() ? pool.database->name : its_own) == dbname;
  });
}

void Worker::close_idle_links(const std::function<bool(ServerLink&)>& which) {
  for (size_t i = links_.size(); i-- > 0;) {
    if (i >= links_.size() || !which(*links_[i])) {
      continue;
    }
    if (links_[i]->phase() == LinkPhase::Idle) {
      close_link(*links_[i]);
    } else {
      links_[i]->close_when_free = true;
    }
  }
}

}  // namespace sportello::proxy
