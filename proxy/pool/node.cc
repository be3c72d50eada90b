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
    case NodeRole::Alias:
      return "same server";
  }
  return "";
}

std::string server_name(const conf::ServerAddress& address) {
  const std::string at = address.hostaddr.empty() ? "" : "[" + address.hostaddr + "]";
  return address.host + at + ":" + std::to_string(address.port);
}

}  // namespace sportello::proxy
