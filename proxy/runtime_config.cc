#include "proxy/runtime_config.h"

#include <algorithm>

#include "conf/monitor_user.h"

namespace sportello::proxy {
namespace {

template <typename T>
T either(const std::optional<T>& first, const T& otherwise) {
  return first ? *first : otherwise;
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

std::shared_ptr<PoolSettings> RuntimeConfig::pool_settings(const std::string& database_name,
                                                           const std::string& user_name) const {
  static const conf::Database no_database;
  static const conf::User no_user;
  const conf::Database* of_database = database(database_name);
  const conf::Database& db = of_database != nullptr ? *of_database : no_database;
  const conf::User* of_user = user(user_name);
  const conf::User& us = of_user != nullptr ? *of_user : no_user;
  auto settings = std::make_shared<PoolSettings>();
  settings->mode = us.pool_mode ? *us.pool_mode : either(db.pool_mode, conf.pool_mode);
  settings->pool_size = us.pool_size ? *us.pool_size : either(db.pool_size, conf.default_pool_size);
  settings->min_pool_size = either(db.min_pool_size, conf.min_pool_size);
  settings->reserve_pool_size =
      us.reserve_pool_size ? *us.reserve_pool_size : either(db.reserve_pool_size, conf.reserve_pool_size);
  settings->reserve_pool_timeout = conf.reserve_pool_timeout;
  settings->max_db_connections = either(db.max_db_connections, conf.max_db_connections);
  settings->max_user_connections = either(us.max_user_connections, conf.max_user_connections);
  settings->query_timeout = either(us.query_timeout, conf.query_timeout);
  settings->query_wait_timeout = conf.query_wait_timeout;
  settings->transaction_timeout = either(us.transaction_timeout, conf.transaction_timeout);
  settings->idle_transaction_timeout = either(us.idle_transaction_timeout, conf.idle_transaction_timeout);
  settings->client_idle_timeout = either(us.client_idle_timeout, conf.client_idle_timeout);
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
