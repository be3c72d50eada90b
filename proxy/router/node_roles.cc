#include "proxy/router/node_roles.h"

namespace sportello::proxy {

NodeRoles decide_roles(std::span<const NodeFinding> findings, uint32_t newest_timeline) {
  const auto takes_writes = [&](size_t i) { return findings[i].answered && !findings[i].in_recovery; };
  // The one until now need not have a newer timeline than itself.
  const auto may_be_primary = [&](size_t i) {
    return takes_writes(i) &&
           (i == 0 ? findings[i].timeline >= newest_timeline : findings[i].timeline > newest_timeline);
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
    const NodeFinding& finding = findings[i];
    NodeRole role = NodeRole::Unknown;
    if (finding.answered) {
      role = finding.in_recovery         ? NodeRole::Replica
             : any && i == found.primary ? NodeRole::Primary
                                         : NodeRole::SecondPrimary;
    }
    found.roles.push_back(role);
  }
  return found;
}

}  // namespace sportello::proxy
