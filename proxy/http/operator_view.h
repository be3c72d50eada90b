// All that the pages for operators are made from, gathered at one moment: shared state, and a tally of each
// worker. Holds no secret and no statement.
#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "proxy/admin/admin_show.h"
#include "proxy/pool/node_health.h"
#include "proxy/stats/worker_tally.h"

namespace sportello::proxy {

// Of our own process; -1: not known.
struct ProcessFacts {
  double cpu_seconds = 0;
  int64_t resident_bytes = -1;
};
ProcessFacts process_facts();

struct OperatorView {
  AdminView shared;
  std::vector<WorkerTally> workers;
  std::vector<std::shared_ptr<NodeHealth>> servers;
  ProcessFacts process;
  std::chrono::system_clock::time_point started_at{};
  std::chrono::system_clock::time_point wall_now{};
  bool draining = false;
};

// Of all workers, by pool.
std::map<std::shared_ptr<PoolRuntime>, PoolTally> tally_of(const OperatorView& view);

}  // namespace sportello::proxy
