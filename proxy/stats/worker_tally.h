// How many clients and server links one worker has at one moment, by pool and state: what a page of metrics
// needs of a worker, without the texts of a snapshot (admin/admin_snapshot.h). Taken on the worker's thread,
// read on any other.
#pragma once

#include <chrono>
#include <map>
#include <memory>

namespace sportello::proxy {

class Worker;
struct PoolRuntime;

struct PoolTally {
  // Clients that have logged in to it.
  int clients_active = 0;   // they hold a link
  int clients_idle = 0;     // they hold none and want none
  int clients_waiting = 0;  // for a link, or for another's answer
  std::chrono::microseconds longest_wait{0};
  // Its links, as SHOW POOLS calls their states; "idle" counts those with "used".
  int links_active = 0;
  int links_idle = 0;
  int links_tested = 0;
  int links_being_canceled = 0;
  int links_login = 0;

  void add(const PoolTally& other);
};

struct WorkerTally {
  int clients = 0;  // connections, whatever became of their login, and the console's
  int logging_in = 0;
  int consoles = 0;
  // Of what its clients and its links have sent that cannot be passed on yet, and have not taken.
  size_t client_buffer_bytes = 0;
  size_t server_buffer_bytes = 0;
  size_t query_shapes = 0;  // in its QueryTable
  uint64_t dropped_query_shapes = 0;
  std::map<std::shared_ptr<PoolRuntime>, PoolTally> pools = {};
};

WorkerTally take_tally(Worker& worker);

}  // namespace sportello::proxy
