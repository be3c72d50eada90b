#include "conf/hba.h"

#include <algorithm>

namespace sportello::conf {

namespace {

constexpr int kIpv4Bits = 96;  // of ::ffff:0:0

bool is_ipv4(const HbaAddress& address) {
  return std::all_of(address.begin(), address.begin() + 10, [](uint8_t byte) { return byte == 0; }) &&
         address[10] == 0xff && address[11] == 0xff;
}

bool matches(HbaRule::Type type, const HbaConnection& connection) {
  switch (type) {
    case HbaRule::Type::Local:
      return connection.is_local;
    case HbaRule::Type::Host:
      return !connection.is_local;
    case HbaRule::Type::HostSsl:
      return !connection.is_local && connection.tls;
    case HbaRule::Type::HostNoSsl:
      return !connection.is_local && !connection.tls;
  }
  return false;
}

// A physical replication connection is of no database: only the word replication names it.
bool is_database(const HbaName& name, const HbaConnection& connection) {
  if (connection.replication) return name.kind == HbaName::Kind::Replication;
  switch (name.kind) {
    case HbaName::Kind::Exactly:
      return name.name == connection.database;
    case HbaName::Kind::All:
      return true;
    case HbaName::Kind::SameUser:
      return connection.user == connection.database;
    case HbaName::Kind::Replication:
      return false;
  }
  return false;
}

bool is_user(const HbaName& name, const HbaConnection& connection) {
  return name.kind == HbaName::Kind::All || name.name == connection.user;
}

}  // namespace

bool HbaNetwork::contains(const HbaAddress& candidate) const {
  // A network of IPv6, ::/0 among them, has no IPv4 addresses in it.
  if (is_ipv4(candidate) && prefix < kIpv4Bits) return false;
  for (int bit = 0; bit < prefix; bit += 8) {
    const size_t byte = static_cast<size_t>(bit / 8);
    const int counted = std::min(8, prefix - bit);
    const unsigned mask = (0xffU << (8 - counted)) & 0xffU;
    if (((address[byte] ^ candidate[byte]) & mask) != 0) return false;
  }
  return true;
}

const HbaRule* Hba::match(const HbaConnection& connection) const {
  for (const HbaRule& rule : rules_) {
    const auto is_its_database = [&](const HbaName& name) { return is_database(name, connection); };
    const auto is_its_user = [&](const HbaName& name) { return is_user(name, connection); };
    if (!matches(rule.type, connection)) continue;
    if (rule.network && !rule.network->contains(connection.address)) continue;
    if (std::none_of(rule.databases.begin(), rule.databases.end(), is_its_database)) continue;
    if (std::none_of(rule.users.begin(), rule.users.end(), is_its_user)) continue;
    return &rule;
  }
  return nullptr;
}

}  // namespace sportello::conf
