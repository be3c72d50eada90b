// How many connections a PostgreSQL server has, at most, while this object lives: asked five times a second
// on a connection of its own, which is not counted. A thread of its own, since the load must not wait for it.
#pragma once

#include <atomic>
#include <string>
#include <thread>

#include "protocol/result.h"
#include "tests/portal/load/pq_handles.h"

namespace sportello::portal {

class ConnectionSampler {
 public:
  // Connects before the load does, so that a full server still answers it.
  static Result<std::unique_ptr<ConnectionSampler>> start(const std::string& conninfo);

  int most() const { return most_; }
  int limit() const { return limit_; }  // max_connections

 private:
  ConnectionSampler(PqConnection connection, int limit);
  void sample();

  PqConnection connection_;  // the thread's
  const int limit_;
  std::atomic<int> most_ = 0;
  std::jthread thread_;  // last: ends before the rest goes
};

}  // namespace sportello::portal
