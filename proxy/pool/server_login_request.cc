#include "proxy/pool/server_login_request.h"

#include <algorithm>

namespace sportello::proxy {
namespace {

ServerSecret usable_secret(const std::string& stored, const std::optional<auth::ScramKeys>& client_keys) {
  auth::StoredSecret secret = auth::parse_stored_secret(stored);
  if (auto* plain = std::get_if<auth::PlainPassword>(&secret)) {
    return std::move(*plain);
  }
  if (auto* md5 = std::get_if<auth::Md5Hash>(&secret)) {
    return std::move(*md5);
  }
  if (client_keys) {
    return *client_keys;
  }
  return auth::NoPassword();
}

}  // namespace

ServerLoginRequest server_login_request(const RuntimeConfig& config, const PoolSettings& settings,
                                        PoolRuntime& pool, const tls::TlsSession* tls) {
  const conf::ServerAddress& address = settings.address;
  ServerLoginRequest request;
  request.user = address.user.empty() ? pool.user->name : address.user;
  request.database = address.dbname.empty() ? pool.database->name : address.dbname;
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) {
      request.parameters.emplace_back(name, value);
    }
  };
  add("application_name", address.application_name);
  add("client_encoding", address.client_encoding);
  add("datestyle", address.datestyle);
  add("timezone", address.timezone);
  add("options", address.options);
  if (!address.password.empty()) {
    request.secret = usable_secret(address.password, std::nullopt);
  } else if (!address.user.empty()) {
    const auto known = config.secrets.find(address.user);
    request.secret = usable_secret(known == config.secrets.end() ? "" : known->second, std::nullopt);
  } else {
    if (const auto known = pool.database->secret_of(pool.user->name)) {
      request.secret = usable_secret(known->secret, known->client_keys);
    }
  }
  request.end_point_hash = tls != nullptr ? tls->end_point_hash() : "";
  request.is_private = tls != nullptr || address.host.starts_with('/');
  return request;
}

void add_client_parameters(ServerLoginRequest& request,
                           const std::vector<std::pair<std::string, std::string>>& parameters) {
  for (const auto& [name, value] : parameters) {
    const auto given = std::find_if(
        request.parameters.begin(), request.parameters.end(),
        [&, &new_name = name](const auto& each) { return same_setting_name(each.first, new_name); });
    if (given == request.parameters.end()) {
      request.parameters.emplace_back(name, value);
    } else if (name == "options") {
      given->second += " " + value;
    } else {
      given->second = value;
    }
  }
}

}  // namespace sportello::proxy
