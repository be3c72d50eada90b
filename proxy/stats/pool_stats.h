// What one worker's part of a pool has done since it was made: PgBouncer's counters (SHOW STATS). Written by
// that worker alone, so that counting needs no locked instruction; read by whoever adds the parts up, who may
// be a moment behind.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace sportello::proxy {

struct PoolStats {
  std::atomic<uint64_t> transactions{0};
  std::atomic<uint64_t> queries{0};
  std::atomic<uint64_t> client_bytes{0};  // received from clients
  std::atomic<uint64_t> server_bytes{0};  // received from servers
  std::atomic<uint64_t> transaction_us{0};
  std::atomic<uint64_t> query_us{0};
  std::atomic<uint64_t> wait_us{0};
  std::atomic<uint64_t> server_assignments{0};
  std::atomic<uint64_t> client_parses{0};
  std::atomic<uint64_t> server_parses{0};
  std::atomic<uint64_t> binds{0};
  std::atomic<uint64_t> links_opened{0};
  std::atomic<uint64_t> link_failures{0};
  std::atomic<uint64_t> retried_reads{0};
};

// By the counter's own worker.
inline void count(std::atomic<uint64_t>& counter, uint64_t by = 1) {
  counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
}

}  // namespace sportello::proxy
