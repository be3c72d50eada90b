#include "proxy/control/auth_target.h"

#include "protocol/auth/password.h"

namespace sportello::proxy {
namespace {

const std::string& either(const std::string& first, const std::string& otherwise) {
  return first.empty() ? otherwise : first;
}

bool is_hash(const std::string& secret) {
  const auth::StoredSecret stored = auth::parse_stored_secret(secret);
  return std::holds_alternative<auth::Md5Hash>(stored) || std::holds_alternative<auth::ScramVerifier>(stored);
}

// The entry's password is that of the entry's user; an entry without a user has one for everybody.
std::string stored_secret(const RuntimeConfig& config, const conf::ServerAddress& address,
                          const std::string& auth_user) {
  if (!address.password.empty() && address.user == auth_user) {
    return address.password;
  }
  const auto known = config.secrets.find(auth_user);
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

void add_tls(AuthTarget& target, const conf::TlsSettings& tls, conf::SslMode mode) {
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) {
      target.keywords.emplace_back(name, value);
    }
  };
  add("sslmode", std::string(conf::to_string(mode)));
  add("sslcert", tls.cert_file);
  add("sslkey", tls.key_file);
  add("sslrootcert", tls.ca_file);
  add("sslcrl", tls.crl_file);
  add("ssl_min_protocol_version", tls.min_protocol);
}

}  // namespace

std::optional<AuthTarget> auth_target(const RuntimeConfig& config, const std::string& client_database) {
  static const conf::Database no_database;
  const conf::Database* of_client = config.database(client_database);
  const conf::Database& settings = of_client != nullptr ? *of_client : no_database;
  const std::string& user = either(settings.auth_user, config.conf.auth_user);
  const std::string& query = either(settings.auth_query, config.conf.auth_query);
  const std::string& database =
      either(either(settings.auth_dbname, config.conf.auth_dbname), client_database);
  const conf::Database* entry = config.database(database);
  if (user.empty() || query.empty() || entry == nullptr) {
    return std::nullopt;
  }
  const conf::ServerAddress& address = entry->primary;
  const std::string& dbname = either(address.dbname, database);
  AuthTarget target;
  target.query = query;
  target.name = "user \"" + user + "\", database \"" + dbname + "\", host \"" + address.host + "\", port " +
                std::to_string(address.port);
  // What the environment may say (PGOPTIONS, PGSERVICE, …) is not asked: every keyword that matters is here.
  // search_path: what a function or an operator in the query means is nobody else's to say. DateStyle and
  // TimeZone: auth_record.h reads times written so.
  target.keywords = {
      {"host", address.host},
      {"port", std::to_string(address.port)},
      {"dbname", dbname},
      {"user", user},
      {"application_name", "sportello auth_query"},
      {"options", "-c search_path=pg_catalog -c DateStyle=ISO -c TimeZone=UTC -c statement_timeout=" +
                      std::to_string(kAuthStatementTimeout.count())},
      {"gssencmode", "disable"},
      {"target_session_attrs", "any"},
  };
  const conf::SslMode mode = address.sslmode.value_or(config.conf.server_tls.sslmode);
  add_tls(target, config.conf.server_tls, mode);
  if (!is_private(address, mode)) {
    target.keywords.emplace_back("require_auth", "!password");
  }
  const std::string secret = stored_secret(config, address, user);
  target.has_hash_only = is_hash(secret);
  if (!secret.empty() && !target.has_hash_only) {
    target.keywords.emplace_back("password", secret);
  }
  return target;
}

}  // namespace sportello::proxy
