#include "proxy/pool/node_plan.h"

#include <algorithm>
#include <utility>

#include "proxy/net/name_resolver.h"

namespace sportello::proxy {
namespace {

bool is_own(const std::string& address) { return address == "127.0.0.1" || address == "::1"; }

}  // namespace

bool NodeAddresses::learn(const std::string& host, AddressList addresses) {
  std::sort(addresses.begin(), addresses.end());
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
  const std::lock_guard lock(mutex_);
  AddressList& known = known_[host];
  return std::exchange(known, addresses) != addresses;
}

AddressList NodeAddresses::of(const std::string& host) const {
  const std::lock_guard lock(mutex_);
  const auto found = known_.find(host);
  return found == known_.end() ? AddressList() : found->second;
}

bool is_name(const conf::ServerAddress& address) {
  return address.hostaddr.empty() && !address.host.starts_with('/') && !is_numeric_address(address.host);
}

std::vector<conf::ServerAddress> servers_of(const conf::Database& entry) {
  std::vector<conf::ServerAddress> servers{entry.primary};
  servers.insert(servers.end(), entry.candidates.begin(), entry.candidates.end());
  servers.insert(servers.end(), entry.replicas.begin(), entry.replicas.end());
  return servers;
}

bool may_have_several(const conf::Database& entry) {
  return !entry.candidates.empty() || !entry.replicas.empty() ||
         (is_name(entry.primary) && entry.primary.host != "localhost");
}

std::vector<conf::ServerAddress> planned_nodes(const conf::Database& entry, bool replicas,
                                               const NodeAddresses& addresses) {
  std::vector<conf::ServerAddress> planned;
  std::set<std::pair<std::string, uint16_t>> seen;
  const auto add = [&](const conf::ServerAddress& server) {
    if (seen.insert({server.hostaddr.empty() ? server.host : server.hostaddr, server.port}).second) {
      planned.push_back(server);
    }
  };
  const size_t most = 1 + entry.candidates.size() + (replicas ? entry.replicas.size() : 0);
  const std::vector<conf::ServerAddress> servers = servers_of(entry);
  for (size_t i = 0; i < most; i++) {
    conf::ServerAddress server = servers[i];
    const AddressList known = is_name(server) ? addresses.of(server.host) : AddressList();
    if (std::all_of(known.begin(), known.end(), is_own)) {
      add(server);
      continue;
    }
    for (const std::string& address : known) {
      server.hostaddr = address;
      add(server);
    }
  }
  return planned;
}

NodeList placed_nodes(const NodeList& before, const std::vector<conf::ServerAddress>& planned,
                      const std::function<std::shared_ptr<NodeRuntime>(const conf::ServerAddress&)>& make) {
  NodeList nodes(planned.size());
  NodeList placeless;
  std::vector<const conf::ServerAddress*> new_ones;
  const auto is_at = [](const conf::ServerAddress& address) {
    return [&](const auto& node) { return node->address == address; };
  };
  for (const conf::ServerAddress& address : planned) {
    if (std::none_of(before.begin(), before.end(), is_at(address))) {
      new_ones.push_back(&address);
    }
  }
  for (size_t i = 0; i < before.size(); i++) {
    const bool stays = std::any_of(planned.begin(), planned.end(), [&](const conf::ServerAddress& address) {
      return before[i]->address == address;
    });
    if (stays && i < nodes.size()) {
      nodes[i] = before[i];
    } else if (stays) {
      placeless.push_back(before[i]);
    }
  }
  // New ones first: a primary that has moved is one of them.
  auto next_new = new_ones.begin();
  auto next_placeless = placeless.begin();
  for (auto& place : nodes) {
    if (place == nullptr) {
      place = next_new != new_ones.end() ? make(**next_new++) : *next_placeless++;
    }
  }
  return nodes;
}

}  // namespace sportello::proxy
