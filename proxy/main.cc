// The program: reads its arguments and its configuration, starts the data plane and runs the control plane.
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>

#include "conf/pgbouncer_import.h"
#include "proxy/control/control_plane.h"
#include "proxy/log.h"
#include "proxy/setup/connect_check.h"
#include "proxy/setup/setup_sql.h"
#include "proxy/worker_group.h"

namespace sportello::proxy {
namespace {

// What each client and link may need, plus the files that are always open.
constexpr rlim_t kOwnDescriptors = 64;

void raise_file_limit(const conf::Config& conf) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  const rlim_t wanted = static_cast<rlim_t>(conf.max_client_conn) + kOwnDescriptors;
  if (limit.rlim_cur < wanted) {
    log_warning("the limit of open files is {}, too low for max_client_conn = {}", limit.rlim_cur,
                conf.max_client_conn);
  }
}

// Memory holds passwords and rows of others: no core dump unless somebody asks for one.
void forbid_core_dumps() {
  if (std::getenv("SPORTELLO_ALLOW_CORE") == nullptr) {
    prctl(PR_SET_DUMPABLE, 0);
  }
}

class PidFile {
 public:
  explicit PidFile(std::string path) : path_(std::move(path)) {
    if (!path_.empty()) {
      std::ofstream(path_) << getpid() << '\n';
    }
  }
  ~PidFile() {
    if (!path_.empty()) {
      unlink(path_.c_str());
    }
  }
  PidFile(const PidFile&) = delete;
  PidFile& operator=(const PidFile&) = delete;

 private:
  std::string path_;
};

RuntimeConfigRef load_and_complain(const std::string& path) {
  const RuntimeConfigLoad load = load_runtime_config(path);
  for (const std::string& problem : load.problems) {
    std::cerr << problem << '\n';
  }
  return load.config;
}

int check(const std::string& path, bool connect) {
  const RuntimeConfigRef config = load_and_complain(path);
  if (config == nullptr) {
    return 1;
  }
  const std::vector<std::string> missing = connect ? check_servers(*config) : std::vector<std::string>();
  for (const std::string& problem : missing) {
    std::cerr << problem << '\n';
  }
  if (missing.empty()) {
    std::cout << path << ": OK\n";
  }
  return missing.empty() ? 0 : 1;
}

int print_setup_sql(const std::string& path) {
  const RuntimeConfigRef config = load_and_complain(path);
  if (config == nullptr) {
    return 1;
  }
  std::cout << setup_sql_of(*config);
  return 0;
}

int import_pgbouncer(const std::string& path) {
  std::ifstream file(path);
  if (!file) {
    std::cerr << path << ": " << std::strerror(errno) << '\n';
    return 1;
  }
  const std::string ini{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  std::cout << conf::import_pgbouncer(ini);
  return 0;
}

int complain_of_no_file() {
  std::cerr << "sportello: no configuration file given; see --help\n";
  return 1;
}

int serve(const std::string& path) {
  block_signals();
  const RuntimeConfigLoad load = load_runtime_config(path);
  for (const std::string& problem : load.problems) {
    std::cerr << problem << '\n';
  }
  if (load.config == nullptr) {
    return 1;
  }
  const conf::Config& conf = load.config->conf;
  configure_log(conf);
  std::signal(SIGPIPE, SIG_IGN);
  raise_file_limit(conf);
  forbid_core_dumps();
  const PidFile pid_file(conf.pidfile);
  // First: where clients can come in, operators can ask.
  auto http = make_http_sockets(conf);
  if (!http.ok()) {
    log_error("{}", http.error().message);
    return 1;
  }
  auto sockets = make_listen_sockets(conf);
  if (!sockets.ok()) {
    log_error("{}", sockets.error().message);
    return 1;
  }
  for (const std::string& name : track_extra_parameters(conf.track_extra_parameters)) {
    log_warning("track_extra_parameters: \"{}\" is one too many and is not tracked", name);
  }
  WorkerGroup group(load.config);
  ControlPlane control(path, load.config, group, std::move(http).value());
  group.start(std::move(sockets).value());
  log_info("sportello {} is ready: {} workers, {}:{}", SPORTELLO_VERSION, group.size(), conf.listen_addr,
           conf.listen_port);
  if (!conf.http_listen.empty()) {
    log_info("metrics and health: http://{}/", conf.http_listen);
  }
  control.run();
  group.stop();
  log_info("stopped");
  return 0;
}

}  // namespace

int run(int argc, char** argv) {
  CLI::App app("sportello: a PostgreSQL proxy that pools connections", "sportello");
  std::string config;
  std::string to_check;
  std::string ini;
  app.set_version_flag("--version", std::string("sportello ") + SPORTELLO_VERSION);
  auto* config_option =
      app.add_option("config", config, "The configuration file (TOML); runs in the foreground");
  auto* check_option =
      app.add_option("--check", to_check, "Check a configuration file and exit: 0 if it is good, else 1");
  bool connect = false;
  app.add_flag("--connect", connect, "With --check: ask every server, too, and say what is missing there");
  std::string to_set_up;
  check_option->expected(0, 1);
  auto* setup =
      app.add_subcommand("setup-sql", "Print the SQL that a DBA runs so that the cache can follow the log");
  setup->add_option("config", to_set_up, "The configuration file (TOML)")->required();
  auto* import = app.add_subcommand("import-pgbouncer", "Print a pgbouncer.ini as TOML for sportello");
  import->add_option("ini", ini, "The pgbouncer.ini")->required();
  app.footer(
      "SIGHUP reloads the configuration; SIGTERM lets running transactions finish and exits; SIGINT stops at "
      "once.");
  CLI11_PARSE(app, argc, argv);
  if (import->parsed()) {
    return import_pgbouncer(ini);
  }
  if (setup->parsed()) {
    return print_setup_sql(to_set_up);
  }
  if (*check_option) {
    const std::string& path = to_check.empty() ? config : to_check;
    return path.empty() ? complain_of_no_file() : check(path, connect);
  }
  if (connect) {
    std::cerr << "sportello: --connect goes with --check\n";
    return 1;
  }
  if (!*config_option) {
    return complain_of_no_file();
  }
  return serve(config);
}

}  // namespace sportello::proxy

int main(int argc, char** argv) {
  try {
    return sportello::proxy::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "sportello: %s\n", error.what());
    return 1;
  }
}
