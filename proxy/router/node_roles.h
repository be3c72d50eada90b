// Which of a database's servers is its primary, from what each says of itself. Of several that take writes
// the highest timeline wins: the others were left behind by a promotion, or were never ours. A primary that
// does not answer stays the primary until another one has a newer timeline, so that an old one that comes
// back is never written to by mistake. Where a database's primary is not known yet, all have to be asked
// first. Two addresses of one server are one node, and its primary may answer by another address than before.
// No I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "proxy/pool/node.h"

namespace sportello::proxy {

struct NodeFinding {
  bool answered = false;
  bool in_recovery = false;
  uint32_t timeline = 0;
  std::string instance = {};  // tells running servers apart; empty: not known
};

struct NodeRoles {
  size_t primary = 0;           // in the order of the findings, of which the first is the primary until now
  std::vector<NodeRole> roles;  // Unknown: as it was
};

// What was found of the last primary; timeline 0: there was none.
struct LastPrimary {
  uint32_t timeline = 0;
  std::string instance = {};
};

NodeRoles decide_roles(std::span<const NodeFinding> findings, const LastPrimary& last);

}  // namespace sportello::proxy
