// The part of ClientSession that follows its settings by what the server answers: ParameterStatus, a SET or
// RESET that succeeded, RESET ALL. What a statement will come to is said in statement_effects.cc before.
#include <utility>

#include "protocol/backend_messages.h"
#include "proxy/session/client_session.h"

namespace sportello::proxy {

void ClientSession::on_parameter(const ParameterStatus& parameter) {
  const auto tracked = find_tracked(parameter.name);
  if (!tracked) {
    return;
  }
  const bool ours = !link_->owed.empty() && link_->owed.front().delivery == Delivery::Swallow;
  if ((*link_->settings)[*tracked] != parameter.value) {
    link_->settings = with_tracked(link_->settings, *tracked, parameter.value);
  }
  if (!link_->owed.empty() && (link_->owed.front().then.restores & kRestoresReported) != 0 &&
      (*link_->login_settings)[*tracked] == parameter.value) {
    restores_ |= static_cast<uint16_t>(1U << static_cast<unsigned>(*tracked));
  }
  if (!ours && (*settings_)[*tracked] != parameter.value) {
    settings_ = with_tracked(settings_, *tracked, parameter.value);
  }
}

void ClientSession::follow_setting(TransactionStatus status) {
  const sql::FactsPtr facts = std::exchange(followed_, nullptr);
  const bool is_committed = status == TransactionStatus::Idle;
  if (!is_committed) {
    pin(sql::Effect::SetOther);
  }
  if (!is_committed && !facts->set_to_default) {
    return;
  }
  if (!facts->set_to_default) {
    settings_ = with_startup(settings_, facts->name, facts->set_value);
    link_->settings = with_startup(link_->settings, facts->name, facts->set_value);
    return;
  }
  // Back to what the client gave at login; on the link, to what the link had at its own. In a block that is
  // so for the block's next statement; what a rollback brings back is known to the server alone, so that the
  // session has been pinned.
  const std::string* given = find_startup(login_settings_->startup, facts->name);
  settings_ = given != nullptr ? with_startup(settings_, facts->name, *given)
                               : without_startup(settings_, facts->name);
  link_->settings = without_startup(link_->settings, facts->name);
  link_differs_ = link_->settings != settings_;
}

// It was sent behind a RESET whose answer is not through yet: of what that left nothing is put in order any
// more, as this may have set the same.
void ClientSession::note_pinned_setting() {
  if (restores_startup()) {
    restores_ = kRestoresReported;
  } else if (link_differs_) {
    link_->settings = with_startup(link_->settings, settings_->startup);
    link_differs_ = link_->settings != settings_;
  }
}

// RESET goes back to what the client had at login; the server has gone back to what the link had at its own.
void ClientSession::restore_login_settings(uint16_t which, Outbox& to_client) {
  for (size_t i = 0; i < tracked_count(); i++) {
    const std::string& value = login_settings_->tracked[i];
    if (((which >> i) & 1U) != 0 && settings_->tracked[i] != value) {
      append_parameter_status(to_client.own(), tracked_name(i), value);
      settings_ = with_tracked(settings_, static_cast<Tracked>(i), value);
    }
  }
  if ((which & kRestoresAll) == kRestoresAll) {
    settings_ = with_startup(settings_, login_settings_->startup);
    if (link_ != nullptr) {
      link_->settings = with_startup_in_doubt(link_->settings);
    }
  }
  link_differs_ = link_ != nullptr && link_->settings != settings_;
}

}  // namespace sportello::proxy
