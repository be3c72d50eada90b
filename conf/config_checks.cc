#include "conf/config_checks.h"

#include <algorithm>
#include <set>

#include "conf/endpoint.h"
#include "conf/monitor_user.h"

namespace sportello::conf {

namespace {

bool has_auth_user(const Config& config) {
  return !config.auth_user.empty() ||
         std::any_of(config.databases.begin(), config.databases.end(),
                     [](const auto& entry) { return !entry.second.auth_user.empty(); });
}

void check_authentication(const Config& config, ConfigPlaces& places) {
  const std::string type = "auth_type = \"" + std::string(to_string(config.auth_type)) + "\" ";
  const Place place = places.of("auth_type");
  switch (config.auth_type) {
    case AuthType::Password:
    case AuthType::Md5:
    case AuthType::ScramSha256:
      if (config.auth_file.empty() && !has_auth_user(config))
        places.error(place, type + "needs auth_file, or auth_user to run auth_query: nobody could log in");
      break;
    case AuthType::Hba:
      if (config.auth_hba_file.empty()) places.error(place, type + "needs auth_hba_file");
      break;
    case AuthType::Cert:
      if (config.client_tls.sslmode < SslMode::VerifyCa)
        places.error(place, type + "needs client_tls_sslmode = \"verify-ca\" or \"verify-full\"");
      break;
    case AuthType::Peer:
      if (config.unix_socket_dir.empty()) places.error(place, type + "needs unix_socket_dir");
      break;
    case AuthType::Trust:
    case AuthType::Any:
      break;
  }
  if (places.knows("auth_hba_file") && config.auth_type != AuthType::Hba)
    places.warning(places.of("auth_hba_file"), "it is not used: auth_type is not \"hba\"");
}

void check_tls_pair(const TlsSettings& tls, const std::string& prefix, ConfigPlaces& places) {
  if (tls.cert_file.empty() == tls.key_file.empty()) return;
  const std::string given = prefix + (tls.cert_file.empty() ? "key_file" : "cert_file");
  const std::string missing = prefix + (tls.cert_file.empty() ? "cert_file" : "key_file");
  places.error(places.of(given), given + " needs " + missing);
}

void check_tls(const Config& config, ConfigPlaces& places) {
  const TlsSettings& client = config.client_tls;
  const Place client_mode = places.of("client_tls_sslmode");
  if (client.sslmode != SslMode::Disable && client.cert_file.empty() && client.key_file.empty())
    places.error(client_mode, "TLS towards clients needs client_tls_key_file and client_tls_cert_file");
  if (client.sslmode >= SslMode::VerifyCa && client.ca_file.empty())
    places.error(client_mode, "verifying clients' certificates needs client_tls_ca_file");
  if (config.server_tls.sslmode >= SslMode::VerifyCa && config.server_tls.ca_file.empty())
    places.error(
        places.of("server_tls_sslmode"),
        "verifying servers' certificates needs server_tls_ca_file (\"system\" is whom this machine trusts)");
  check_tls_pair(client, "client_tls_", places);
  check_tls_pair(config.server_tls, "server_tls_", places);
}

void check_server_mode(const Config& config, const ServerAddress& address, const std::string& path,
                       ConfigPlaces& places) {
  const bool verifies = address.sslmode && *address.sslmode >= SslMode::VerifyCa;
  if (verifies && config.server_tls.ca_file.empty())
    places.error(places.of(path),
                 "sslmode=" + std::string(to_string(*address.sslmode)) + " needs server_tls_ca_file");
}

void check_database(const Config& config, const std::string& name, const Database& database,
                    ConfigPlaces& places) {
  const std::string path = entry_path("databases", name);
  if (name == "sportello" || name == "pgbouncer")
    places.error(places.of(path), "this name belongs to the admin console");
  if (!places.knows(path + ".primary"))
    places.error(places.of(path), "a database needs primary = \"host=… port=… dbname=…\"");
  const int size = database.pool_size.value_or(config.default_pool_size);
  const int min = database.min_pool_size.value_or(config.min_pool_size);
  // Said once, where it was said wrong.
  const bool says_either = database.pool_size || database.min_pool_size;
  if (says_either && min > size)
    places.error(
        places.of(path + (database.min_pool_size ? ".min_pool_size" : ".pool_size")),
        "min_pool_size (" + std::to_string(min) + ") is above pool_size (" + std::to_string(size) + ")");
  check_server_mode(config, database.primary, path + ".primary", places);
  for (const ServerAddress& replica : database.replicas)
    check_server_mode(config, replica, path + ".replicas", places);
  const bool is_asked = !monitor_user(config, database, database.primary).empty();
  if (!is_asked && !database.candidates.empty())
    places.warning(places.of(path + ".primary"),
                   "nobody asks which of these servers is the primary, so it is the first: set monitor_user");
  if (!is_asked && !database.replicas.empty() && database.routing != Routing::Off)
    places.warning(places.of(path + ".replicas"),
                   "nobody asks how far the replicas are, so nothing is read from them: set monitor_user");
  const auto is_bounded = [](const auto& entry) { return entry.second.freshness == Freshness::Bounded; };
  if (places.knows(path + ".max_replica_lag") && database.freshness != Freshness::Bounded &&
      std::none_of(config.users.begin(), config.users.end(), is_bounded))
    places.warning(places.of(path + ".max_replica_lag"), "it is used with freshness = \"bounded\" only");
}

void check_pools(const Config& config, ConfigPlaces& places) {
  if (config.min_pool_size > config.default_pool_size)
    places.error(places.of("min_pool_size"), "min_pool_size (" + std::to_string(config.min_pool_size) +
                                                 ") is above default_pool_size (" +
                                                 std::to_string(config.default_pool_size) + ")");
  if (config.max_db_connections != 0 && config.min_pool_size > config.max_db_connections)
    places.error(places.of("min_pool_size"), "min_pool_size is above max_db_connections");
  if (config.max_login_clients > config.max_client_conn)
    places.error(places.of("max_login_clients"), "max_login_clients is above max_client_conn");
  if (config.sql_inspect_max > config.max_packet_size)
    places.error(places.of("sql_inspect_max"), "sql_inspect_max is above max_packet_size");
}

void check_http(const Config& config, ConfigPlaces& places) {
  const auto endpoint = parse_endpoint(config.http_listen);
  if (endpoint && endpoint->port == config.listen_port &&
      (endpoint->host == config.listen_addr || endpoint->host == "*" || config.listen_addr == "*"))
    places.error(places.of("http_listen"), "clients of the database come in at this port (listen_port)");
}

bool is_fingerprint(std::string_view text) {
  return text.size() == 16 && text.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
}

void check_rules(const Config& config, ConfigPlaces& places) {
  const Cache& cache = config.cache;
  std::set<std::string> names;
  for (size_t i = 0; i < cache.rules.size(); ++i) {
    const CacheRule& rule = cache.rules[i];
    const std::string path = "cache.rules." + std::to_string(i);
    if (rule.name.empty()) places.error(places.of(path + ".name"), "a rule needs a name");
    if (!rule.name.empty() && !names.insert(rule.name).second)
      places.error(places.of(path + ".name"), "another rule has this name");
    if ((rule.query.empty() ? 0 : 1) + (rule.fingerprint.empty() ? 0 : 1) + (rule.tables.empty() ? 0 : 1) !=
        1)
      places.error(places.of(path), "a rule has either a query or tables (or a fingerprint)");
    if (!rule.fingerprint.empty() && !is_fingerprint(rule.fingerprint))
      places.error(places.of(path + ".fingerprint"), "a fingerprint has 16 hexadecimal digits");
    for (const std::string& database : rule.databases) {
      if (!config.databases.contains(database) && !config.databases.contains("*"))
        places.error(places.of(path + ".database"), "there is no [databases." + database + "]");
    }
    if (!places.knows(path + ".ttl"))
      places.error(places.of(path), "a rule needs a ttl, such as ttl = \"60s\"");
    if (rule.max_result_size > cache.max_memory && cache.max_memory != 0)
      places.error(places.of(path + ".max_result_size"), "max_result_size is above max_memory of [cache]");
  }
}

}  // namespace

void check(const Config& config, ConfigPlaces& places) {
  check_authentication(config, places);
  check_tls(config, places);
  check_pools(config, places);
  check_http(config, places);
  for (const auto& [name, database] : config.databases) check_database(config, name, database, places);
  check_rules(config, places);
  if (config.databases.empty()) places.warning(places.of("databases"), "no [databases] are configured");
  if (config.listen_addr.empty() && config.unix_socket_dir.empty())
    places.warning(places.of("listen_addr"),
                   "no listen_addr and no unix_socket_dir: only handed-over sockets are used");
}

}  // namespace sportello::conf
