// The configuration as the running proxy uses it: the settings, the files that they name, read, and the TLS
// contexts made from them. Built whole or not at all (at start and at reload), immutable, shared by all
// threads.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "conf/config.h"
#include "conf/hba.h"
#include "conf/ident_maps.h"
#include "protocol/result.h"
#include "protocol/tls/tls_context.h"
#include "proxy/pool/pool_settings.h"
#include "proxy/pool/server_connector.h"

namespace sportello::proxy {

struct RuntimeConfig {
  conf::Config conf;
  std::string path;                                   // of the configuration file
  cache::CacheRulesRef cache_rules;                   // nullptr: there is no cache
  std::map<std::string, std::string> secrets;         // auth_file: user -> secret
  std::optional<conf::Hba> hba;                       // with auth_type = "hba"
  conf::IdentMaps ident_maps;                         // auth_ident_file
  std::shared_ptr<const tls::TlsContext> client_tls;  // nullptr: none for clients
  std::map<conf::SslMode, std::shared_ptr<const tls::TlsContext>>
      server_tls;  // every mode that a server asks for

  // The entry of a database, which may be that of "*"; nullptr: there is none.
  const conf::Database* database(const std::string& name) const;
  const conf::User* user(const std::string& name) const;
  // Some rule is for this database.
  bool caches(const std::string& database) const;
  // As whom we ask that server how it is; empty: the configuration names nobody.
  const std::string& monitor_user(const conf::Database& entry, const conf::ServerAddress& address) const;
  bool is_admin(const std::string& user) const;
  bool is_stats_user(const std::string& user) const;
  // Does the certificate's or the operating system's `name` stand for `user` (by the rule's map, if it has
  // one)?
  bool identity_matches(const conf::HbaRule* rule, const std::string& name, const std::string& user) const;

  // As whom that user's clients are logged in to the database's servers: the user of their pool.
  const std::string& server_user(const std::string& database, const std::string& user) const;
  // `user`: the pool's.
  std::shared_ptr<PoolSettings> pool_settings(const std::string& database, const std::string& user) const;
  // `user`: the client's.
  ClientSettings client_settings(const std::string& database, const std::string& user) const;
  ServerTarget server_target(const conf::ServerAddress& address) const;
  int most_login_clients() const;
  SocketOptions client_socket_options() const;

 private:
  const conf::Database& database_or_none(const std::string& name) const;
  const conf::User& user_or_none(const std::string& name) const;
};

using RuntimeConfigRef = std::shared_ptr<const RuntimeConfig>;

// The names under which the admin console is reached.
inline bool is_admin_database(std::string_view name) { return name == "sportello" || name == "pgbouncer"; }

struct RuntimeConfigLoad {
  RuntimeConfigRef config;  // nullptr: it was refused
  std::vector<std::string>
      problems;  // file:line:column: what is wrong; warnings, too, when it was not refused
};
RuntimeConfigLoad load_runtime_config(const std::string& path);

// The same with one setting of [sportello] changed; no file is read again.
Result<RuntimeConfigRef> with_setting(const RuntimeConfig& running, const std::string& name,
                                      const std::string& value);

}  // namespace sportello::proxy
