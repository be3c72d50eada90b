// The control plane: the loop of the main thread. Signals, reload, shutdown, the pid file, systemd's
// notifications, the conversations of our own with PostgreSQL (auth_query.h, catalog_watch.h), and the pages
// for operators (http/http_server.h). Everything here is for the main thread, except what says "any thread".
//
//   SIGHUP   reload: all or nothing
//   SIGTERM  drain: no new clients, running transactions finish, then exit 0; a second one is as SIGINT
//   SIGINT   stop at once; so does SIGQUIT
//   SIGUSR1  PAUSE of all databases; SIGUSR2: RESUME
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "proxy/control/auth_query.h"
#include "proxy/control/catalog_watch.h"
#include "proxy/control/health_watch.h"
#include "proxy/control/node_watch.h"
#include "proxy/control/wal_watch.h"
#include "proxy/http/http_server.h"
#include "proxy/net/event_loop.h"
#include "proxy/worker_group.h"

namespace sportello::proxy {

// Keeps the signals that a ControlPlane handles for it; called before anything can be reached from outside.
void block_signals();

class ControlPlane {
 public:
  // `http`: the sockets of http_listen.
  ControlPlane(std::string config_path, RuntimeConfigRef config, WorkerGroup& group,
               std::vector<ListenSocket> http);

  // Until the program is to end; the group still runs then.
  void run();

 private:
  void on_signal(int number);
  ReloadReport reload();
  Result<void> change_setting(const std::string& name, const std::string& value);
  void adopt(RuntimeConfigRef config);
  void begin_shutdown(ShutdownMode mode);
  void check_drained();
  void watch_signal(int number);

  std::string config_path_;
  RuntimeConfigRef config_;
  const conf::Config started_with_;  // what needs a restart is still as it says here
  WorkerGroup& group_;
  EventLoop loop_;
  AuthQuery auth_query_;
  HealthWatch health_watch_;
  CatalogWatch catalog_watch_;
  NodeWatch node_watch_;
  WalWatch wal_watch_;
  std::unique_ptr<HttpServer> http_;  // nullptr: nobody wants it
  std::vector<UvHandle<uv_signal_t>> signals_;
  std::function<void()> on_tick_;
  UvHandle<uv_timer_t> tick_;
  bool shutting_down_ = false;
  TimePoint shutdown_at_{};
};

}  // namespace sportello::proxy
