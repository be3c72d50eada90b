// The page /metrics: everything that SHOW POOLS, STATS, LISTS, DATABASES, NODES, ROUTES, CACHE and CACHE
// RULES say, in Prometheus' names and base units (seconds, bytes). Pure: any thread, no I/O.
//
// How many lines there may be is bounded whoever logs in (S64): of databases and of pools the first kMost by
// name are told, and sportello_left_out says how many are not. Servers and rules are the configuration's.
#pragma once

#include <string>

#include "proxy/http/metrics_text.h"
#include "proxy/http/operator_view.h"

namespace sportello::proxy {

class MetricsPage {
 public:
  static constexpr size_t kMost = 1000;

  static std::string of(const OperatorView& view);
};

// Its part about the result cache, its rules, and the followers of these databases' logs (metrics_cache.cc).
void write_cache_metrics(MetricsText& out, const OperatorView& view,
                         const std::vector<std::shared_ptr<DatabaseRuntime>>& databases);

}  // namespace sportello::proxy
