#include "proxy/pool/pool.h"

#include <algorithm>

#include "protocol/backend_messages.h"
#include "protocol/invariant.h"
#include "protocol/sqlstate.h"

namespace sportello::proxy {

Pool::Pool(std::shared_ptr<PoolRuntime> shared, size_t worker)
    : shared_(std::move(shared)), settings_(shared_->current_settings()), worker_(worker) {
  invariant(worker < kMaxWorkers, "there are at most kMaxWorkers workers");
  PoolRuntime::PerWorker& part = shared_->workers[worker];
  if (!part.stats) {
    part.stats = std::make_unique<PoolStats>();
    part.has_stats.store(true);
  }
}

const std::string& Pool::parameter_statuses(const std::shared_ptr<const Welcome>& welcome,
                                            const Settings& settings) {
  if (statuses_.welcome != welcome || statuses_.settings != settings) {
    statuses_ = {welcome, settings, {}};
    for (const auto& [name, value] : welcome->parameters) {
      const auto tracked = find_tracked(name);
      append_parameter_status(statuses_.bytes, name,
                              tracked ? settings->tracked[static_cast<size_t>(*tracked)] : value);
    }
  }
  return statuses_.bytes;
}

ServerLink* Pool::take_idle() {
  if (idle_.empty() || shared_->waiting.load() > 0) {
    return nullptr;
  }
  ServerLink* link = idle_.back();
  idle_.pop_back();
  shared_->workers[worker_].idle.fetch_sub(1);
  return link;
}

void Pool::put_idle(ServerLink* link) {
  idle_.push_back(link);
  shared_->workers[worker_].idle.fetch_add(1);
}

void Pool::remove_idle(ServerLink* link) {
  const auto found = std::find(idle_.begin(), idle_.end(), link);
  if (found != idle_.end()) {
    idle_.erase(found);
    shared_->workers[worker_].idle.fetch_sub(1);
  }
}

void Pool::wait(ClientConnection* client, TimePoint now) {
  waiting_.push_back({client, now});
  publish_oldest();
  shared_->waiting.fetch_add(1);
}

void Pool::stop_waiting(ClientConnection* client) {
  const auto found = std::find_if(waiting_.begin(), waiting_.end(),
                                  [&](const Waiting& waiting) { return waiting.client == client; });
  if (found != waiting_.end()) {
    waiting_.erase(found);
    shared_->waiting.fetch_sub(1);
    publish_oldest();
  }
}

void Pool::publish_oldest() {
  shared_->workers[worker_].oldest_wait.store(
      waiting_.empty() ? 0 : waiting_.front().since.time_since_epoch().count());
}

Pool::Turn Pool::next_turn() {
  if (shared_->waiting.load() == 0) {
    return {};
  }
  const auto longest = shared_->longest_waiting();
  if (!longest) {
    return {};
  }
  if (!waiting_.empty()) {
    const auto mine = waiting_.front().since.time_since_epoch();
    if (longest->worker == worker_ || mine <= Clock::duration(longest->since) + kSameInstant) {
      ClientConnection* client = waiting_.front().client;
      stop_waiting(client);
      return {Turn::Whose::Here, client, worker_};
    }
  }
  return {Turn::Whose::OtherWorker, nullptr, longest->worker};
}

Pool::Opening Pool::take_slot(TimePoint now, bool to_minimum) {
  const int64_t tick = now.time_since_epoch().count();
  const int waiting = shared_->waiting.load();
  if (to_minimum ? shared_->links.used() >= settings_->min_pool_size
                 : waiting <= shared_->connecting.load()) {
    return Opening::NotNeeded;
  }
  if (shared_->slots_wanted.load() > 0) {
    return Opening::AtLimit;
  }
  if (shared_->retry_at.load() > tick || shared_->connecting.load() >= kMaxConnecting) {
    return Opening::NotYet;
  }
  int size = settings_->pool_size;
  const auto longest = shared_->longest_waiting();
  if (settings_->reserve_pool_size > 0 && longest &&
      tick - longest->since >= Clock::duration(settings_->reserve_pool_timeout).count()) {
    size += settings_->reserve_pool_size;
  }
  if (!take_slots(size)) {
    return Opening::AtLimit;
  }
  shared_->connecting.fetch_add(1);
  return Opening::Granted;
}

std::optional<Error> Pool::refusal(TimePoint now) const {
  if (shared_->home != nullptr || shared_->retry_at.load() <= now.time_since_epoch().count() ||
      shared_->has_ready_links()) {
    return std::nullopt;
  }
  const std::lock_guard lock(shared_->mutex);
  const std::optional<Error>& failure = shared_->last_failure;
  if (!failure || failure->sqlstate == sqlstate::kCannotConnectNow) {
    return std::nullopt;
  }
  return Error{failure->sqlstate, "server login failed: " + failure->message};
}

// All three, or none.
bool Pool::take_slots(int pool_size) {
  if (!shared_->links.take(pool_size)) {
    return false;
  }
  if (!shared_->database->links.take(settings_->max_db_connections)) {
    shared_->links.give_back();
    return false;
  }
  if (!shared_->user->links.take(settings_->max_user_connections)) {
    shared_->database->links.give_back();
    shared_->links.give_back();
    return false;
  }
  return true;
}

bool Pool::take_slot_for_replication() { return take_slots(settings_->pool_size); }

bool Pool::is_at_limit() const {
  return shared_->links.is_full(settings_->pool_size) ||
         shared_->database->links.is_full(settings_->max_db_connections) ||
         shared_->user->links.is_full(settings_->max_user_connections);
}

void Pool::release_slot() {
  shared_->links.give_back();
  shared_->database->links.give_back();
  shared_->user->links.give_back();
}

}  // namespace sportello::proxy
