#include "proxy/stats/worker_tally.h"

#include <algorithm>

#include "proxy/worker.h"

namespace sportello::proxy {
namespace {

void count_client(ClientConnection& client, TimePoint now, PoolTally& pool) {
  if (client.is_waiting()) {
    pool.clients_waiting++;
    const auto wait = std::chrono::duration_cast<std::chrono::microseconds>(now - client.wait_since());
    pool.longest_wait = std::max(pool.longest_wait, wait);
  } else if (client.link() != nullptr) {
    pool.clients_active++;
  } else {
    pool.clients_idle++;
  }
}

void count_link(const ServerLink& link, PoolTally& pool) {
  switch (link.phase()) {
    case LinkPhase::Connecting:
    case LinkPhase::LoggingIn:
      pool.links_login++;
      return;
    case LinkPhase::Held:
      pool.links_active++;
      return;
    case LinkPhase::Cleaning:
      pool.links_tested++;
      return;
    case LinkPhase::Parked:
      pool.links_being_canceled++;
      return;
    case LinkPhase::Idle:
      pool.links_idle++;
      return;
    case LinkPhase::Closed:
      return;
  }
}

}  // namespace

void PoolTally::add(const PoolTally& other) {
  clients_active += other.clients_active;
  clients_idle += other.clients_idle;
  clients_waiting += other.clients_waiting;
  longest_wait = std::max(longest_wait, other.longest_wait);
  links_active += other.links_active;
  links_idle += other.links_idle;
  links_tested += other.links_tested;
  links_being_canceled += other.links_being_canceled;
  links_login += other.links_login;
}

WorkerTally take_tally(Worker& worker) {
  const TimePoint now = worker.now();
  WorkerTally tally{.query_shapes = worker.queries().size(),
                    .dropped_query_shapes = worker.queries().dropped_shapes()};
  for (const auto& client : worker.clients()) {
    tally.clients++;
    tally.client_buffer_bytes += client->buffer_bytes();
    if (client->admin() != nullptr) {
      tally.consoles++;
    } else if (client->pool() != nullptr && (client->is_logged_in() || client->is_waiting())) {
      count_client(*client, now, tally.pools[client->pool()->shared_ref()]);
    } else {
      tally.logging_in++;
    }
  }
  for (const auto& link : worker.links()) {
    tally.server_buffer_bytes += link->buffer_bytes();
    count_link(*link, tally.pools[link->pool().shared_ref()]);
  }
  return tally;
}

}  // namespace sportello::proxy
