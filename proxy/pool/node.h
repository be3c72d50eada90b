// One PostgreSQL server of a database that has several, and the set of them in the order of their pools.
// The first of a NodeSet is the primary, wherever the configuration has it: when a replica is promoted, the
// two change places, and a pool goes where its place is.
//
//   NodeSet: [0] primary ── pool 0 (each client's own)   [1] ── pool 1   [2] ── pool 2 …
//
// NodeRuntime is atomics, for any thread: the NodeWatch writes what it finds, workers read it and count what
// they have in flight there. A NodeSet is immutable and replaced whole.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cache/freshness_board.h"
#include "conf/config.h"

namespace sportello::proxy {

enum class NodeRole : uint8_t {
  Unknown,        // never heard of
  Primary,        // takes the writes
  Replica,        // in recovery
  SecondPrimary,  // takes writes and is not ours: nothing goes there
  Alias,          // another node's server, by another address: nothing goes there
};
std::string_view node_role_name(NodeRole role);

// "db.internal:5432", "db.internal[10.0.0.5]:5432"
std::string server_name(const conf::ServerAddress& address);

struct NodeRuntime {
  NodeRuntime(conf::ServerAddress its_address, std::shared_ptr<cache::NodePosition> its_position)
      : address(std::move(its_address)), position(std::move(its_position)) {}

  const conf::ServerAddress address;
  const std::shared_ptr<cache::NodePosition> position;

  std::atomic<NodeRole> role{NodeRole::Unknown};
  std::atomic<bool> reachable{false};  // it answered when asked last
  std::atomic<uint64_t> lsn{0};        // of the log: inserted, or replayed
  std::atomic<uint32_t> timeline{0};
  std::atomic<int64_t> lag_bytes{-1};  // behind the primary; -1: not known
  std::atomic<int64_t> lag_us{-1};     // since when it has not seen the primary's newest

  std::atomic<int> in_flight{0};     // reads that were sent there, or wait for a link
  std::atomic<uint64_t> reads{0};    // sent there
  std::atomic<uint64_t> retried{0};  // of those, run again on the primary, unseen
};

struct NodeSet {
  std::vector<std::shared_ptr<NodeRuntime>> nodes;  // at least the primary
  conf::Routing routing = conf::Routing::On;        // off: the others are there to be promoted
  conf::Milliseconds max_lag{0};

  const NodeRuntime& primary() const { return *nodes.front(); }
  bool operator==(const NodeSet&) const = default;
};
using NodeSetRef = std::shared_ptr<const NodeSet>;

}  // namespace sportello::proxy
