#include "proxy/control/health_watch.h"

#include <random>

#include "proxy/log.h"
#include "proxy/worker_group.h"

namespace sportello::proxy {
namespace {

// Workers say it at each of their ticks.
constexpr std::chrono::milliseconds kStuckStill = 4 * Worker::kTick;
constexpr std::chrono::milliseconds kProbeDownAgain{200};
constexpr int kJitterMs = 200;

std::chrono::milliseconds jitter() {
  static std::minstd_rand random{std::random_device{}()};
  return std::chrono::milliseconds(random() % kJitterMs);
}

}  // namespace

HealthWatch::HealthWatch(EventLoop& loop, WorkerGroup& group)
    : loop_(&loop), group_(&group), on_tick_([this] { tick(); }), tick_(loop.every(kTick, &on_tick_)) {}

void HealthWatch::apply_config(RuntimeConfigRef config) {
  config_ = std::move(config);
  for (auto& [node, watched] : watched_) {
    watched.probe.reset();
    node->suspect.store(false);
  }
}

void HealthWatch::tick() {
  const TimePoint now = loop_->now();
  const bool is_on = config_->conf.server_health_interval.count() > 0;
  for (const auto& node : group_->nodes().nodes()) {
    const bool down = node->down.load();
    const TimePoint stuck_at{Clock::duration(node->stuck_at.load())};
    const bool stuck = is_on && stuck_at != TimePoint() && now - stuck_at < kStuckStill;
    Watched& watched = watched_[node.get()];
    if (!down && !stuck) {
      // Its connection would keep the database from being dropped.
      if (watched.probe && !watched.probe->is_busy()) {
        watched.probe.reset();
      }
      continue;
    }
    if (down && (!is_on || (watched.back_at != TimePoint() && now >= watched.back_at))) {
      watched.back_at = TimePoint();
      node->down.store(false);
      log_info("server at host \"{}\", port {}, answers again", node->shown_host(), node->port);
      group_->post_serve_all();
    } else if (watched.back_at == TimePoint() && now >= watched.next_at &&
               !(watched.probe && watched.probe->is_busy())) {
      begin(node, watched);
    }
  }
}

void HealthWatch::begin(const std::shared_ptr<NodeHealth>& node, Watched& watched) {
  if (!watched.probe) {
    watched.probe = std::make_unique<NodeProbe>(*loop_, target(*node));
  }
  watched.began_at = loop_->now();
  node->suspect.store(true);
  watched.probe->ask(config_->conf.server_health_timeout,
                     [this, node](const NodeReport& report) { reported(node, report); });
}

void HealthWatch::reported(const std::shared_ptr<NodeHealth>& node, const NodeReport& report) {
  Watched& watched = watched_[node.get()];
  const TimePoint now = loop_->now();
  node->suspect.store(false);
  const bool heard = node->heard_at.load() >= watched.began_at.time_since_epoch().count();
  if (report.answered && !report.why.empty() && report.why != watched.told) {
    watched.told = report.why;
    log_warning("server at host \"{}\", port {}, answers, but cannot be asked how it is: {}",
                node->shown_host(), node->port, report.why);
  }
  if (node->down.load()) {
    watched.next_at = now + kProbeDownAgain + jitter();
    if (report.answered) {
      watched.back_at = now + jitter();
    }
    return;
  }
  watched.next_at = now + config_->conf.server_health_interval;
  if (report.answered || heard) {
    return;
  }
  log_warning("server at host \"{}\", port {}, is out: {}", node->shown_host(), node->port, report.why);
  watched.next_at = now + kProbeDownAgain;
  node->down.store(true);
  group_->post_all([node](Worker& worker) { worker.node_down(*node); });
}

// By the entry of the first database there that has a login for us.
NodeProbe::Target HealthWatch::target(const NodeHealth& node) const {
  NodeProbe::Target target;
  for (const auto& [name, database] : config_->conf.databases) {
    for (conf::ServerAddress& address : servers_of(database)) {
      if (address.host != node.host || address.port != node.port) {
        continue;
      }
      address.hostaddr = node.hostaddr;
      target.server = config_->server_target(address);
      target.login = monitor_login_at(*config_, name, address, false);
      if (target.login) {
        return target;
      }
    }
  }
  target.server.host = node.host;
  target.server.hostaddr = node.hostaddr;
  target.server.port = node.port;
  return target;
}

}  // namespace sportello::proxy
