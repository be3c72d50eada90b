#include "proxy/control/own_login.h"

#include "protocol/auth/password.h"

namespace sportello::proxy {
namespace {

// A question about a server's health takes no longer, whatever it waits for.
constexpr const char* kDeadline = "-c statement_timeout=10000";
constexpr const char* kMonitorOptions = "-c search_path=pg_catalog -c statement_timeout=10000";

// For what libpq looks up in ~/.postgresql where nothing is said: that home is nobody's who configured us.
constexpr const char* kNoFile = "/dev/null/none";

bool is_hash(const std::string& secret) {
  const auth::StoredSecret stored = auth::parse_stored_secret(secret);
  return std::holds_alternative<auth::Md5Hash>(stored) || std::holds_alternative<auth::ScramVerifier>(stored);
}

// The entry's password is that of the entry's user; an entry without a user has one for everybody.
std::string stored_secret(const RuntimeConfig& config, const conf::ServerAddress& address,
                          const std::string& user) {
  if (!address.password.empty() && address.user == user) {
    return address.password;
  }
  const auto known = config.secrets.find(user);
  if (known != config.secrets.end()) {
    return known->second;
  }
  return address.user.empty() ? address.password : "";
}

// Over what nobody can listen to, a server may ask for the password in clear, as for links.
bool is_private(const conf::ServerAddress& address, conf::SslMode mode) {
  return mode >= conf::SslMode::Require || address.host.starts_with('/') || address.host == "localhost" ||
         address.host == "::1" || address.host.starts_with("127.");
}

void add_tls(OwnLogin& login, const conf::TlsSettings& tls, conf::SslMode mode) {
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) {
      login.keywords.emplace_back(name, value);
    }
  };
  add("sslmode", std::string(conf::to_string(mode)));
  add("sslcert", tls.cert_file.empty() ? kNoFile : tls.cert_file);
  add("sslkey", tls.key_file);
  add("sslrootcert", tls.ca_file.empty() ? kNoFile : tls.ca_file);
  add("sslcrl", tls.crl_file.empty() ? kNoFile : tls.crl_file);
  add("ssl_min_protocol_version", tls.min_protocol);
}

}  // namespace

OwnLogin own_login(const RuntimeConfig& config, const conf::ServerAddress& address,
                   const OwnLoginWish& wish) {
  OwnLogin login;
  login.name = "user \"" + wish.user + "\", database \"" + wish.dbname + "\", host \"" + address.host +
               "\", port " + std::to_string(address.port);
  login.keywords = {
      {"host", address.host},
      {"port", std::to_string(address.port)},
      {"dbname", wish.dbname},
      {"user", wish.user},
      {"application_name", "sportello " + wish.purpose},
      {"options", wish.options},
      {"gssencmode", "disable"},
      {"target_session_attrs", "any"},
  };
  if (!address.hostaddr.empty()) {
    login.keywords.emplace_back("hostaddr", address.hostaddr);
  }
  const conf::SslMode mode = address.sslmode.value_or(config.conf.server_tls.sslmode);
  add_tls(login, config.conf.server_tls, mode);
  if (!is_private(address, mode)) {
    login.keywords.emplace_back("require_auth", "!password");
  }
  const std::string secret = stored_secret(config, address, wish.user);
  login.has_hash_only = is_hash(secret);
  if (!secret.empty() && !login.has_hash_only) {
    login.keywords.emplace_back("password", secret);
  }
  return login;
}

std::optional<OwnLogin> monitor_login(const RuntimeConfig& config, const std::string& database) {
  const conf::Database* entry = config.database(database);
  return entry == nullptr ? std::nullopt : monitor_login_at(config, database, entry->primary, false);
}

std::optional<OwnLogin> monitor_login_at(const RuntimeConfig& config, const std::string& database,
                                         const conf::ServerAddress& address, bool keeps_path) {
  const conf::Database* entry = config.database(database);
  if (entry == nullptr) {
    return std::nullopt;
  }
  const std::string& user = config.monitor_user(*entry, address);
  if (user.empty()) {
    return std::nullopt;
  }
  const std::string& dbname = !address.dbname.empty() ? address.dbname
                              : database == "*"       ? "postgres"
                                                      : database;
  return own_login(config, address,
                   {.user = user,
                    .dbname = dbname,
                    .purpose = keeps_path ? "nodes" : "monitor",
                    .options = keeps_path ? kDeadline : kMonitorOptions});
}

}  // namespace sportello::proxy
