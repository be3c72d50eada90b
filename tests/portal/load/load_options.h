// The command line of portal_load.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "tests/portal/load/statement_sender.h"

namespace sportello::portal {

struct LoadOptions {
  std::string conninfo;  // where the load goes
  std::string direct;    // conninfo of the PostgreSQL behind it, to count its connections; empty: not counted
  std::string console;   // conninfo of sportello's console, to count hits; empty: not counted
  std::string queries;   // folder of request files
  std::string mix;
  uint32_t clients = 1000;
  std::chrono::milliseconds think{900};
  std::chrono::milliseconds warm_up{5'000};
  std::chrono::milliseconds duration{30'000};
  uint64_t requests = 0;  // measured at most; 0: as many as fit into duration
  std::chrono::milliseconds timeout{30'000};
  Protocol protocol = Protocol::Extended;
  bool reconnect = false;
  bool once = false;  // one client, each request once
  uint64_t seed = 1;
  bool json = false;
  bool targets = false;
};

// The options, or what the process is to exit with (help was asked for, or an option is wrong; both are
// printed).
struct ParsedOptions {
  std::optional<LoadOptions> options;
  int exit_code = 0;
};
ParsedOptions parse_options(int argc, char** argv);

}  // namespace sportello::portal
