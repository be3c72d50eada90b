// Which server answers a read: a replica that has come far enough and has the fewest reads in flight for its
// weight, else the primary. No I/O, no clock; what it needs of the nodes is read from their atomics.
#pragma once

#include <cstddef>

#include "cache/table_state.h"
#include "proxy/pool/node.h"
#include "proxy/router/route_counts.h"

namespace sportello::proxy {

struct Route {
  size_t node = 0;  // in the NodeSet; 0: the primary
  RouteReason reason = RouteReason::NoReplica;
};

// What keeps a node out for reasons that its server does not know: the pool's.
class NodeFilter {
 public:
  virtual ~NodeFilter() = default;
  virtual bool may_use(size_t node) = 0;
};

// `needs`: of the read under that freshness (read_needs()).
Route choose_node(const NodeSet& set, conf::Freshness freshness, const cache::ReadNeeds& needs,
                  NodeFilter& filter);

// A session's read of `tables`. "table": all that was written to them, and the session's own; "session": its
// own alone; "bounded": nothing.
cache::ReadNeeds read_needs(conf::Freshness freshness, std::span<const cache::TableState* const> tables,
                            const cache::TableState& all, uint64_t session_last_write);

}  // namespace sportello::proxy
