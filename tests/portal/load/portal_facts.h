// What the load driver must know of the portal's data to ask for rows that exist: read once, before the load.
#pragma once

#include <libpq-fe.h>

#include <cstdint>
#include <string>
#include <vector>

#include "protocol/result.h"

namespace sportello::portal {

struct City {
  std::string name;
  double longitude = 0;  // of its notaries' middle
  double latitude = 0;
};

// Keys run from 1 to these numbers.
struct PortalFacts {
  int64_t notaries = 0;
  int64_t clients = 0;
  int64_t acts = 0;
  int64_t reviews = 0;
  std::vector<City> cities;  // by name, never empty
};

Result<PortalFacts> read_portal_facts(PGconn* connection);

}  // namespace sportello::portal
