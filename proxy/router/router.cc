#include "proxy/router/router.h"

namespace sportello::proxy {
namespace {

bool in_service(const NodeRuntime& node) {
  return node.role.load(std::memory_order_relaxed) == NodeRole::Replica &&
         node.reachable.load(std::memory_order_relaxed);
}

// A lag that is not known is none that may be borne.
bool within_lag(const NodeSet& set, const NodeRuntime& node) {
  const int64_t lag = node.lag_us.load(std::memory_order_relaxed);
  return lag >= 0 && std::chrono::microseconds(lag) <= set.max_lag;
}

}  // namespace

std::string_view route_reason_words(RouteReason reason) {
  switch (reason) {
    case RouteReason::Replica:
      return "a replica may answer it";
    case RouteReason::NotALoneRead:
      return "it is part of a transaction, of a batch with writes, or of a session that keeps its link";
    case RouteReason::NotARead:
      return "it may write, lock, or leave something in the session";
    case RouteReason::NamesUnknown:
      return "what its names mean is not known";
    case RouteReason::MayWrite:
      return "behind its names something may write, or is VOLATILE";
    case RouteReason::NotOnReplicas:
      return "it reads what replicas do not have, or have differently";
    case RouteReason::ShapeRefused:
      return "a replica has refused this shape before";
    case RouteReason::HintPrimary:
      return "a comment asks for the primary";
    case RouteReason::Fenced:
      return "a table of it is being written";
    case RouteReason::FloorNotReached:
      return "no replica has reached its floor";
    case RouteReason::NoReplica:
      return "no replica is in service";
  }
  return "";
}

Route choose_node(const NodeSet& set, conf::Freshness freshness, const cache::ReadNeeds& needs,
                  NodeFilter& filter) {
  if (needs.fenced) {
    return {0, RouteReason::Fenced};
  }
  Route best;
  double least = 0;
  for (size_t i = 1; i < set.nodes.size(); i++) {
    const NodeRuntime& node = *set.nodes[i];
    if (!in_service(node) || !filter.may_use(i)) {
      continue;
    }
    const bool reached =
        freshness == conf::Freshness::Bounded ? within_lag(set, node) : node.position->may_answer(needs);
    if (!reached) {
      if (best.node == 0) {
        best.reason = RouteReason::FloorNotReached;
      }
      continue;
    }
    const double load = (node.in_flight.load(std::memory_order_relaxed) + 1.0) / node.address.weight;
    if (best.node == 0 || load < least) {
      best = {i, RouteReason::Replica};
      least = load;
    }
  }
  return best;
}

cache::ReadNeeds read_needs(conf::Freshness freshness, std::span<const cache::TableState* const> tables,
                            const cache::TableState& all, uint64_t session_last_write) {
  switch (freshness) {
    case conf::Freshness::Table:
      return cache::needs_of(tables, all, session_last_write);
    case conf::Freshness::Session:
      return {.fenced = false, .last_write = session_last_write};
    case conf::Freshness::Bounded:
      break;
  }
  return {};
}

}  // namespace sportello::proxy
