// Which servers of a database's entry are its nodes, and at which places. A name with several addresses is as
// many nodes, and a name with one is a node at that address: what was found there (how far its log has come)
// must not be believed of another server that the name leads to later. I/O-free.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "conf/config.h"
#include "proxy/net/name_cache.h"
#include "proxy/pool/node.h"

namespace sportello::proxy {

// The addresses that servers' names had when they were looked up last: written by the NodeWatch, read by any
// thread. A name that has none any more keeps its last ones.
class NodeAddresses {
 public:
  // True: they are others than before.
  bool learn(const std::string& host, AddressList addresses);
  // Sorted; empty: not known.
  AddressList of(const std::string& host) const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, AddressList> known_;
};

// Must `address` be looked up before anybody knows where it leads?
bool is_name(const conf::ServerAddress& address);

// All servers that the entry names.
std::vector<conf::ServerAddress> servers_of(const conf::Database& entry);

// The entry names several, or may come to: by one name that has several addresses.
bool may_have_several(const conf::Database& entry);

// Each server once: those of `primary` first, then, with `replicas`, the replicas. A name that leads to this
// machine alone stays one node, without an address of its own.
std::vector<conf::ServerAddress> planned_nodes(const conf::Database& entry, bool replicas,
                                               const NodeAddresses& addresses);

using NodeList = std::vector<std::shared_ptr<NodeRuntime>>;
// Those of `before` that are planned still keep their places as far as there are so many, the first above
// all; new ones take what is free, and the first place if it is.
NodeList placed_nodes(const NodeList& before, const std::vector<conf::ServerAddress>& planned,
                      const std::function<std::shared_ptr<NodeRuntime>(const conf::ServerAddress&)>& make);

}  // namespace sportello::proxy
