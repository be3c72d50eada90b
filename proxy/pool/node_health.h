// What workers and the control plane tell each other of one server (a host, perhaps one address of it, and a
// port, whatever databases are reached there): workers say that requests wait there without a word, the
// HealthWatch says whether it is down. While it is, nobody is given a link to it. Atomics, for any thread;
// times are TimePoint ticks.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "conf/config.h"

namespace sportello::proxy {

struct NodeHealth {
  explicit NodeHealth(const conf::ServerAddress& address)
      : host(address.host), hostaddr(address.hostaddr), port(address.port) {}

  const std::string host;
  const std::string hostaddr;  // empty: any address of `host`
  const uint16_t port;

  std::string shown_host() const { return hostaddr.empty() ? host : host + "[" + hostaddr + "]"; }
  bool is_at(const conf::ServerAddress& address) const {
    return host == address.host && hostaddr == address.hostaddr && port == address.port;
  }

  std::atomic<bool> down{false};
  // Workers: some request has waited for server_health_interval, when looked at last.
  std::atomic<int64_t> stuck_at{0};
  // Workers, while `suspect`: when a byte came from it last, on any link.
  std::atomic<int64_t> heard_at{0};
  std::atomic<bool> suspect{false};  // a probe is under way
};

// All servers. Any thread.
class NodeDirectory {
 public:
  std::shared_ptr<NodeHealth> node(const conf::ServerAddress& address) {
    const std::lock_guard lock(mutex_);
    auto& slot = nodes_[{address.host, address.hostaddr, address.port}];
    if (!slot) {
      slot = std::make_shared<NodeHealth>(address);
    }
    return slot;
  }

  std::vector<std::shared_ptr<NodeHealth>> nodes() {
    const std::lock_guard lock(mutex_);
    std::vector<std::shared_ptr<NodeHealth>> all;
    for (const auto& [address, node] : nodes_) {
      all.push_back(node);
    }
    return all;
  }

 private:
  std::mutex mutex_;
  std::map<std::tuple<std::string, std::string, uint16_t>, std::shared_ptr<NodeHealth>> nodes_;
};

}  // namespace sportello::proxy
