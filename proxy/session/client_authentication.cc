// The part of ClientStartup that asks the client who it is: by which method, against which secret (which may
// have to be looked up), message by message, and what becomes of one whose proof was wrong.
#include <pwd.h>

#include <algorithm>
#include <array>

#include "protocol/frame_decoder.h"
#include "protocol/sqlstate.h"
#include "proxy/session/client_connection.h"
#include "proxy/session/client_startup.h"
#include "proxy/worker.h"
#include "proxy/worker_group.h"

namespace sportello::proxy {
namespace {

AuthMethod method_of(conf::HbaMethod method) {
  switch (method) {
    case conf::HbaMethod::Trust:
      return AuthMethod::Trust;
    case conf::HbaMethod::Reject:
      return AuthMethod::Reject;
    case conf::HbaMethod::Password:
      return AuthMethod::Password;
    case conf::HbaMethod::Md5:
      return AuthMethod::Md5;
    case conf::HbaMethod::ScramSha256:
      return AuthMethod::ScramSha256;
    case conf::HbaMethod::Cert:
      return AuthMethod::Cert;
    case conf::HbaMethod::Peer:
      return AuthMethod::Peer;
  }
  return AuthMethod::Reject;
}

AuthMethod method_of(conf::AuthType type) {
  switch (type) {
    case conf::AuthType::Trust:
    case conf::AuthType::Any:
      return AuthMethod::Trust;
    case conf::AuthType::Password:
      return AuthMethod::Password;
    case conf::AuthType::Md5:
      return AuthMethod::Md5;
    case conf::AuthType::ScramSha256:
    case conf::AuthType::Hba:
      return AuthMethod::ScramSha256;
    case conf::AuthType::Cert:
      return AuthMethod::Cert;
    case conf::AuthType::Peer:
      return AuthMethod::Peer;
  }
  return AuthMethod::Reject;
}

bool needs_secret(AuthMethod method) {
  return method == AuthMethod::Password || method == AuthMethod::Md5 || method == AuthMethod::ScramSha256;
}

std::string os_user_name(uint32_t uid) {
  passwd entry{};
  passwd* found = nullptr;
  std::array<char, 4096> buffer;
  return getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr
             ? found->pw_name
             : "";
}

}  // namespace

std::optional<AuthMethod> ClientStartup::method_for(bool* hba_rejected) {
  *hba_rejected = false;
  if (config_->conf.auth_type != conf::AuthType::Hba || !config_->hba) {
    return method_of(config_->conf.auth_type);
  }
  const ClientAddress& address = connection_->address();
  const conf::HbaRule* rule = config_->hba->match({.is_local = address.is_local,
                                                   .tls = connection_->tls() != nullptr,
                                                   .address = address.address,
                                                   .database = database_,
                                                   .user = user_,
                                                   .replication = replication_ == ReplicationKind::Physical});
  if (rule == nullptr) {
    return std::nullopt;
  }
  *hba_rejected = rule->method == conf::HbaMethod::Reject;
  hba_rule_ = rule;
  return method_of(rule->method);
}

bool ClientStartup::choose_method() {
  bool rejected = false;
  const auto method = method_for(&rejected);
  if (!method || rejected) {
    return refuse(sqlstate::kInvalidAuthorization,
                  std::string(rejected ? "pg_hba.conf rejects connection" : "no pg_hba.conf entry") +
                      " for host \"" + connection_->address().host() + "\", user \"" + user_ +
                      "\", database \"" + database_ + "\", " +
                      (connection_->tls() != nullptr ? "SSL encryption" : "no encryption"));
  }
  method_ = *method;
  if (is_admin_ && (method_ == AuthMethod::Trust) && !connection_->address().is_local &&
      config_->conf.auth_type != conf::AuthType::Trust && config_->conf.auth_type != conf::AuthType::Any) {
    // A trust rule written for applications does not open the console.
    method_ = AuthMethod::ScramSha256;
  }
  const auto known = config_->secrets.find(user_);
  if (!needs_secret(method_)) {
    // Not asked for, but the servers may ask for it.
    stored_secret_ = known != config_->secrets.end() ? known->second : "";
    return begin_exchange({});
  }
  if (known != config_->secrets.end()) {
    return begin_exchange({.known = true, .secret = known->second});
  }
  state_ = State::Secret;
  if (!is_admin_ && worker_->group().look_up_secret(*worker_, *connection_, database_, user_)) {
    return true;  // secret_found() goes on
  }
  return begin_exchange({});
}

bool ClientStartup::secret_found(const SecretLookup& found) {
  if (state_ != State::Secret) {
    return true;
  }
  if (found.failed) {
    return refuse(sqlstate::kCannotConnectNow, "the user could not be looked up: " + found.why);
  }
  return begin_exchange(found);
}

bool ClientStartup::begin_exchange(const SecretLookup& found) {
  ClientLoginRequest request;
  request.user = user_;
  request.method = method_;
  if (found.known) {
    request.secret = auth::parse_stored_secret(found.secret);
    stored_secret_ = found.secret;
  }
  request.is_expired = found.expired;
  const tls::TlsSession* tls = connection_->tls();
  if (method_ == AuthMethod::Cert) {
    const std::string name = tls != nullptr && tls->has_verified_peer() ? tls->peer_common_name() : "";
    request.identity_matches = !name.empty() && config_->identity_matches(hba_rule_, name, user_);
  } else if (method_ == AuthMethod::Peer) {
    const std::string name =
        connection_->address().is_local ? os_user_name(connection_->address().peer_uid) : "";
    request.identity_matches = !name.empty() && config_->identity_matches(hba_rule_, name, user_);
  }
  request.allows_clear_text =
      tls != nullptr || connection_->address().is_local || config_->conf.password_plaintext_allowed;
  request.end_point_hash = tls != nullptr ? tls->end_point_hash() : "";
  login_.emplace(std::move(request), worker_->verifiers());
  state_ = State::Exchange;
  std::string out;
  const LoginProgress progress = login_->start(out);
  if (progress == LoginProgress::Done) {
    early_ = std::move(out);
    return authenticated();
  }
  if (progress == LoginProgress::Failed) {
    return login_failed(std::move(out));
  }
  connection_->transport_.write(out);
  return on_exchange_bytes();
}

bool ClientStartup::on_exchange_bytes() {
  while (state_ == State::Exchange && !input_.empty()) {
    WholeFrame frame;
    const FrameStatus status = take_whole_frame(input_, login_->max_message_length(), frame);
    if (status == FrameStatus::NeedMore) {
      return true;
    }
    if (status == FrameStatus::Malformed || frame.type != 'p') {
      return refuse(sqlstate::kProtocolViolation, "expected password response");
    }
    std::string out;
    const LoginProgress progress = login_->receive(frame.type, frame.body, out);
    input_.erase(0, frame.total_bytes);
    if (progress == LoginProgress::Done) {
      early_ = std::move(out);
      return authenticated();
    }
    if (progress == LoginProgress::Failed) {
      return login_failed(std::move(out));
    }
    connection_->transport_.write(out);
  }
  return true;
}

// Whose proof was wrong waits for `answer`, and keeps a place among those that log in meanwhile.
bool ClientStartup::login_failed(std::string answer) {
  connection_->log_login_failure(login_->error().message, login_->log_detail());
  const bool is_guess = login_->error().sqlstate == sqlstate::kInvalidPassword;
  early_ = std::move(answer);
  login_.reset();
  stored_secret_ = {};
  message_ = {};
  input_ = {};
  state_ = State::Refused;
  const TimePoint now = worker_->now();
  const conf::Config& conf = config_->conf;
  const auto delay = is_guess ? worker_->group().entrance().failed_logins().note(connection_->address(), now,
                                                                                 conf.auth_delay)
                              : std::chrono::milliseconds(0);
  told_at_ = now + delay;
  if (conf.client_login_timeout.count() > 0) {
    told_at_ = std::min(told_at_, begun_at_ + conf.client_login_timeout);
  }
  if (told_at_ > now) {
    return true;
  }
  tell_refusal();
  return false;
}

void ClientStartup::tell_refusal() {
  connection_->transport_.write(early_);
  connection_->close(CloseReason::LoginFailed);
}

}  // namespace sportello::proxy
