#include "proxy/control/control_plane.h"

#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <csignal>

#include "conf/endpoint.h"
#include "conf/setting_table.h"
#include "proxy/log.h"

namespace sportello::proxy {
namespace {

constexpr std::chrono::milliseconds kTick{20};

constexpr std::array<int, 6> kSignals = {SIGHUP, SIGTERM, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2};

sigset_t signal_set() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : kSignals) {
    sigaddset(&set, number);
  }
  return set;
}

// http_listen and http_hosts are a restart's: they stay what they are.
OwnNames own_names(const conf::Config& conf) {
  char machine[HOST_NAME_MAX + 1] = "";
  gethostname(machine, sizeof machine - 1);
  const auto endpoint = conf::parse_endpoint(conf.http_listen);
  return {.listen_host = endpoint ? endpoint->host : "", .machine_name = machine, .others = conf.http_hosts};
}

void unblock_signals() {
  const sigset_t set = signal_set();
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

}  // namespace

void block_signals() {
  const sigset_t set = signal_set();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

ControlPlane::ControlPlane(std::string config_path, RuntimeConfigRef config, WorkerGroup& group,
                           std::vector<ListenSocket> http)
    : config_path_(std::move(config_path)),
      config_(std::move(config)),
      started_with_(config_->conf),
      group_(group),
      auth_query_(loop_, [&group](const std::string& database) { return group.primary_of(database); }),
      health_watch_(loop_, group_),
      catalog_watch_(loop_, group.directory()),
      node_watch_(loop_, group_),
      wal_watch_(loop_, group.directory()) {
  health_watch_.apply_config(config_);
  catalog_watch_.apply_config(config_);
  node_watch_.apply_config(config_);
  wal_watch_.apply_config(config_);
  group_.set_auth_query(&auth_query_);
  group_.reload = [this](std::function<void(ReloadReport)> done) {
    loop_.post([this, done = std::move(done)] { done(reload()); });
  };
  group_.change_setting = [this](std::string name, std::string value,
                                 std::function<void(Result<void>)> done) {
    loop_.post([this, name = std::move(name), value = std::move(value), done = std::move(done)] {
      done(change_setting(name, value));
    });
  };
  group_.request_shutdown = [this](ShutdownMode mode) { loop_.post([this, mode] { begin_shutdown(mode); }); };
  for (const int number : kSignals) {
    watch_signal(number);
  }
  unblock_signals();
  if (!http.empty()) {
    http_ = std::make_unique<HttpServer>(loop_, group_, std::move(http), own_names(started_with_));
  }
  on_tick_ = [this] { check_drained(); };
}

void ControlPlane::watch_signal(int number) {
  auto handle = std::make_unique<uv_signal_t>();
  uv_signal_init(loop_.uv(), handle.get());
  handle->data = this;
  uv_signal_start(
      handle.get(),
      [](uv_signal_t* signal, int received) {
        if (signal->data != nullptr) {
          static_cast<ControlPlane*>(signal->data)->on_signal(received);
        }
      },
      number);
  signals_.emplace_back(std::move(handle));
}

void ControlPlane::run() {
  sd_notify(0, "READY=1");
  loop_.run();
  sd_notify(0, "STOPPING=1");
  group_.set_auth_query(nullptr);
}

void ControlPlane::on_signal(int number) {
  if (number == SIGUSR1) {
    log_info("SIGUSR1: all databases are paused");
    group_.pause_all();
  } else if (number == SIGUSR2) {
    log_info("SIGUSR2: all databases are resumed");
    group_.resume_all();
  } else if (number == SIGHUP) {
    reload();
  } else if (number == SIGINT || number == SIGQUIT || shutting_down_) {
    begin_shutdown(ShutdownMode::Now);
  } else {
    begin_shutdown(ShutdownMode::Drain);
  }
}

ReloadReport ControlPlane::reload() {
  sd_notify(0, "RELOADING=1");
  RuntimeConfigLoad load = load_runtime_config(config_path_);
  for (const std::string& problem : load.problems) {
    log_at(load.config ? spdlog::level::warn : spdlog::level::err, "{}", problem);
  }
  if (load.config == nullptr) {
    log_error("reload refused: the configuration in force stays");
  } else {
    for (const std::string& name : conf::restart_needed(started_with_, load.config->conf)) {
      load.problems.push_back("a change of " + name + " takes effect at the next restart");
      log_warning("{}", load.problems.back());
    }
    adopt(load.config);
    log_info("configuration reloaded");
  }
  sd_notify(0, "READY=1");
  return {.refused = load.config == nullptr, .problems = std::move(load.problems)};
}

// In force until the next reload, which reads the file.
Result<void> ControlPlane::change_setting(const std::string& name, const std::string& value) {
  Result<RuntimeConfigRef> changed = with_setting(*config_, name, value);
  if (!changed.ok()) {
    return std::move(changed).error();
  }
  adopt(*std::move(changed));
  return {};
}

void ControlPlane::adopt(RuntimeConfigRef config) {
  config_ = std::move(config);
  configure_log(config_->conf);
  group_.apply_config(config_);
  health_watch_.apply_config(config_);
  catalog_watch_.apply_config(config_);
  node_watch_.apply_config(config_);
  wal_watch_.apply_config(config_);
}

void ControlPlane::begin_shutdown(ShutdownMode mode) {
  if (mode == ShutdownMode::Now) {
    log_info("stopping at once");
    loop_.stop();
    return;
  }
  log_info("shutting down: {} clients are connected", group_.entrance().clients());
  sd_notify(0, "STOPPING=1");
  group_.begin_shutdown(mode);
  shutdown_at_ = loop_.now();
  if (!shutting_down_) {
    shutting_down_ = true;
    tick_ = loop_.every(kTick, &on_tick_);
  }
}

void ControlPlane::check_drained() {
  const auto limit = config_->conf.shutdown_timeout;
  if (group_.entrance().clients() == 0) {
    loop_.stop();
  } else if (limit.count() > 0 && loop_.now() - shutdown_at_ >= limit) {
    log_warning("shutdown_timeout: ending {} clients", group_.entrance().clients());
    loop_.stop();
  }
}

}  // namespace sportello::proxy
