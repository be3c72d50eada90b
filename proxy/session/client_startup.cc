#include "proxy/session/client_startup.h"

#include <algorithm>

#include "protocol/auth/secret_bytes.h"
#include "protocol/backend_messages.h"
#include "protocol/error_response.h"
#include "protocol/sqlstate.h"
#include "proxy/session/client_connection.h"
#include "proxy/worker.h"
#include "proxy/worker_group.h"

namespace sportello::proxy {
namespace {

// The first byte of a TLS record that carries a handshake: a client that does not ask first (direct TLS).
constexpr char kTlsHandshakeRecord = 0x16;
constexpr size_t kMaxStartupKnown = 1000;  // remembered sets of startup parameters, a pool

// As a server would report it for what the client wrote, where that is certain; anything else it has to be
// asked.
bool is_same_value(Tracked parameter, std::string_view wanted, const std::string& in_force) {
  if (same_setting_name(wanted, in_force)) {
    return true;
  }
  if (parameter == Tracked::ClientEncoding && in_force == "UTF8") {
    return same_setting_name(wanted, "utf-8") || same_setting_name(wanted, "unicode");
  }
  if (parameter == Tracked::DateStyle) {
    return same_setting_name(wanted, in_force.substr(0, in_force.find(',')));
  }
  return false;
}

}  // namespace

ClientStartup::ClientStartup(Worker& worker, ClientConnection& connection)
    : worker_(&worker), connection_(&connection), config_(worker.config()), begun_at_(worker.now()) {}

bool ClientStartup::refuse(std::string_view sqlstate, std::string message) {
  connection_->close_with({sqlstate, std::move(message)}, CloseReason::LoginFailed);
  return false;
}

bool ClientStartup::refuse_too_many(std::string_view setting, const std::string& whose) {
  return refuse(sqlstate::kTooManyConnections,
                "sorry, too many clients already" + whose + " (" + std::string(setting) + ")");
}

bool ClientStartup::on_bytes(std::string_view bytes) {
  if (state_ == State::Refused) {
    connection_->transport_.pause();
    return true;
  }
  input_.append(bytes);
  while (state_ == State::Packet && !input_.empty()) {
    if (input_[0] == kTlsHandshakeRecord && connection_->tls() == nullptr) {
      const std::string received = std::move(input_);
      input_.clear();
      return begin_direct_tls(received);
    }
    StartupDecoded decoded = decode_startup_packet(input_);
    if (decoded.status == StartupStatus::NeedMore) {
      return true;
    }
    if (decoded.status == StartupStatus::Malformed) {
      return refuse(decoded.error.sqlstate, decoded.error.message);
    }
    // A cancel request's key is a view of the input.
    if (const auto* cancel = std::get_if<CancelRequest>(&decoded.packet)) {
      worker_->group().cancel(cancel->process_id, cancel->secret_key);
      connection_->close(CloseReason::ClientTerminated);
      return false;
    }
    input_.erase(0, decoded.taken_bytes);
    if (!on_packet(std::move(decoded.packet), input_)) {
      return false;
    }
  }
  if (state_ == State::Exchange) {
    return on_exchange_bytes();
  }
  if (input_.size() > kMaxStartupBytes) {
    return refuse(sqlstate::kProtocolViolation, "too many bytes before the end of the login");
  }
  return true;
}

bool ClientStartup::on_packet(StartupPacket packet, std::string_view rest) {
  const bool is_tls = std::holds_alternative<SslRequest>(packet);
  if (is_tls || std::holds_alternative<GssEncRequest>(packet)) {
    bool& asked = is_tls ? asked_tls_ : asked_gss_;
    if (asked || connection_->tls() != nullptr) {
      return refuse(sqlstate::kProtocolViolation, "encryption was asked for twice");
    }
    asked = true;
    const bool yes = is_tls && config_->client_tls != nullptr && !connection_->address().is_local;
    if (yes && !rest.empty()) {
      // They came in the clear and would be taken for the client's (CVE-2021-23214).
      return refuse(sqlstate::kProtocolViolation, "received unencrypted data after SSL request");
    }
    connection_->transport_.write(yes ? "S" : "N");
    if (yes) {
      state_ = State::TlsHandshake;
      if (!connection_->transport_.start_tls(tls::TlsSession::accept(config_->client_tls))) {
        connection_->close(CloseReason::ProtocolViolation);
        return false;
      }
    }
    return true;
  }
  return on_startup_message(std::get<StartupMessage>(std::move(packet)));
}

bool ClientStartup::begin_direct_tls(std::string_view bytes) {
  if (config_->client_tls == nullptr) {
    return refuse(sqlstate::kProtocolViolation, "TLS is not enabled here");
  }
  state_ = State::TlsHandshake;
  asked_tls_ = true;
  direct_tls_ = true;
  if (!connection_->transport_.start_tls(tls::TlsSession::accept(config_->client_tls), bytes)) {
    connection_->close(CloseReason::ProtocolViolation);
    return false;
  }
  if (connection_->tls()->is_established()) {
    return on_handshake_done();
  }
  return true;
}

bool ClientStartup::on_handshake_done() {
  if (state_ != State::TlsHandshake) {
    return true;
  }
  state_ = State::Packet;
  if (direct_tls_ && connection_->tls()->alpn() != tls::kAlpnPostgresql) {
    return refuse(sqlstate::kProtocolViolation,
                  "received direct SSL connection request without ALPN protocol negotiation extension");
  }
  return true;
}

bool ClientStartup::on_startup_message(StartupMessage message) {
  message_ = std::move(message);
  protocol_ = std::min(message_.protocol, kProtocol32);
  user_ = message_.parameter("user");
  database_ = message_.parameter("database");
  if (user_.empty()) {
    return refuse(sqlstate::kInvalidAuthorization, "no PostgreSQL user name specified in startup packet");
  }
  if (database_.empty()) {
    database_ = user_;
  }
  std::string out;
  if (message_.protocol > kProtocol32 || !message_.protocol_options.empty()) {
    append_negotiate_protocol_version(out, std::min(message_.protocol & 0xffffU, 2U),
                                      message_.protocol_options);
    connection_->transport_.write(out);
  }
  const bool tls_required =
      config_->client_tls != nullptr && config_->conf.client_tls.sslmode >= conf::SslMode::Require;
  if (tls_required && connection_->tls() == nullptr && !connection_->address().is_local) {
    return refuse(sqlstate::kInvalidAuthorization, "SSL required");
  }
  if (worker_->group().refuses_clients()) {
    return refuse(sqlstate::kCannotConnectNow, "the database system is shutting down");
  }
  is_admin_ = is_admin_database(database_);
  if (!is_admin_ && worker_->group().entrance().is_full(config_->conf.max_client_conn)) {
    return refuse_too_many("max_client_conn", "");
  }
  return take_replication() && choose_method();
}

bool ClientStartup::take_replication() {
  const std::string_view value = message_.parameter("replication");
  if (value.empty()) {
    return true;
  }
  const auto kind = parse_replication(value);
  if (!kind) {
    return refuse(sqlstate::kInvalidParameterValue,
                  "invalid value for parameter \"replication\": \"" + std::string(value) + "\"");
  }
  replication_ = *kind;
  if (replication_ != ReplicationKind::None && (!config_->conf.allow_replication || is_admin_)) {
    return refuse(sqlstate::kInvalidAuthorization, is_admin_
                                                       ? "the admin console has nothing to replicate"
                                                       : "replication connections are not allowed here");
  }
  return true;
}

bool ClientStartup::authenticated() {
  authenticated_ = true;
  state_ = State::Link;
  connection_->login_ended();
  if (!input_.empty()) {
    connection_->keep_early_bytes(input_);
    input_.clear();
  }
  if (is_admin_) {
    if (!config_->is_admin(user_) && !config_->is_stats_user(user_)) {
      return refuse(sqlstate::kInsufficientPrivilege, "user \"" + user_ + "\" may not use the admin console");
    }
    return connection_->startup_done();
  }
  const conf::Database* entry = config_->database(database_);
  if (entry == nullptr) {
    Error unknown{sqlstate::kInvalidCatalogName, "database \"" + database_ + "\" does not exist"};
    if (replication_ == ReplicationKind::Physical) {
      unknown.hint = "Physical replication, too, goes where the entry of this name in [databases] says.";
    }
    connection_->close_with(unknown, CloseReason::LoginFailed);
    return false;
  }
  const std::shared_ptr<UserRuntime> its_user = worker_->group().directory().user(user_);
  pool_ = worker_->group().pool(*config_, database_, config_->server_user(database_, user_));
  if (pool_->database->disabled.load()) {
    return refuse(sqlstate::kCannotConnectNow, "database \"" + database_ + "\" is disabled");
  }
  const int database_limit =
      entry->max_db_client_connections.value_or(config_->conf.max_db_client_connections);
  const conf::User* user_entry = config_->user(user_);
  const int user_limit = user_entry != nullptr && user_entry->max_user_client_connections
                             ? *user_entry->max_user_client_connections
                             : config_->conf.max_user_client_connections;
  ClientEntrance& entrance = worker_->group().entrance();
  if (!entrance.admit(config_->conf.max_client_conn)) {
    return refuse_too_many("max_client_conn", "");
  }
  if (!pool_->database->clients.take(database_limit)) {
    entrance.leave();
    return refuse_too_many("max_db_client_connections", " for database \"" + database_ + "\"");
  }
  if (!its_user->clients.take(user_limit)) {
    pool_->database->clients.give_back();
    entrance.leave();
    return refuse_too_many("max_user_client_connections", " for user \"" + user_ + "\"");
  }
  connection_->counted_in(pool_, its_user);
  note_secret();
  login_.reset();
  return (replication_ != ReplicationKind::None || take_startup_parameters()) && connection_->startup_done();
}

// For the servers, which may ask for it.
void ClientStartup::note_secret() {
  const std::lock_guard lock(pool_->database->mutex);
  std::shared_ptr<const PoolSecret>& known = pool_->database->secrets[user_];
  if (known == nullptr || !auth::equal_secrets(known->secret, stored_secret_) ||
      (!known->client_keys && login_->scram_keys())) {
    auto secret = std::make_shared<PoolSecret>();
    secret->secret = stored_secret_;
    secret->client_keys = login_->scram_keys();
    known = std::move(secret);
  }
}

bool ClientStartup::is_ignored(std::string_view parameter) const {
  const auto& ignored = config_->conf.ignore_startup_parameters;
  return std::any_of(ignored.begin(), ignored.end(),
                     [&](const std::string& each) { return same_setting_name(each, parameter); });
}

ReplicationRequest ClientStartup::replication_request() const {
  ReplicationRequest request{replication_};
  for (const auto& [name, value] : message_.parameters) {
    if (name == "user" || name == "database" || (name != "replication" && is_ignored(name))) {
      continue;
    }
    const bool is_application =
        same_setting_name(name, kTrackedNames[static_cast<size_t>(Tracked::ApplicationName)]);
    request.parameters.emplace_back(
        name, is_application && config_->conf.application_name_add_host
                  ? clean_application_name(value + " - " + connection_->address().to_string())
                  : value);
  }
  return request;
}

void ClientStartup::append_replication_welcome(
    std::string& out, const std::vector<std::pair<std::string, std::string>>& parameters, uint32_t process_id,
    const std::string& cancel_key) const {
  out += early_;
  for (const auto& [name, value] : parameters) {
    append_parameter_status(out, name, value);
  }
  append_backend_key_data(out, process_id, cancel_key);
  append_ready_for_query(out, TransactionStatus::Idle);
}

void ClientStartup::want(std::string name, std::string value) {
  if (is_ignored(name)) {
    return;
  }
  if (const auto tracked = find_tracked(name)) {
    wanted_.tracked[static_cast<size_t>(*tracked)] =
        *tracked == Tracked::ApplicationName ? clean_application_name(value) : std::move(value);
    return;
  }
  std::erase_if(wanted_.startup, [&](const auto& earlier) { return same_setting_name(earlier.first, name); });
  wanted_.startup.emplace_back(std::move(name), std::move(value));
}

bool ClientStartup::take_startup_parameters() {
  // Those in `options` first, so that a parameter of its own wins, as in PostgreSQL.
  for (const auto& [name, value] : message_.parameters) {
    if (name != "options" || is_ignored(name)) {
      continue;
    }
    auto options = parse_startup_options(value);
    if (!options) {
      return refuse(
          sqlstate::kFeatureNotSupported,
          "unsupported startup parameter in options: only -c name=value and --name=value are known");
    }
    for (auto& [its_name, its_value] : *options) {
      want(std::move(its_name), std::move(its_value));
    }
  }
  for (auto& [name, value] : message_.parameters) {
    if (name != "user" && name != "database" && name != "replication" && name != "options") {
      want(std::move(name), std::move(value));
    }
  }
  if (config_->conf.application_name_add_host) {
    std::string& name = wanted_.tracked[static_cast<size_t>(Tracked::ApplicationName)];
    name = clean_application_name(name + " - " + connection_->address().to_string());
  }
  message_.parameters.clear();
  return true;
}

std::string ClientStartup::settings_key() const {
  std::string key;
  for (size_t i = 0; i < tracked_count(); i++) {
    if (static_cast<Tracked>(i) != Tracked::ApplicationName) {
      key.append(wanted_.tracked[i]).push_back('\0');
    }
  }
  for (const auto& [name, value] : wanted_.startup) {
    key.append(name).push_back('\0');
    key.append(value).push_back('\0');
  }
  return key;
}

// What track_extra_parameters names and this server does not report is a startup setting like any other.
void ClientStartup::untrack_unreported(uint32_t reported) {
  for (size_t i = kTrackedCount; i < tracked_count(); i++) {
    if (!wanted_.tracked[i].empty() && ((reported >> i) & 1U) == 0) {
      wanted_.startup.emplace_back(tracked_name(i), std::exchange(wanted_.tracked[i], {}));
    }
  }
}

ClientStartup::Readiness ClientStartup::settle_settings() {
  {
    const std::lock_guard lock(pool_->mutex);
    welcome_ = pool_->welcome;
  }
  if (welcome_ == nullptr) {
    settings_sql_.clear();
    return Readiness::NeedsLink;
  }
  untrack_unreported(welcome_->reported);
  Settings known = wants_nothing_else(*welcome_->settings) ? welcome_->settings : nullptr;
  if (known == nullptr) {
    const std::lock_guard lock(pool_->mutex);
    if (const auto found = pool_->startup_known.find(settings_key()); found != pool_->startup_known.end()) {
      known = found->second;
    }
  }
  if (known == nullptr) {
    SettingsValues target = *welcome_->settings;
    target.startup = wanted_.startup;
    for (size_t i = 0; i < tracked_count(); i++) {
      if (!wanted_.tracked[i].empty() && static_cast<Tracked>(i) != Tracked::ApplicationName) {
        target.tracked[i] = wanted_.tracked[i];
      }
    }
    SettingsValues none;
    none.tracked = welcome_->settings->tracked;
    settings_sql_ = settings_switch(none, target);
    return Readiness::NeedsLink;
  }
  const std::string& application = wanted_[Tracked::ApplicationName];
  settings_ = application.empty() ? known : with_tracked(known, Tracked::ApplicationName, application);
  return Readiness::Ready;
}

// But its application_name, which no server has to be asked about.
bool ClientStartup::wants_nothing_else(const SettingsValues& in_force) const {
  if (!wanted_.startup.empty()) {
    return false;
  }
  for (size_t i = 0; i < tracked_count(); i++) {
    const auto parameter = static_cast<Tracked>(i);
    if (!wanted_.tracked[i].empty() && parameter != Tracked::ApplicationName &&
        !is_same_value(parameter, wanted_.tracked[i], in_force.tracked[i])) {
      return false;
    }
  }
  return true;
}

void ClientStartup::settings_known(const Settings& settings) {
  SettingsValues values = *settings;
  values.startup = wanted_.startup;
  {
    const std::lock_guard lock(pool_->mutex);
    if (pool_->welcome != nullptr) {
      values.tracked[static_cast<size_t>(Tracked::ApplicationName)] =
          (*pool_->welcome->settings)[Tracked::ApplicationName];
    }
    if (pool_->startup_known.size() >= kMaxStartupKnown) {
      pool_->startup_known.clear();
    }
    pool_->startup_known[settings_key()] = intern_settings(values);
  }
}

void ClientStartup::append_welcome(std::string& out, uint32_t process_id, const std::string& cancel_key) {
  constexpr size_t kTheRest = 64;
  const std::string& statuses = worker_->pool(pool_).parameter_statuses(welcome_, settings_);
  out.reserve(early_.size() + statuses.size() + kTheRest);
  out += early_;
  out += statuses;
  append_backend_key_data(out, process_id, cancel_key);
  append_ready_for_query(out, TransactionStatus::Idle);
}

}  // namespace sportello::proxy
