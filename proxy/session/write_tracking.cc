// The part of ClientSession that tells its SessionFreshness what goes to the primary: which statements write,
// when something that can commit is about to be sent, and when all of it has been answered.
#include "proxy/session/client_session.h"

namespace sportello::proxy {
namespace {

using sql::StatementKind;

// They touch no table, whatever they say.
bool touches_nothing(const sql::StatementFacts& facts) {
  if (facts.multi) {
    return false;
  }
  switch (facts.kind) {
    case StatementKind::Empty:
    case StatementKind::Begin:
    case StatementKind::Commit:
    case StatementKind::Rollback:
    case StatementKind::Savepoint:
    case StatementKind::Release:
    case StatementKind::RollbackTo:
    case StatementKind::PrepareTransaction:
    case StatementKind::Set:
    case StatementKind::Show:
    case StatementKind::Prepare:
    case StatementKind::Deallocate:
    case StatementKind::Fetch:  // what it does was said by its DECLARE
    case StatementKind::CloseCursor:
    case StatementKind::Listen:
    case StatementKind::Unlisten:
    case StatementKind::Notify:
    case StatementKind::Discard:
      return true;
    default:
      return false;
  }
}

// What commits, or may have that in it. Of SAVEPOINT and its like nothing comes out before their block ends.
bool may_end_block(const sql::StatementFacts& facts) {
  switch (facts.kind) {
    case StatementKind::Commit:
    case StatementKind::Rollback:
    case StatementKind::PrepareTransaction:
      return true;
    default:
      return facts.has(sql::Effect::CallOrDo | sql::Effect::Unknown) ||
             (facts.multi && facts.has(sql::Effect::TransactionControl));
  }
}

// What is not known by its text alone: a table may be a view, a field a function, a type a domain with a
// check.
bool names_anything(const sql::StatementFacts& facts) {
  return !facts.reads.empty() || !facts.fields.empty() || !facts.types.empty();
}

// After these, names may mean something else in this transaction or on this link than the session's settings
// say.
constexpr sql::Effects kBlursNames = sql::Effect::SetLocal | sql::Effect::SetOther | sql::Effect::SetRole |
                                     sql::Effect::SetSessionAuthorization | sql::Effect::TempObject |
                                     sql::Effect::UnknownFunction | sql::Effect::CallOrDo |
                                     sql::Effect::Unknown | sql::Effect::ResetAll | sql::Effect::DiscardAll;

}  // namespace

void ClientSession::track_writes(std::unique_ptr<SessionFreshness> freshness) {
  freshness_ = std::move(freshness);
  blurred_ = link_ != nullptr;  // until the next rest: what went before is not known
}

// A transaction is open, and nothing under way can have ended it.
bool ClientSession::surely_in_block() const {
  return link_->status != TransactionStatus::Idle && !may_open_block_;
}

// What the last ReadyForQuery says is after a commit or a rollback of all that was written.
bool ClientSession::has_ended_block() const {
  const bool has_chained = commits_chained_ && link_->owed.empty() && !link_->unsynced &&
                           link_->status == TransactionStatus::InBlock;
  return has_chained || link_->status == TransactionStatus::Idle;
}

// Behind what it names there is code that may write: a view calls a function. So it may while nobody knows
// the catalog, and where a name leads nowhere, as somebody may have made it past us; and a name may mean the
// session's own temporary view, which no catalog of ours tells of.
bool ClientSession::reaches_writes(const sql::FactsPtr& facts) {
  if ((pins_ & sql::Effect::CreatesView) != 0) {
    return true;
  }
  const Meaning* meaning = names_are_certain() ? freshness_->meaning_lately(facts, *settings_)
                                               : freshness_->names().meaning_anywhere(facts);
  return meaning == nullptr || meaning->facts.writes_unknown;
}

// Nothing that this session did can have given names another meaning than its settings say.
bool ClientSession::names_are_certain() const {
  return pins_ == 0 && !leaves_doubt_ && !blurred_ && !keeps_link_;
}

void ClientSession::note_write(const sql::FactsPtr& facts_owner) {
  const sql::StatementFacts& facts = *facts_owner;
  const bool was_in_block = surely_in_block();
  const bool plainly_reads =
      facts.reads_only && facts.only_known_functions && !facts.writes_unknown && facts.writes.empty();
  // What a replica has refused writes, whatever is declared of its functions.
  const bool was_refused = freshness_->names().is_refused(facts.fingerprint);
  hides_write_ = was_refused || (plainly_reads && names_anything(facts) && reaches_writes(facts_owner));
  if (hides_write_) {
    freshness_->wrote(nullptr);
  } else if (!plainly_reads && !touches_nothing(facts)) {
    const Meaning* meaning = names_are_certain() ? freshness_->meaning_of(facts_owner, *settings_) : nullptr;
    if (meaning == nullptr || meaning->facts.writes_unknown || !meaning->facts.known) {
      freshness_->wrote(nullptr);
    } else if (!meaning->facts.writes.empty()) {
      freshness_->wrote(meaning);
    }
  }
  blurred_ = blurred_ || facts.has(kBlursNames);
  commits_chained_ = facts.chain && !facts.multi;
  if (freshness_->has_written() && (!was_in_block || may_end_block(facts))) {
    freshness_->raise(link_->process_id);
  }
}

void ClientSession::note_unknown_write() {
  block_only_reads_ = commits_chained_ = false;
  if (freshness_ != nullptr) {
    blurred_ = true;
    freshness_->wrote(nullptr);
    freshness_->raise(link_->process_id);
  }
}

void ClientSession::settle_writes() {
  if (!link_->owed.empty() || link_->unsynced || !has_ended_block()) {
    return;
  }
  commits_chained_ = false;
  blurred_ = pins_ != 0 || leaves_doubt_;
  if (freshness_->has_written()) {
    freshness_->settle();
    if (context_->write_settled) {
      context_->write_settled(*scope_);
    }
  }
}

void ClientSession::lose_writes() {
  if (std::exchange(catalog_changes_, false)) {
    scope_->ddl_epoch.fetch_add(1, std::memory_order_relaxed);
  }
  if (freshness_ != nullptr) {
    freshness_->lose(*context_->limbo);
    blurred_ = false;
  }
}

}  // namespace sportello::proxy
