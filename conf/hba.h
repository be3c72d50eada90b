// auth_hba_file: who may log in from where, and how he proves who he is, in pg_hba.conf's syntax
// (auth-pg-hba-conf.html). The first rule that matches decides; if none does, the client is refused.
//
//   type                  local, host, hostssl, hostnossl, hostnogssenc (as host: GSS is not spoken here)
//   database              names, all, sameuser, replication, @file
//   user                  names, all, @file
//   address               all, an IPv4 or IPv6 network (10.0.0.0/8), or an address and a mask
//   method                trust, reject, password, md5, scram-sha-256, cert, peer
//   options               map=NAME (cert, peer), clientcert=verify-ca|verify-full (hostssl)
//
// Not understood, and refused with a reason, since a rule that is read otherwise than it was meant opens a
// door: +role and samerole (who is a member of what is the server's knowledge), samehost and samenet and host
// names (write the networks), regular expressions, and every other method.
//
// Immutable once loaded; used by all threads.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conf/diagnostic.h"
#include "conf/text_file.h"

namespace sportello::conf {

enum class HbaMethod : uint8_t { Trust, Reject, Password, Md5, ScramSha256, Cert, Peer };
enum class ClientCertificate : uint8_t { NotAsked, VerifyCa, VerifyFull };

// An IPv6 address, or an IPv4 one as ::ffff:a.b.c.d.
using HbaAddress = std::array<uint8_t, 16>;
std::optional<HbaAddress> parse_address(const std::string& text);

struct HbaNetwork {
  HbaAddress address{};
  int prefix = 0;  // bits of `address` that count; an IPv4 network has 96 and more

  bool contains(const HbaAddress& candidate) const;
};

// One name of a rule, or a word that stands for many.
struct HbaName {
  enum class Kind : uint8_t { Exactly, All, SameUser, Replication };
  Kind kind = Kind::Exactly;
  std::string name;
};

struct HbaRule {
  enum class Type : uint8_t { Local, Host, HostSsl, HostNoSsl };

  Type type = Type::Local;
  std::vector<HbaName> databases;
  std::vector<HbaName> users;
  std::optional<HbaNetwork> network;  // empty: every address
  HbaMethod method = HbaMethod::Reject;
  std::string map;  // of auth_ident_file; empty: both names are the same
  ClientCertificate client_certificate = ClientCertificate::NotAsked;
  uint32_t line = 0;  // for the log
};

// What a client is, as far as rules ask.
struct HbaConnection {
  bool is_local = false;  // a Unix socket
  bool tls = false;
  HbaAddress address{};  // unless is_local
  std::string_view database;
  std::string_view user;
  bool replication =
      false;  // physical: replication=true. replication=database is a matter of the database's name
};

class Hba {
 public:
  explicit Hba(std::vector<HbaRule> rules) : rules_(std::move(rules)) {}

  // nullptr: no rule matches, which refuses the client.
  const HbaRule* match(const HbaConnection& connection) const;
  const std::vector<HbaRule>& rules() const { return rules_; }

 private:
  std::vector<HbaRule> rules_;
};

struct HbaLoad {
  std::optional<Hba> hba;  // empty if any diagnostic is an error
  std::vector<Diagnostic> diagnostics;
};

// `read_file` is for @file.
HbaLoad parse_hba(const TextFile& file, const FileReader& read_file = read_text_file);
HbaLoad load_hba(const std::string& path, const FileReader& read_file = read_text_file);

}  // namespace sportello::conf
