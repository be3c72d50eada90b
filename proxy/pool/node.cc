#include "proxy/pool/node.h"

namespace sportello::proxy {

std::string_view node_role_name(NodeRole role) {
  switch (role) {
    case NodeRole::Unknown:
      return "unknown";
    case NodeRole::Primary:
      return "primary";
    case NodeRole::Replica:
      return "replica";
    case NodeRole::SecondPrimary:
      return "second primary";
  }
  return "";
}

}  // namespace sportello::proxy
