// The part of ClientSession that knows what a statement leaves behind: what pins the session to its link and
// why, what it follows from link to link, and what hangs on the statement's success (Consequences).
#include <array>
#include <optional>

#include "proxy/session/client_session.h"

namespace sportello::proxy {
namespace {

struct PinWord {
  uint64_t bit;
  std::string_view word;
};

constexpr std::array<PinWord, 17> kPinWords = {{
    {sql::Effect::SetOther, "setting"},
    {sql::Effect::SetRole, "role"},
    {sql::Effect::SetSessionAuthorization, "session authorization"},
    {sql::Effect::SqlPrepare, "sql prepare"},
    {sql::Effect::Listen, "listen"},
    {sql::Effect::TempObject, "temporary object"},
    {sql::Effect::CreatesView, "temporary view"},
    {sql::Effect::HoldCursor, "hold cursor"},
    {sql::Effect::AdvisoryLock, "advisory lock"},
    {sql::Effect::Load, "load"},
    {sql::Effect::SequenceState, "sequence state"},
    {sql::Effect::SessionFunction, "session function"},
    {sql::Effect::Unknown, "unknown statement"},
    {kPinTooLong, "long statement"},
    {kPinFunctionCall, "function call"},
    {kPinUnreported, "unreported setting"},
    {kPinNamedStatement, "named statement"},
}};

// If the link dies under it, nothing can have changed but the session.
bool only_reads(const sql::StatementFacts& facts) {
  using sql::StatementKind;
  switch (facts.kind) {
    case StatementKind::Empty:
    case StatementKind::Begin:
    case StatementKind::Rollback:
    case StatementKind::Savepoint:
    case StatementKind::Release:
    case StatementKind::RollbackTo:
    case StatementKind::Set:
    case StatementKind::Show:
    case StatementKind::Prepare:
    case StatementKind::Deallocate:
    case StatementKind::Declare:
    case StatementKind::CloseCursor:
    case StatementKind::Listen:
    case StatementKind::Unlisten:
    case StatementKind::Explain:
    case StatementKind::Load:
    case StatementKind::Discard:
      return true;
    default:
      return facts.replay_safe();
  }
}

bool may_commit(const sql::StatementFacts& facts) {
  using sql::StatementKind;
  return facts.kind == StatementKind::Commit || facts.kind == StatementKind::PrepareTransaction ||
         facts.kind == StatementKind::Call || facts.kind == StatementKind::Do ||
         facts.kind == StatementKind::Unknown || (facts.multi && facts.has(sql::Effect::TransactionControl));
}

// Outside a block, all that it does is done by one commit, its last act. Some of the rest commits on its way
// (VACUUM, CREATE INDEX CONCURRENTLY), or does what no transaction takes back (DROP DATABASE).
bool is_one_transaction(const sql::StatementFacts& facts) {
  using sql::StatementKind;
  switch (facts.kind) {
    case StatementKind::Read:
    case StatementKind::Write:
    case StatementKind::Execute:
    case StatementKind::Fetch:
    case StatementKind::Notify:
    case StatementKind::Copy:
    case StatementKind::Lock:
    case StatementKind::Multi:  // without transaction control: PostgreSQL refuses those of the rest in it
      return !may_commit(facts);
    default:
      return false;
  }
}

// What SET sportello.floor has become (floor_setting.cc), in a transaction, too.
bool leaves_nothing(const sql::StatementFacts& facts) {
  return facts.kind == sql::StatementKind::Set && !facts.multi && facts.set_to_default &&
         facts.name == "sportello.floor";
}

// With a search_path that the client gave at login. (One that it SETs is no portable setting.)
bool creates_temporary(const SettingsValues& settings) {
  const std::string* path = find_startup(settings.startup, "search_path");
  return path != nullptr && path->find("pg_temp") != std::string::npos;
}

// A lone SET or RESET of a parameter that is not reported.
bool sets_one(const sql::StatementFacts& facts) {
  return facts.kind == sql::StatementKind::Set && !facts.multi &&
         (facts.effects & ~static_cast<sql::Effects>(sql::Effect::Writes)) == sql::Effect::SetOther;
}

// The parameter of track_extra_parameters that a lone SET or RESET is about.
std::optional<Tracked> extra_parameter(const sql::StatementFacts& facts) {
  if (tracked_count() == kTrackedCount || facts.multi || facts.kind != sql::StatementKind::Set ||
      !facts.has(sql::Effect::SetOther)) {
    return std::nullopt;
  }
  return find_tracked(facts.name);
}

}  // namespace

std::string ClientSession::pin_reasons() const {
  std::string reasons;
  for (const PinWord& word : kPinWords) {
    if ((pins_ & word.bit) != 0) {
      reasons.append(reasons.empty() ? "" : ", ").append(word.word);
    }
  }
  return reasons;
}

void ClientSession::pin(uint64_t reason) {
  settled_pins_ |= reason;
  pins_ |= reason;
}

void ClientSession::recount_pins() {
  pins_ = settled_pins_;
  for (size_t i = 0; i < link_->owed.size(); i++) {
    pins_ |= link_->owed[i].then.pins;
  }
}

// A SET that is a transaction of its own, as far as its client has said, of a value that set_config() takes
// as SET was given it.
bool ClientSession::can_follow(const sql::StatementFacts& facts) const {
  const bool portable = facts.set_to_default || is_portable_setting(facts.name, facts.set_value);
  if (!portable || link_->status != TransactionStatus::Idle || portal_then_.follows != nullptr) {
    return false;
  }
  for (size_t i = 0; i < link_->owed.size(); i++) {
    const OwedAnswer& owed = link_->owed[i];
    const bool prepares = owed.request == Request::Parse || owed.request == Request::DescribeStatement ||
                          owed.request == Request::Close;
    if (!prepares && owed.delivery != Delivery::Swallow) {
      return false;
    }
  }
  return true;
}

Consequences ClientSession::note_effects(const sql::FactsPtr& facts_owner) {
  const sql::StatementFacts& facts = *facts_owner;
  using sql::Effect;
  Consequences then;
  if (freshness_ != nullptr) {
    note_write(facts_owner);
  }
  block_only_reads_ = block_only_reads_ && facts.replay_safe() && !hides_write_;
  if (hides_write_ || !only_reads(facts)) {
    then.add(OwedEffect::MayWrite);
    if (!is_one_transaction(facts)) {
      then.add(OwedEffect::Piecemeal);
    }
  }
  if (may_commit(facts)) {
    then.add(OwedEffect::Commits);
  }
  if (!facts.replay_safe()) {
    link_->sequence_user = serial_;
  }
  if (facts.effects == 0) {
    return then;
  }
  if (facts.has(Effect::TransactionControl)) {
    then.add(OwedEffect::MayRollBack);
  }
  then.pins = facts.effects & sql::kPins;
  leaves_doubt_ = leaves_doubt_ || facts.has(sql::kLeavesDoubt);
  if (facts.has(Effect::SetReported)) {
    const auto parameter = find_tracked(facts.name);
    if (!parameter ? false : !link_->reports(*parameter)) {
      then.pins |= kPinUnreported;
    }
  }
  if (const auto extra = extra_parameter(facts); extra && link_->reports(*extra)) {
    then.pins &= ~static_cast<uint64_t>(Effect::SetOther);  // what it comes to is reported
    then.restores =
        facts.set_to_default ? static_cast<uint16_t>(1U << static_cast<unsigned>(*extra)) : uint16_t{0};
  } else if (leaves_nothing(facts)) {
    then.pins &= ~static_cast<uint64_t>(Effect::SetOther);
  } else if (sets_one(facts)) {
    const bool follows = can_follow(facts);
    if (follows) {
      then.pins &= ~static_cast<uint64_t>(Effect::SetOther);
    }
    if (follows || facts.set_to_default) {
      then.follows = link_->keep_followed(facts_owner);
    }
  }
  may_open_block_ = may_open_block_ || facts.has(Effect::TransactionControl | Effect::Unknown);
  // Which parameter a set_config() names is not in the facts; one that is local to its transaction is taken
  // for another than this, as nearly all are.
  const bool names_encoding = facts.name == "client_encoding";
  encoding_in_doubt_ = encoding_in_doubt_ ||
                       (facts.has(Effect::SetReported) && (names_encoding || facts.name.empty())) ||
                       (facts.has(Effect::SetLocal) && names_encoding);
  const bool resets_all = facts.has(Effect::ResetAll | Effect::DiscardAll);
  if (resets_all &&
      !facts.has(Effect::SetReported | Effect::SetOther | Effect::Unknown | Effect::TransactionControl)) {
    then.restores = kRestoresAll;
  } else if (resets_all && has_startup_settings()) {
    then.pins |= Effect::SetOther;  // what of it holds in the end is not known
    then.restores = kRestoresReported;
  } else if (facts.multi) {
    then.restores = facts.set_to_default || resets_all ? kRestoresReported : 0;
  } else if (facts.has(Effect::SetReported) && facts.set_to_default) {
    const auto parameter = find_tracked(facts.name);
    then.restores =
        parameter ? static_cast<uint16_t>(1U << static_cast<unsigned>(*parameter)) : kRestoresReported;
  }
  if (facts.has(Effect::IsDdl | Effect::Unknown)) {
    then.add(OwedEffect::ChangesCatalog);
    if (creates_temporary(*settings_)) {
      then.pins |= Effect::TempObject;
    }
    // A view of a temporary table is temporary, whatever its statement says.
    if (facts.has(Effect::CreatesView) && ((pins_ | then.pins) & Effect::TempObject) != 0) {
      then.pins |= Effect::CreatesView;
    }
    scope_->ddl_epoch.fetch_add(1, std::memory_order_relaxed);
  }
  if (facts.has(Effect::EmptiesDatabase) && !facts.name.empty() && context_->empty_database) {
    context_->empty_database(facts.name);  // the server waits for them to go
  }
  if (facts.has(Effect::DiscardAll)) {
    then.add(OwedEffect::DiscardsAll);
    discards_names_ = true;
    link_->statements.make_uncertain();
  }
  if (facts.has(Effect::DeallocateAll)) {
    then.add(OwedEffect::DeallocatesAll);
    discards_names_ = true;
    link_->statements.make_uncertain();
  }
  pins_ |= then.pins;
  return then;
}

}  // namespace sportello::proxy
