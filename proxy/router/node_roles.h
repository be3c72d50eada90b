// Which of a database's servers is its primary, from what each says of itself. Of several that take writes
// the highest timeline wins: the others were left behind by a promotion, or were never ours. A primary that
// does not answer stays the primary until another one has a newer timeline, so that an old one that comes
// back is never written to by mistake. No I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "proxy/pool/node.h"

namespace sportello::proxy {

struct NodeFinding {
  bool answered = false;
  bool in_recovery = false;
  uint32_t timeline = 0;
};

struct NodeRoles {
  size_t primary = 0;           // in the order of the findings, of which the first is the primary until now
  std::vector<NodeRole> roles;  // Unknown: as it was
};

// `newest_timeline`: of any primary until now; 0: there was none.
NodeRoles decide_roles(std::span<const NodeFinding> findings, uint32_t newest_timeline);

}  // namespace sportello::proxy
