#include "proxy/router/node_roles.h"

namespace sportello::proxy {
namespace {

// Another node before it, or the primary, is the same server.
bool is_alias(std::span<const NodeFinding> findings, size_t primary, size_t i) {
  const auto same = [&](size_t other) {
    return findings[other].answered && findings[other].instance == findings[i].instance;
  };
  if (i == primary || findings[i].instance.empty()) {
    return false;
  }
  for (size_t other = 0; other < i; other++) {
    if (same(other)) {
      return true;
    }
  }
  return same(primary);
}

}  // namespace

NodeRoles decide_roles(std::span<const NodeFinding> findings, const LastPrimary& last) {
  // The one until now, by whatever address, need not have a newer timeline than itself.
  const auto may_be_primary = [&](size_t i) {
    const NodeFinding& finding = findings[i];
    if (!finding.answered || finding.in_recovery) {
      return false;
    }
    const bool is_last = i == 0 || (!last.instance.empty() && finding.instance == last.instance);
    return is_last ? finding.timeline >= last.timeline : finding.timeline > last.timeline;
  };
  NodeRoles found;
  bool any = false;
  for (size_t i = 0; i < findings.size(); i++) {
    if (may_be_primary(i) && (!any || findings[i].timeline > findings[found.primary].timeline)) {
      found.primary = i;
      any = true;
    }
  }
  for (size_t i = 0; i < findings.size(); i++) {
    NodeRole role = NodeRole::Unknown;
    if (findings[i].answered) {
      role = is_alias(findings, found.primary, i) ? NodeRole::Alias
             : findings[i].in_recovery            ? NodeRole::Replica
             : any && i == found.primary          ? NodeRole::Primary
                                                  : NodeRole::SecondPrimary;
    }
    found.roles.push_back(role);
  }
  return found;
}

}  // namespace sportello::proxy
