#include "tests/portal/load/load_options.h"

#include <CLI/CLI.hpp>
#include <map>

#include "tests/portal/load/mix.h"

#ifndef PORTAL_QUERIES
#error "PORTAL_QUERIES is the folder of the request files; CMake gives it"
#endif

namespace sportello::portal {
namespace {

constexpr int kExitBadOption = 2;

std::chrono::milliseconds from_seconds(double seconds) {
  return std::chrono::milliseconds{static_cast<int64_t>(seconds * 1000)};
}

// Keywords for PQconnectdb, from the options that psql has too.
struct Address {
  std::string host, port, dbname = "sportello_notai", user;

  std::string conninfo() const {
    std::string out;
    const auto add = [&](const char* keyword, const std::string& value) {
      if (!value.empty()) out += std::string(keyword) + "='" + value + "' ";
    };
    add("host", host);
    add("port", port);
    add("dbname", dbname);
    add("user", user);
    return out;
  }
};

}  // namespace

ParsedOptions parse_options(int argc, char** argv) {
  LoadOptions options;
  options.queries = PORTAL_QUERIES;
  options.mix = kPortalMix;
  Address address;
  double think = 0.9, warm_up = 5, duration = 30, timeout = 30;
  bool n_plus_one = false;
  const std::map<std::string, Protocol> protocols = {
      {"simple", Protocol::Simple}, {"extended", Protocol::Extended}, {"prepared", Protocol::Prepared}};

  CLI::App app{"Users of the notary portal, many at a time: what do they feel? (tests/portal/README.md)",
               "portal_load"};
  auto* host = app.add_option("--host", address.host,
                              "Host or socket directory (default: libpq's, as for all of these)");
  auto* port = app.add_option("-p,--port", address.port, "Port");
  auto* dbname = app.add_option("-d,--dbname", address.dbname, "Database")->capture_default_str();
  auto* user =
      app.add_option("-U,--user", address.user, "User; the password comes from PGPASSWORD or ~/.pgpass");
  app.add_option("--conninfo", options.conninfo, "A connection string instead of these")
      ->excludes(host)
      ->excludes(port)
      ->excludes(dbname)
      ->excludes(user);
  app.add_option("--direct", options.direct,
                 "Connection string of the PostgreSQL behind: its connections are counted");
  app.add_option("--console", options.console,
                 "Connection string of sportello's admin console: the cache's hits are counted");
  app.add_option("-c,--clients", options.clients, "Concurrent clients")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  app.add_option("--think", think, "Mean seconds between an answer and the next request; 0: none")
      ->check(CLI::Range(0.0, 3600.0))
      ->capture_default_str();
  app.add_option("--warm-up", warm_up, "Seconds in which clients come in; not measured")
      ->check(CLI::Range(0.0, 3600.0))
      ->capture_default_str();
  app.add_option("--duration", duration, "Seconds that are measured")
      ->check(CLI::Range(0.1, 86400.0))
      ->capture_default_str();
  app.add_option("--requests", options.requests, "Stop after so many measured requests");
  app.add_option("--timeout", timeout, "Seconds after which a request is given up as failed")
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str();
  app.add_option("--protocol", options.protocol, "simple, extended or prepared")
      ->transform(CLI::CheckedTransformer(protocols))
      ->default_str("extended");
  app.add_flag("--reconnect", options.reconnect,
               "A connection for each request, as Django does without persistent connections");
  auto* mix =
      app.add_option("--mix", options.mix, "NAME:WEIGHT,… of files in queries/")->capture_default_str();
  app.add_flag("--n-plus-one", n_plus_one, "The mix as it was with one query for each row of the lists")
      ->excludes(mix);
  app.add_flag("--once", options.once, "One client sends each request once; fails if one fails");
  app.add_option("--queries", options.queries, "Folder of the request files")->capture_default_str();
  app.add_option("--seed", options.seed, "Another seed, other choices")->capture_default_str();
  app.add_flag("--json", options.json, "The report as JSON");
  app.add_flag("--targets", options.targets,
               "Compare with the portal's targets; exit with 3 if one is missed");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return {std::nullopt, app.exit(error) == 0 ? 0 : kExitBadOption};
  }
  if (options.conninfo.empty()) options.conninfo = address.conninfo();
  if (n_plus_one) options.mix = kNPlusOneMix;
  options.think = from_seconds(think);
  options.warm_up = from_seconds(warm_up);
  options.duration = from_seconds(duration);
  options.timeout = from_seconds(timeout);
  if (options.once) {
    options.clients = 1;
    options.think = options.warm_up = std::chrono::milliseconds{0};
  }
  return {std::move(options), 0};
}

}  // namespace sportello::portal
