#include "proxy/pool/replication_links.h"

#include <algorithm>

#include "proxy/worker.h"

namespace sportello::proxy {

void ReplicationLinks::want(Pool& pool, ClientConnection& client, TimePoint not_before) {
  waiting_.push_back({&pool, &client, not_before});
  serve(worker_->now());
}

void ReplicationLinks::forget(const ClientConnection& client) {
  const auto found = std::find_if(waiting_.begin(), waiting_.end(),
                                  [&](const Waiting& waiting) { return waiting.client == &client; });
  if (found != waiting_.end()) {
    set_wants_slot(*found, false);
    waiting_.erase(found);
  }
}

void ReplicationLinks::set_wants_slot(Waiting& waiting, bool wants) {
  if (waiting.wants_slot != wants) {
    waiting.wants_slot = wants;
    waiting.pool->shared().slots_wanted.fetch_add(wants ? 1 : -1);
  }
}

bool ReplicationLinks::take_slot(Waiting& waiting, TimePoint now) {
  PoolRuntime& shared = waiting.pool->shared();
  const int64_t refused_until = shared.replication_retry_at.load();
  if (shared.database->paused.load() || now < waiting.not_before ||
      now.time_since_epoch().count() < refused_until) {
    set_wants_slot(waiting, false);
    return false;
  }
  const bool taken = waiting.pool->take_slot_for_replication();
  set_wants_slot(waiting, !taken);
  if (!taken) {
    worker_->make_room(*waiting.pool);
  }
  return taken;
}

void ReplicationLinks::serve(TimePoint now) {
  // Opening one may fail at once and put its client back, at the end: every client is looked at once.
  const size_t count = waiting_.size();
  size_t at = 0;
  for (size_t i = 0; i < count && at < waiting_.size(); i++) {
    if (!take_slot(waiting_[at], now)) {
      at++;
      continue;
    }
    const Waiting next = waiting_[at];
    waiting_.erase(waiting_.begin() + static_cast<ptrdiff_t>(at));
    worker_->open_replication_link(*next.pool, *next.client);
  }
}

}  // namespace sportello::proxy
