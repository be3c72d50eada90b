// A client's way from its first byte to the end of its login: TLS, StartupMessage, who it is and whether it
// may come in, and what its startup parameters ask for. Before that is over it can make us hold
// kMaxStartupBytes and one small message, for client_login_timeout at most.
//
//   Packet ─▶ (TlsHandshake ─▶ Packet)* ─▶ Secret ─▶ Exchange ─▶ Link ─▶ done
//                                                       └─▶ Refused
//
// Refused: its proof was wrong, which it is told after a while (failed_logins.h); until then it costs its
// socket and the words. Link: a server has to be asked (for the parameters it reports, or whether it takes
// the client's). Destroyed when the login is over. protocol-flow.html#PROTOCOL-FLOW-START-UP.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/result.h"
#include "protocol/startup_messages.h"
#include "proxy/client_address.h"
#include "proxy/pool/own_query.h"
#include "proxy/pool/pool_runtime.h"
#include "proxy/runtime_config.h"
#include "proxy/session/client_login.h"
#include "proxy/session/replication_relay.h"

namespace sportello::proxy {

class ClientConnection;
class Worker;

// What the userlist or auth_query knows of a user.
struct SecretLookup {
  bool failed = false;  // it could not be asked
  bool known = false;
  bool expired = false;  // VALID UNTIL has passed
  std::string secret;
  std::string why;  // when failed
};

class ClientStartup {
 public:
  ClientStartup(Worker& worker, ClientConnection& connection);

  // Takes what it can of `bytes`; false: the connection was closed.
  bool on_bytes(std::string_view bytes);
  bool on_handshake_done();
  bool secret_found(const SecretLookup& found);

  // After authentication: what the session's settings are, or nothing if a server has to be asked.
  enum class Readiness : uint8_t { Ready, NeedsLink, Failed };
  Readiness settle_settings();
  // A server was asked; `settings` are those in force on it now.
  void settings_known(const Settings& settings);
  const std::string& settings_sql() const { return settings_sql_; }
  // Appends all that comes after the authentication, up to ReadyForQuery.
  void append_welcome(std::string& out, uint32_t process_id, const std::string& cancel_key);

  // A replication client has neither settings of ours nor a pool's link: a server of its own takes its
  // parameters as they are.
  ReplicationKind replication() const { return replication_; }
  std::string application_name() const { return std::string(message_.parameter("application_name")); }
  ReplicationRequest replication_request() const;
  void append_replication_welcome(std::string& out,
                                  const std::vector<std::pair<std::string, std::string>>& parameters,
                                  uint32_t process_id, const std::string& cancel_key) const;

  const std::string& user() const { return user_; }
  const std::string& database() const { return database_; }
  const std::shared_ptr<PoolRuntime>& pool() const { return pool_; }
  const Settings& settings() const { return settings_; }
  bool is_authenticated() const { return authenticated_; }
  bool is_admin() const { return is_admin_; }
  // What the authentication ended with (AuthenticationOk, SCRAM's last message); sent with the welcome.
  const std::string& authentication_end() const { return early_; }
  // The login has failed, and the client is to be told at that time.
  bool is_refused() const { return state_ == State::Refused; }
  TimePoint told_at() const { return told_at_; }
  // Says so and closes the connection.
  void tell_refusal();
  bool is_waiting_for_secret() const { return state_ == State::Secret; }
  uint32_t protocol() const { return protocol_; }
  void forgive(Clock::duration gap) { begun_at_ += gap; }
  TimePoint begun_at() const { return begun_at_; }

 private:
  enum class State : uint8_t { Packet, TlsHandshake, Secret, Exchange, Refused, Link };

  bool on_packet(StartupPacket packet, std::string_view rest);
  bool on_startup_message(StartupMessage message);
  bool begin_direct_tls(std::string_view bytes);
  bool choose_method();
  bool begin_exchange(const SecretLookup& found);
  bool on_exchange_bytes();
  bool login_failed(std::string answer);
  bool authenticated();
  void note_secret();
  bool refuse(std::string_view sqlstate, std::string message);
  bool refuse_too_many(std::string_view setting, const std::string& whose);
  std::optional<AuthMethod> method_for(bool* hba_rejected);
  bool take_replication();
  bool is_ignored(std::string_view parameter) const;
  bool take_startup_parameters();
  void want(std::string name, std::string value);
  std::string settings_key() const;
  bool wants_nothing_else(const SettingsValues& in_force) const;
  void untrack_unreported(uint32_t reported);

  Worker* worker_;
  ClientConnection* connection_;
  RuntimeConfigRef config_;  // that of the moment it began
  State state_ = State::Packet;
  TimePoint begun_at_{};
  std::string input_;
  bool asked_tls_ = false;
  bool asked_gss_ = false;
  bool authenticated_ = false;
  bool is_admin_ = false;
  uint32_t protocol_ = 0;
  StartupMessage message_;
  ReplicationKind replication_ = ReplicationKind::None;
  std::string user_;
  std::string database_;
  AuthMethod method_ = AuthMethod::Reject;
  std::optional<ClientLogin> login_;
  std::string stored_secret_;
  const conf::HbaRule* hba_rule_ = nullptr;  // of config_
  std::string early_;    // what the authentication ended with: good, or an ErrorResponse when Refused
  TimePoint told_at_{};  // when Refused
  bool direct_tls_ = false;
  std::shared_ptr<PoolRuntime> pool_;
  std::shared_ptr<const Welcome> welcome_;  // of the pool, when the settings were settled
  SettingsValues wanted_;                   // tracked: only those the client gave
  std::string settings_sql_;
  Settings settings_;
};

}  // namespace sportello::proxy
