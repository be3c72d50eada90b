// The part of Worker that time drives: what each tick looks for in clients, links and pools, and what is done
// about a server that does not answer (control/health_watch.h).
#include "protocol/sqlstate.h"
#include "proxy/worker.h"
#include "proxy/worker_group.h"

namespace sportello::proxy {
namespace {

constexpr std::chrono::milliseconds kStandstill{2000};

Error silent_server() { return {sqlstate::kConnectionFailure, "the server does not answer"}; }

}  // namespace

void Worker::end_round() {
  precise_now_ = TimePoint();
  if (!retired_.empty()) {
    retired_.clear();
  }
}

void Worker::tick() {
  const TimePoint time = now();
  forgive_standstill(time);
  if (suspended_) {
    return;
  }
  check_clients(time);
  check_links(time);
  check_pools(time);
  limbo_.tick(time);
  replication_links_.serve(time);
  if (draining_) {
    close_resting_clients();
  }
  if (time - last_slow_check_ >= kSlowCheck) {
    last_slow_check_ = time;
    if (index_ == 0) {
      group_->sample_stats(time);
      group_->forget_unused_databases(time);
      group_->refresh_names();
    }
  }
  precise_now_ = TimePoint();  // the loop may sleep now
}

// The process was stopped (SIGSTOP, a machine that slept, a laptop's lid) or starved: nobody else has been
// slow.
void Worker::forgive_standstill(TimePoint time) {
  const auto gap = time - last_tick_;
  last_tick_ = time;
  if (gap < kStandstill) {
    return;
  }
  for (const auto& client : clients_) {
    client->forgive(gap);
  }
  for (const auto& link : links_) {
    link->forgive(gap);
  }
}

void Worker::check_clients(TimePoint time) {
  // Closing one moves the last to its place: from the back, each is seen once.
  for (size_t i = clients_.size(); i-- > 0;) {
    if (i < clients_.size()) {
      clients_[i]->check_timeouts(time);
    }
  }
}

void Worker::check_links(TimePoint time) {
  for (size_t i = cancels_.size(); i-- > 0;) {
    if (time >= cancels_[i]->deadline()) {
      cancel_ended(*cancels_[i]);
    }
  }
  const bool slow = time - last_slow_check_ >= kSlowCheck;
  for (size_t i = links_.size(); i-- > 0;) {
    if (i >= links_.size()) {
      continue;
    }
    ServerLink& link = *links_[i];
    const PoolSettings& settings = link.pool().settings();
    if (settings.node != nullptr && settings.server_health_interval.count() > 0) {
      check_health(link, time);
      if (i >= links_.size() || links_[i].get() != &link) {
        continue;
      }
    }
    if (link.phase() == LinkPhase::Connecting || link.phase() == LinkPhase::LoggingIn) {
      if (settings.server_connect_timeout.count() > 0 &&
          time - link.opened_at() >= settings.server_connect_timeout) {
        link_failed(link, {sqlstate::kSqlclientUnableToEstablishConnection,
                           "server_connect_timeout: no login in time"});
      }
      continue;
    }
    if (link.phase() == LinkPhase::Cleaning && time - link.phase_since() >= std::chrono::seconds(10)) {
      close_link(link);
      continue;
    }
    if (link.phase() == LinkPhase::Held && settings.server_fast_close && link.is_outdated() &&
        link.client()->is_between_transactions()) {
      // The session cannot go on as it was without its link: its client is to notice.
      link.close_when_free = true;
      link.client()->close(CloseReason::ServerFastClose);
      continue;
    }
    if (!slow || link.phase() != LinkPhase::Idle) {
      continue;
    }
    const bool old =
        settings.server_lifetime.count() > 0 && time - link.opened_at() >= settings.server_lifetime;
    const bool unused = settings.server_idle_timeout.count() > 0 &&
                        time - link.last_active() >= settings.server_idle_timeout &&
                        link.pool().shared().links.used() > settings.min_pool_size;
    if (old || unused || link.is_outdated()) {
      close_link(link);
    }
  }
}

// Tells the HealthWatch where requests wait without a word, and gives those up that do so at a server which
// is down.
void Worker::check_health(ServerLink& link, TimePoint time) {
  NodeHealth& node = *link.pool().settings().node;
  const int64_t heard = link.last_heard().time_since_epoch().count();
  if (node.suspect.load(std::memory_order_relaxed) && heard > node.heard_at.load()) {
    node.heard_at.store(heard);
  }
  const TimePoint silent = link.silent_since();
  if (silent == TimePoint() || time - silent < link.pool().settings().server_health_interval) {
    return;
  }
  node.stuck_at.store(time.time_since_epoch().count());
  if (node.down.load()) {
    link_failed(link, silent_server());
  }
}

void Worker::node_down(const NodeHealth& node) {
  const auto is_there = [&](Pool& its_pool) { return its_pool.settings().node.get() == &node; };
  for (auto& [shared, its_pool] : pools_) {
    if (is_there(*its_pool)) {
      {
        const std::lock_guard lock(shared->mutex);
        shared->last_failure = Error{sqlstate::kCannotConnectNow, silent_server().message};
      }
      if (shared->home != nullptr) {
        group_->post_reroute(its_pool->shared_ref());
      }
    }
  }
  for (size_t i = links_.size(); i-- > 0;) {
    if (i >= links_.size() || !is_there(links_[i]->pool())) {
      continue;
    }
    ServerLink& link = *links_[i];
    if (link.phase() == LinkPhase::Idle || link.phase() == LinkPhase::Parked) {
      close_link(link);
    } else if (link.silent_since() != TimePoint()) {
      link_failed(link, silent_server());
    }
  }
}

// Reads that wait for it and that a replica can answer; writes wait on, in their order.
void Worker::leave_lost_primary(Pool& pool) {
  std::vector<uint32_t> leaving;
  for (const Pool::Waiting& waiting : pool.waiting()) {
    if (waiting.client->could_leave_primary()) {
      leaving.push_back(waiting.client->process_id());
    }
  }
  for (const uint32_t id : leaving) {
    ClientConnection* client = find_client(id);
    if (client != nullptr && client->could_leave_primary()) {
      pool.stop_waiting(client);
      client->reroute();
    }
  }
}

// Has the pools that are to have links before a client has come.
void Worker::note_kept_pools() {
  for (const auto& [name, entry] : config_->conf.databases) {
    const bool has_minimum = entry.min_pool_size.value_or(config_->conf.min_pool_size) > 0;
    if (has_minimum && !entry.primary.user.empty() && name != "*") {
      pool(group_->pool(*config_, name, entry.primary.user));
    }
  }
}

bool Worker::wants_minimum(Pool& pool, TimePoint time) const {
  const PoolSettings& settings = pool.settings();
  const PoolRuntime& shared = pool.shared();
  const DatabaseRuntime& database = *shared.database;
  return settings.min_pool_size > 0 && shared.links.used() < settings.min_pool_size && !draining_ &&
         (settings.keeps_minimum || shared.clients_pool().clients.load() > 0) && !database.paused.load() &&
         !database.disabled.load() && !pool.is_down() &&
         database.left_alone_until.load(std::memory_order_relaxed) <= time.time_since_epoch().count();
}

void Worker::check_pools(TimePoint time) {
  const bool slow = time - last_slow_check_ >= kSlowCheck;
  if (slow && index_ == 0) {
    note_kept_pools();
  }
  for (Pool* its_pool : known_pools()) {
    PoolRuntime* shared = &its_pool->shared();
    if (its_pool->settings().nodes != nullptr && shared->node == 0 && !its_pool->waiting().empty() &&
        shared->database->scope.primary_lost.load(std::memory_order_relaxed)) {
      leave_lost_primary(*its_pool);
    }
    if (!its_pool->waiting().empty()) {
      serve(its_pool->shared_ref());
    } else if (slow && wants_minimum(*its_pool, time)) {
      open_links(*its_pool, true);
    }
  }
}

}  // namespace sportello::proxy
