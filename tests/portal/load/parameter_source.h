// Values for the parameters of requests: one source a client, seeded, so that a run can be repeated.
//
// A name means one value for as long as a request runs: the notary that was looked at is the notary that is
// booked. begin_request() forgets. Popular things are asked for more often: notaries, cities and first pages
// by the square of an even draw. Times are constants of the data set or slots after its last appointment; no
// clock is read.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/portal/load/portal_facts.h"

namespace sportello::portal {

struct Value {
  std::string text;
  bool is_number = false;  // written without quotes where values go into the text
};

// row.COLUMN: a value of the row that the statement is run for.
bool is_row_parameter(std::string_view name);

class ParameterSource {
 public:
  // `facts` outlives the source.
  ParameterSource(const PortalFacts& facts, uint64_t seed) : facts_(facts), random_(seed) {}

  static bool knows(std::string_view name);

  void begin_request() { known_.clear(); }
  const Value& value(std::string_view name);  // knows(name)

  // Even, below n; for whatever else the client decides by chance.
  uint64_t below(uint64_t n) { return random_() % n; }

 private:
  struct Generator;
  static const Generator* find(std::string_view name);

  // From 1 to n, small ones more often.
  uint64_t popular(int64_t n);
  uint64_t slot();

  const PortalFacts& facts_;
  std::mt19937_64 random_;
  std::vector<std::pair<std::string, Value>> known_;
};

}  // namespace sportello::portal
