// What one worker's sessions use of the result cache: the shared part, the worker's counts, and buffers that
// are used again from read to read. One thread, except counts.
#pragma once

#include <string>
#include <vector>

#include "cache/cache_key.h"
#include "cache/result_cache.h"
#include "cache/rule_counts.h"
#include "proxy/session/cached_read.h"

namespace sportello::proxy {

struct WorkerCache {
  explicit WorkerCache(cache::ResultCache& of_all) : shared(of_all) {}

  cache::ResultCache& shared;
  cache::WorkerRuleCounts counts;
  CachedRead read;  // the last one looked at
  cache::KeyBuilder keys;
  std::string settings;
  std::vector<cache::Oid> types;
  uint64_t last_wait = 0;  // a number for each time that a session waits for another's answer
};

// What a session asks a server for, to keep the answer. Others may wait for it.
struct CacheFill {
  CacheFill(cache::RuleCounts& of_rule, uint64_t limit_bytes, std::vector<int16_t> result_formats)
      : counts(of_rule), recorder(limit_bytes, std::move(result_formats)) {}

  cache::RuleCounts& counts;
  cache::ResultRecorder recorder;
  std::optional<cache::Flights::Lead> lead;  // none with mode = "shadow", which makes nobody wait
  // Without a lead:
  std::string key;
  uint64_t hash = 0;
  cache::Filling filling;
  cache::CachedResultRef shadowed;  // what would have been the answer
};

}  // namespace sportello::proxy
