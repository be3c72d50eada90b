// What a pool has done since it was made: PgBouncer's counters (SHOW STATS), written by every worker, read by
// the admin console. Relaxed atomics: a reader may be a moment behind.
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

inline void count(std::atomic<uint64_t>& counter, uint64_t by = 1) {
  counter.fetch_add(by, std::memory_order_relaxed);
}

}  // namespace sportello::proxy
