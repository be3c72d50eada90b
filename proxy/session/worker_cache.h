// What one worker's sessions use of the result cache: the shared part, the worker's counts, and buffers that
// are used again from read to read. One thread, except counts.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cache/cache_key.h"
#include "cache/result_cache.h"
#include "cache/rule_counts.h"
#include "proxy/session/cached_read.h"

namespace sportello::proxy {

// An answer on its way that is to be kept. Used again from read to read.
struct CacheFill {
  cache::RuleCounts* counts = nullptr;
  cache::ResultRecorder recorder{0, {}};
  cache::Flight flight;             // others may wait for it, but for those of mode = "shadow"
  cache::CachedResultRef shadowed;  // what would have been the answer
};

struct WorkerCache {
  explicit WorkerCache(cache::ResultCache& of_all) : shared(of_all) {}

  std::unique_ptr<CacheFill> get_fill();
  void give_back(std::unique_ptr<CacheFill> fill);

  cache::ResultCache& shared;
  cache::WorkerRuleCounts counts;
  CachedRead read;  // the last one looked at
  cache::KeyBuilder keys;
  std::vector<cache::Oid> types;
  uint64_t last_wait = 0;  // a number for each time that a session waits for another's answer

 private:
  static constexpr size_t kKeptFills = 64;
  std::vector<std::unique_ptr<CacheFill>> spare_;
};

inline std::unique_ptr<CacheFill> WorkerCache::get_fill() {
  if (spare_.empty()) {
    return std::make_unique<CacheFill>();
  }
  std::unique_ptr<CacheFill> fill = std::move(spare_.back());
  spare_.pop_back();
  return fill;
}

// Whoever waits for it has to look again.
inline void WorkerCache::give_back(std::unique_ptr<CacheFill> fill) {
  fill->flight.drop();
  fill->shadowed.reset();
  if (spare_.size() < kKeptFills) {
    spare_.push_back(std::move(fill));
  }
}

}  // namespace sportello::proxy
