// What users felt, for people (a table) and for programs (JSON), beside the portal's targets.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tests/portal/load/cache_figures.h"
#include "tests/portal/load/load_options.h"
#include "tests/portal/load/load_statistics.h"
#include "tests/portal/load/request_file.h"

namespace sportello::portal {

struct ServerConnections {
  int most = 0;
  int limit = 0;
};

struct LoadReport {
  const LoadOptions& options;
  const std::vector<Request>& requests;
  const LoadStatistics& statistics;
  double seconds;
  std::optional<ServerConnections> connections = std::nullopt;
  std::optional<CacheFigures> cache = std::nullopt;
};

// One number that the portal has a target for.
struct Finding {
  const char* key;    // in JSON
  const char* label;  // in the table
  const char* unit;
  double measured;
  bool at_least;  // the target is a lower bound; otherwise an upper one
  double target;

  bool met() const { return at_least ? measured >= target : measured < target; }
};

std::vector<Finding> findings(const LoadReport& report);
bool all_met(const std::vector<Finding>& findings);

std::string as_table(const LoadReport& report);
std::string as_json(const LoadReport& report);

}  // namespace sportello::portal
