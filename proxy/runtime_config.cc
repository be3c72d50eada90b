#include "proxy/runtime_config.h"

#include <algorithm>

#include "conf/monitor_user.h"

namespace sportello::proxy {
namespace {

template <typename T>
T either(const std::optional<T>& first, const T& otherwise) {
  return first ? *first : otherwise;
}
template <typename T>
T either(const std::optional<T>& first, const std::optional<T>& second, const T& otherwise) {
  return first ? *first : either(second, otherwise);
}

int seconds_of(int value) { return std::max(value, 0); }

}  // namespace

const conf::Database* RuntimeConfig::database(const std::string& name) const {
  auto found = conf.databases.find(name);
  if (found == conf.databases.end()) {
    found = conf.databases.find("*");
  }
  return found == conf.databases.end() ? nullptr : &found->second;
}

const conf::User* RuntimeConfig::user(const std::string& name) const {
  const auto found = conf.users.find(name);
  return found == conf.users.end() ? nullptr : &found->second;
}

bool RuntimeConfig::caches(const std::string& database_name) const {
  return cache_rules != nullptr &&
         std::any_of(conf.cache.rules.begin(), conf.cache.rules.end(), [&](const conf::CacheRule& rule) {
           return rule.databases.empty() || std::find(rule.databases.begin(), rule.databases.end(),
                                                      database_name) != rule.databases.end();
         });
}

const std::string& RuntimeConfig::monitor_user(const conf::Database& entry,
                                               const conf::ServerAddress& address) const {
  return conf::monitor_user(conf, entry, address);
}

bool RuntimeConfig::is_admin(const std::string& name) const {
  return std::find(conf.admin_users.begin(), conf.admin_users.end(), name) != conf.admin_users.end();
}

bool RuntimeConfig::is_stats_user(const std::string& name) const {
  return std::find(conf.stats_users.begin(), conf.stats_users.end(), name) != conf.stats_users.end();
}

bool RuntimeConfig::identity_matches(const conf::HbaRule* rule, const std::string& name,
                                     const std::string& user) const {
  return ident_maps.allows(rule != nullptr ? rule->map : "", name, user);
}

const conf::Database& RuntimeConfig::database_or_none(const std::string& name) const {
  static const conf::Database none;
  const conf::Database* found = database(name);
  return found != nullptr ? *found : none;
}

const conf::User& RuntimeConfig::user_or_none(const std::string& name) const {
  static const conf::User none;
  const conf::User* found = user(name);
  return found != nullptr ? *found : none;
}

const std::string& RuntimeConfig::server_user(const std::string& database_name,
                                              const std::string& user_name) const {
  const std::string& forced = database_or_none(database_name).primary.user;
  return forced.empty() ? user_name : forced;
}

std::shared_ptr<PoolSettings> RuntimeConfig::pool_settings(const std::string& database_name,
                                                           const std::string& user_name) const {
  const conf::Database& db = database_or_none(database_name);
  const conf::User& us = user_or_none(user_name);
  auto settings = std::make_shared<PoolSettings>();
  settings->pool_size = either(us.pool_size, db.pool_size, conf.default_pool_size);
  settings->min_pool_size = either(db.min_pool_size, conf.min_pool_size);
  settings->keeps_minimum = db.primary.user == user_name && conf.databases.contains(database_name);
  settings->reserve_pool_size = either(us.reserve_pool_size, db.reserve_pool_size, conf.reserve_pool_size);
  settings->reserve_pool_timeout = conf.reserve_pool_timeout;
  settings->max_db_connections = either(db.max_db_connections, conf.max_db_connections);
  settings->max_user_connections = either(us.max_user_connections, conf.max_user_connections);
  settings->cancel_wait_timeout = conf.cancel_wait_timeout;
  settings->server_lifetime = either(db.server_lifetime, conf.server_lifetime);
  settings->server_idle_timeout = conf.server_idle_timeout;
  settings->server_connect_timeout = either(db.primary.connect_timeout, conf.server_connect_timeout);
  settings->server_login_retry = conf.server_login_retry;
  settings->server_health_interval = conf.server_health_interval;
  settings->server_check_delay = conf.server_check_delay;
  settings->server_check_query = conf.server_check_query;
  settings->server_reset_query = conf.server_reset_query;
  settings->server_reset_query_always = conf.server_reset_query_always;
  settings->server_fast_close = conf.server_fast_close;
  settings->connect_query = db.connect_query;
  if (caches(database_name)) {
    settings->cache_rules = cache_rules;
    settings->cache_follows_log = conf.cache.invalidation == conf::Invalidation::Wal;
  }
  settings->address = db.primary;
  return settings;
}

// What bounds the use of a server connection may be said of the user that it is logged in as, too, as
// PgBouncer has it; what the client's own user has comes first.
ClientSettings RuntimeConfig::client_settings(const std::string& database_name,
                                              const std::string& user_name) const {
  const conf::Database& db = database_or_none(database_name);
  const conf::User& own = user_or_none(user_name);
  const conf::User& server = user_or_none(server_user(database_name, user_name));
  ClientSettings settings;
  settings.mode = own.pool_mode ? *own.pool_mode : either(server.pool_mode, db.pool_mode, conf.pool_mode);
  settings.query_timeout = either(own.query_timeout, server.query_timeout, conf.query_timeout);
  settings.query_wait_timeout = conf.query_wait_timeout;
  settings.transaction_timeout =
      either(own.transaction_timeout, server.transaction_timeout, conf.transaction_timeout);
  settings.idle_transaction_timeout =
      either(own.idle_transaction_timeout, server.idle_transaction_timeout, conf.idle_transaction_timeout);
  settings.client_idle_timeout = either(own.client_idle_timeout, conf.client_idle_timeout);
  settings.freshness = either(own.freshness, db.freshness);
  return settings;
}

ServerTarget RuntimeConfig::server_target(const conf::ServerAddress& address) const {
  ServerTarget target;
  target.host = address.host;
  target.hostaddr = address.hostaddr;
  target.port = address.port;
  const auto found = server_tls.find(address.sslmode.value_or(conf.server_tls.sslmode));
  target.tls = found == server_tls.end() ? nullptr : found->second;
  target.options = client_socket_options();
  return target;
}

int RuntimeConfig::most_login_clients() const {
  constexpr int kLeast = 100;
  return conf.max_login_clients > 0 ? conf.max_login_clients : std::max(kLeast, conf.max_client_conn / 4);
}

SocketOptions RuntimeConfig::client_socket_options() const {
  return {.keepalive = conf.tcp_keepalive,
          .keepalive_count = conf.tcp_keepcnt,
          .keepalive_idle_s = seconds_of(conf.tcp_keepidle),
          .keepalive_interval_s = seconds_of(conf.tcp_keepintvl),
          .user_timeout_ms = static_cast<int>(conf.tcp_user_timeout.count())};
}

}  // namespace sportello::proxy
