// The part of ClientSession that knows what hangs on an answer beside its bytes: names that are now certain
// or never were, what the link holds, what is left in the session (Consequences).
#include <utility>

#include "proxy/session/client_session.h"

namespace sportello::proxy {

// What hangs on an answer beside its bytes. `happened`: false when the request failed or was skipped; its
// name changes are then undone by the caller, who knows how many were skipped together.
void ClientSession::settle(const OwedAnswer& answered, bool happened) {
  count_in_replay(answered);
  if (answered.asks_shape) {
    shape_answered();
  }
  if (happened) {
    settled_pins_ |= answered.then.pins;
    if ((answered.then.pins & sql::Effect::SetOther) != 0) {
      note_pinned_setting();
    }
  } else {
    restores_ = 0;  // its transaction, too, did not happen
    followed_.reset();
    if (answered.prepares()) {
      link_->statements.remove(answered.statement_id);
    }
    if (answered.statement_id != 0 && answered.request == Request::Close) {
      link_->statements.make_uncertain();
    }
    if (answered.prepares_raw() && link_->unnamed_id == answered.statement_id) {
      link_->unnamed_id = 0;
    }
    return;
  }
  for (uint8_t i = 0; i < answered.name_changes; i++) {
    names().acknowledge();
  }
  if (answered.prepares()) {
    link_->statements.confirm(answered.statement_id);
  }
  if (answered.prepares_raw() && answered.statement_id == link_->unnamed_id) {
    link_->unnamed_batch = 0;
  }
  if (answered.request == Request::Execute) {
    restores_ |= answered.then.restores;
  }
  if (answered.then.follows != nullptr && answered.request != Request::Bind) {
    followed_ = link_->followed_facts(answered.then.follows);
  }
  if (answered.then.effects == 0) {
    return;
  }
  if (answered.has(OwedEffect::MayRollBack) && followed_ != nullptr) {
    followed_.reset();
    pin(sql::Effect::SetOther);
  }
  if (answered.has(OwedEffect::ChangesCatalog)) {
    scope_->ddl_epoch.fetch_add(1, std::memory_order_relaxed);
    catalog_changes_ = true;
  }
  if (answered.has(OwedEffect::DiscardsAll) || answered.has(OwedEffect::DeallocatesAll)) {
    discards_names_ = false;
    if (names_) {
      names_->clear_settled();
    }
  }
  if (answered.has(OwedEffect::DiscardsAll)) {
    settled_pins_ = 0;
    recount_pins();
    link_->settings = with_startup(link_->settings, {});
    leaves_doubt_ = leaves_doubt_ && !link_->owed.empty();
  }
}

// Answers that no server gives, whose turn has come.
void ClientSession::invent_answers(Outbox& to_client) {
  while (!link_->owed.empty() && link_->owed.front().delivery == Delivery::Invent) {
    const OwedAnswer owed = link_->owed.take_front();
    append_empty(to_client.own(),
                 owed.request == Request::Parse ? backend::kParseComplete : backend::kCloseComplete);
    settle(owed, true);
  }
}

// owed_answer.h, 2.
void ClientSession::skip_to_sync() {
  size_t changes = 0;
  const bool parse_failed = link_->owed.front().prepares_raw() || link_->owed.front().of_unnamed;
  if (link_->owed.front().request == Request::Execute) {
    settled_pins_ |= link_->owed.front().then.pins;  // it ran, up to its error
  }
  bool told = false;
  while (!link_->owed.empty() && link_->owed.front().request != Request::Sync) {
    const OwedAnswer skipped = link_->owed.take_front();
    changes += skipped.name_changes;
    if (skipped.query && !std::exchange(told, true)) {
      note_answered(skipped, true);
    }
    settle(skipped, false);
  }
  if (changes > 0) {
    names().undo(changes);
  }
  recount_pins();
  if (parse_failed && names_) {
    // PostgreSQL drops the unnamed statement before it parses another.
    names_->drop_settled_unnamed();
  }
  if (link_->owed.empty()) {
    link_->skips_to_sync = true;
  }
}

}  // namespace sportello::proxy
