#include "proxy/control/auth_target.h"

#include "proxy/control/own_login.h"

namespace sportello::proxy {
namespace {

const std::string& either(const std::string& first, const std::string& otherwise) {
  return first.empty() ? otherwise : first;
}

}  // namespace

const std::string& auth_database(const RuntimeConfig& config, const std::string& client_database) {
  const conf::Database* entry = config.database(client_database);
  const std::string& its_own = entry != nullptr ? entry->auth_dbname : config.conf.auth_dbname;
  return either(either(its_own, config.conf.auth_dbname), client_database);
}

std::optional<AuthTarget> auth_target(const RuntimeConfig& config, const std::string& client_database,
                                      const PrimaryOf& primary_of) {
  static const conf::Database no_database;
  const conf::Database* of_client = config.database(client_database);
  const conf::Database& settings = of_client != nullptr ? *of_client : no_database;
  const std::string& user = either(settings.auth_user, config.conf.auth_user);
  const std::string& query = either(settings.auth_query, config.conf.auth_query);
  const std::string& database = auth_database(config, client_database);
  const conf::Database* entry = config.database(database);
  if (user.empty() || query.empty() || entry == nullptr) {
    return std::nullopt;
  }
  const conf::ServerAddress address =
      (primary_of ? primary_of(database) : std::nullopt).value_or(entry->primary);
  const std::string& dbname = either(address.dbname, database);
  // search_path: what a function or an operator in the query means is nobody else's to say. DateStyle and
  // TimeZone: auth_record.h reads times written so.
  OwnLogin login = own_login(config, address,
                             {.user = user,
                              .dbname = dbname,
                              .purpose = "auth_query",
                              .options = "-c search_path=pg_catalog -c DateStyle=ISO -c TimeZone=UTC -c "
                                         "statement_timeout=" +
                                         std::to_string(kAuthStatementTimeout.count())});
  return AuthTarget{std::move(login.keywords), query, login.has_hash_only, std::move(login.name)};
}

}  // namespace sportello::proxy
