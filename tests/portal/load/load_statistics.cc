#include "tests/portal/load/load_statistics.h"

#include <utility>

namespace sportello::portal {

void LoadStatistics::succeeded(size_t request, std::chrono::microseconds latency) {
  all_.record(latency);
  by_request_[request].record(latency);
}

void LoadStatistics::failed(Failure failure) {
  ++errors_;
  auto& of_state = failures_[failure.sqlstate];
  if (of_state.count++ == 0) of_state.first_message = std::move(failure.message);
}

double LoadStatistics::error_percent() const {
  return total() == 0 ? 0 : 100.0 * static_cast<double>(errors_) / static_cast<double>(total());
}

}  // namespace sportello::portal
