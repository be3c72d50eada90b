// The run itself: clients come in evenly over the warm-up, then requests that come due are measured until the
// time is over or enough have been sent; what is on its way then is waited for and counted.
//
// Think times are even between half and one and a half of the mean. Choices depend on the seed and the
// client's number only, so a run offers the same requests whatever answers it.
#pragma once

#include <deque>

#include "tests/portal/load/load_client.h"
#include "tests/portal/load/load_options.h"
#include "tests/portal/load/mix.h"

namespace sportello::portal {

class LoadRun {
 public:
  // All but the mix outlive the run.
  LoadRun(const LoadOptions& options, const std::vector<Request>& requests, const PortalFacts& facts,
          Mix mix);

  void run();

  const LoadStatistics& statistics() const { return statistics_; }
  // Of the measured time.
  double seconds() const;

 private:
  void came_due(uint32_t client, Clock::time_point at);
  void request_done(uint32_t client, size_t request, Clock::time_point due, std::optional<Failure> failure);
  void give_up_overdue();
  void start_measuring_if_warm();
  bool is_measured(Clock::time_point due) const { return due >= measured_from_ && due < measured_to_; }
  Clock::duration think_time(LoadClient& client) const;

  const LoadOptions& options_;
  Mix mix_;
  Reactor reactor_;
  ClientWorld world_;
  std::deque<LoadClient> clients_;
  LoadStatistics statistics_;
  Clock::time_point warm_at_;
  size_t newcomers_;            // clients whose first request is not over: so many,
  std::vector<bool> newcomer_;  // and who
  Clock::time_point measured_from_ = Clock::time_point::max();  // max: not measuring yet
  Clock::time_point measured_to_ =
      Clock::time_point::max();  // brought forward when enough requests have been sent
  uint64_t measured_requests_ = 0;
  size_t running_ = 0;  // requests on their way
};

}  // namespace sportello::portal
