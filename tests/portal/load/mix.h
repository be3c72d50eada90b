// Which request a client sends next: by weights, or each in turn.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "protocol/result.h"
#include "tests/portal/load/request_file.h"

namespace sportello::portal {

// The domain's mix, 3 notary lists : 2 act lists : 1 appointment; a third of the visitors choose a city
// first.
inline constexpr std::string_view kPortalMix =
    "notary_list:2,notaries_by_city:1,act_list:2,appointment_create:1";
// The same pages as they were before the portal's lists were single queries.
inline constexpr std::string_view kNPlusOneMix =
    "n_plus_one_notary_list:2,notaries_by_city:1,n_plus_one_act_list:2,appointment_create:1";

class Mix {
 public:
  // "name:weight,name:weight"; every name is one of `requests`, weights are positive.
  static Result<Mix> parse(std::string_view text, const std::vector<Request>& requests);
  static Mix each_in_turn(size_t requests);

  // The index of a request; `random` is any 64-bit draw.
  size_t next(uint64_t random);

 private:
  std::vector<size_t> choices_;  // an index as often as it weighs
  bool in_turn_ = false;
  size_t turn_ = 0;
};

}  // namespace sportello::portal
