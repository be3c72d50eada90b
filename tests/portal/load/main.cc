// portal_load: reads the requests, looks at the data, runs the load, says what users felt.
#include <sys/resource.h>

#include <cstdio>
#include <memory>

#include "tests/portal/load/connection_sampler.h"
#include "tests/portal/load/load_report.h"
#include "tests/portal/load/load_run.h"

namespace {

using namespace sportello;
using namespace sportello::portal;

enum ExitCode { kFine = 0, kCannotRun = 1, kTargetMissed = 3, kRequestFailed = 4 };

int cannot_run(const Error& error) {
  std::fprintf(stderr, "portal_load: %s\n%s", error.message.c_str(), error.detail.c_str());
  return kCannotRun;
}

// Thousands of sockets need more descriptors than a shell allows.
void raise_file_limit() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

Result<PortalFacts> look_at_data(const LoadOptions& options) {
  const auto& conninfo = options.direct.empty() ? options.conninfo : options.direct;
  const PqConnection connection{PQconnectdb(conninfo.c_str())};
  if (PQstatus(connection.get()) != CONNECTION_OK) {
    return Error{"08001", PQerrorMessage(connection.get())};
  }
  return read_portal_facts(connection.get());
}

int exit_code(const LoadReport& report) {
  if (report.options.once && report.statistics.errors() > 0) return kRequestFailed;
  return report.options.targets && !all_met(findings(report)) ? kTargetMissed : kFine;
}

}  // namespace

int main(int argc, char** argv) {
  auto parsed = parse_options(argc, argv);
  if (!parsed.options) return parsed.exit_code;
  auto& options = *parsed.options;
  raise_file_limit();

  const auto requests = load_requests(options.queries);
  if (!requests) return cannot_run(requests.error());
  auto mix = options.once ? Mix::each_in_turn(requests->size()) : Mix::parse(options.mix, *requests);
  if (!mix) return cannot_run(mix.error());
  if (options.once) options.requests = requests->size();
  const auto facts = look_at_data(options);
  if (!facts) return cannot_run(facts.error());

  std::unique_ptr<ConnectionSampler> sampler;
  if (!options.direct.empty()) {
    auto started = ConnectionSampler::start(options.direct);
    if (!started) return cannot_run(started.error());
    sampler = std::move(started).value();
  }

  CacheFigures before;
  if (!options.console.empty()) {
    const auto figures = read_cache_figures(options.console);
    if (!figures) return cannot_run(figures.error());
    before = *figures;
  }

  LoadRun run(options, *requests, *facts, std::move(mix).value());
  run.run();

  LoadReport report{options, *requests, run.statistics(), run.seconds()};
  if (sampler) report.connections = ServerConnections{sampler->most(), sampler->limit()};
  if (!options.console.empty()) {
    const auto figures = read_cache_figures(options.console);
    if (!figures) return cannot_run(figures.error());
    report.cache = figures->since(before);
  }
  std::fputs((options.json ? as_json(report) : as_table(report)).c_str(), stdout);
  return exit_code(report);
}
