// What the measured requests came to, by request and by SQLSTATE.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/portal/load/latency_histogram.h"

namespace sportello::portal {

// Of requests or connections that failed; the first message stands for all of its SQLSTATE.
struct Failure {
  std::string sqlstate;
  std::string message;
};

struct FailureCount {
  uint64_t count = 0;
  std::string first_message;
};

class LoadStatistics {
 public:
  explicit LoadStatistics(size_t requests) : by_request_(requests) {}

  void succeeded(size_t request, std::chrono::microseconds latency);
  void failed(Failure failure);

  uint64_t total() const { return all_.count() + errors_; }
  uint64_t errors() const { return errors_; }
  double error_percent() const;
  // Of requests that succeeded.
  const LatencyHistogram& all() const { return all_; }
  const std::vector<LatencyHistogram>& by_request() const { return by_request_; }
  const std::map<std::string, FailureCount>& failures() const { return failures_; }

 private:
  LatencyHistogram all_;
  std::vector<LatencyHistogram> by_request_;
  uint64_t errors_ = 0;
  std::map<std::string, FailureCount> failures_;
};

}  // namespace sportello::portal
