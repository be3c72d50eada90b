// The third part of ClientSession: its link died. What is told to the client, what may be run again, and how
// a session whose transaction went with the link behaves until the client ends that transaction (the design's
// table of failures: an ERROR, never FATAL; nothing that may have written is sent twice).
#include "protocol/error_response.h"
#include "protocol/frontend_messages.h"
#include "protocol/invariant.h"
#include "proxy/session/client_session.h"

namespace sportello::proxy {
namespace {

Error failed_block_error() {
  return {sqlstate::kInFailedTransaction,
          "current transaction is aborted, commands ignored until end of transaction block"};
}

// The server said goodbye instead of answering this, and has read nothing of what was sent behind it.
bool may_have_happened(const OwedAnswer& front) {
  if (front.has(OwedEffect::Commits)) {
    return true;
  }
  if (!front.has(OwedEffect::MayWrite)) {
    return false;
  }
  // What follows a command's CommandComplete is the commit, or has been it.
  const bool commits_next =
      front.request == Request::Sync || front.request == Request::FunctionCall || front.completed;
  return commits_next || front.has(OwedEffect::Piecemeal);
}

// Nobody knows whether what the server was sent last has happened.
bool is_in_doubt(const LinkState& link) {
  if (link.goodbye != nullptr && !link.owed.empty() && !may_have_happened(link.owed.front())) {
    return false;
  }
  for (size_t i = 0; i < link.owed.size(); i++) {
    const OwedAnswer& owed = link.owed[i];
    if (owed.has(OwedEffect::Commits) ||
        (link.status == TransactionStatus::Idle && owed.has(OwedEffect::MayWrite))) {
      return true;
    }
  }
  return false;
}

bool ends_block(const sql::StatementFacts& facts) {
  return !facts.multi && !facts.chain &&
         (facts.kind == sql::StatementKind::Rollback || facts.kind == sql::StatementKind::Commit);
}

// What the client is told: by whom else than the server that has ended its session?
Error loss_error(const LinkState& link, bool in_doubt, const Error& why) {
  if (link.goodbye != nullptr && !in_doubt) {
    return *link.goodbye;
  }
  return {in_doubt ? sqlstate::kTransactionResolutionUnknown : sqlstate::kConnectionFailure,
          in_doubt ? "server connection lost: the outcome of the transaction is unknown"
                   : "server connection lost",
          why.message};
}

}  // namespace

LinkLoss ClientSession::lose_link(const Error& why, Outbox& to_client) {
  invariant(link_ != nullptr, "only a link that is held is lost");
  LinkLoss loss;
  LinkState& link = *link_;
  const bool cut = link.body_left > 0 && link.body_forwarded;
  const bool state_lost = settled_pins_ != 0 || keeps_link_;
  // What is being healed has done nothing yet, so that even a write may be sent elsewhere.
  const bool not_its_fault =
      link.replay.runs < (link.replay.server_leaves ? Replay::kMostRuns : Replay::kMostWordlessRuns);
  const bool again = link.replay.healing || (link.replay.usable && link.replay.only_reads && not_its_fault);
  if (again && link.replay.complete && !state_lost && link.status == TransactionStatus::Idle) {
    loss.again = std::move(link.replay);
    loss.again->of_lone_read = for_lone_read_;
    loss.again->asks_shapes = false;
    link.replay.drop();
  } else if (cut || state_lost) {
    // Half a message cannot be taken back, and session state cannot be had again: the session ends with its
    // link.
    loss.session_ends = true;
    loss.told = loss_error(link, is_in_doubt(link), why);
  } else {
    tell_lost(why, to_client);
  }
  if (!loss.again) {
    lose_writes();
  }
  link_ = nullptr;
  portal_then_ = {};
  followed_ = nullptr;  // what it was part of has not been answered to its end
  asks_shape_ = false;
  for_lone_read_ = false;
  pins_ = settled_pins_ = 0;
  may_open_block_ = encoding_in_doubt_ = block_only_reads_ = false;
  link_differs_ = false;
  leaves_doubt_ = false;
  body_forwarded_ = false;
  return loss;
}

void ClientSession::tell_lost(const Error& why, Outbox& to_client) {
  LinkState& link = *link_;
  const bool in_doubt = is_in_doubt(link);
  bool asked = false;
  size_t changes = 0;
  for (size_t i = 0; i < link.owed.size(); i++) {
    const OwedAnswer& owed = link.owed[i];
    asked = asked || owed.delivery != Delivery::Swallow;
    changes += owed.name_changes;
  }
  if (changes > 0) {
    names().undo(changes);
  }
  const bool in_block = link.status != TransactionStatus::Idle && !in_doubt;
  Error error = loss_error(link, in_doubt, why);
  failed_block_ = in_block;
  if (!asked && !link.unsynced) {
    if (in_block) {
      failed_why_ = std::make_unique<Error>(std::move(error));
    }
    return;
  }
  std::string& out = to_client.own();
  bool batch_failed = link.skips_to_sync;
  bool batch_open = link.unsynced;
  bool told = batch_failed;
  for (size_t i = 0; i < link.owed.size(); i++) {
    const OwedAnswer& owed = link.owed[i];
    if (owed.delivery == Delivery::Swallow || owed.request == Request::CopyEnd) {
      continue;
    }
    // A Sync by itself: the rest of its batch was answered, but what that came to is not said. In a block
    // that was lost, of a batch that has written nothing the next statement is told: who has only prepared
    // has had his one answer (psycopg takes a second one for a mistake of its own).
    const bool is_answered = owed.request == Request::Sync || (owed.plain_read && owed.completed &&
                                                               why.sqlstate != sqlstate::kProtocolViolation);
    const bool has_written = in_block && owed.has(OwedEffect::MayWrite);
    const bool tells = !is_answered || in_doubt || may_open_block_ || has_written;
    if (!batch_failed) {
      note_answered(owed, tells || owed.failed);
    }
    if (tells && !batch_failed && !owed.failed) {
      append_error_response(out, Severity::Error, error);
      batch_failed = told = true;
      fail_deferred_block();
    }
    if (owed.request == Request::Sync || owed.request == Request::Query ||
        owed.request == Request::FunctionCall) {
      append_ready_for_query(out, status_after_lone_read());
      batch_failed = false;
    }
  }
  if (batch_open) {
    if (!batch_failed) {
      append_error_response(out, Severity::Error, error);
    }
    told = true;
    fail_deferred_block();
    skips_to_sync_ = true;
  }
  if (in_block && !told) {
    failed_why_ = std::make_unique<Error>(std::move(error));
  }
}

void ClientSession::fail_replay(const Replay& replay, const Error& why, Outbox& to_client) {
  lose_writes();
  size_t changes = 0;
  for (size_t i = replay.answered; i < replay.parts.size(); i++) {
    changes += replay.parts[i].owed.name_changes;
  }
  if (changes > 0) {
    names().undo(changes);
  }
  fail_deferred_block();
  append_error_response(to_client.own(), Severity::Error, why);
  append_ready_for_query(to_client.own(), status_without_link());
}

size_t ClientSession::refuse(std::string_view in, const Error& why, Outbox& to_client) {
  Frame frame{};
  if (peek_frame(in, frame) != FrameStatus::Header) {
    return 0;
  }
  fail_deferred_block();
  append_error_response(to_client.own(), Severity::Error, why);
  if (frame.type != frontend::kQuery && frame.type != frontend::kFunctionCall) {
    skips_to_sync_ = true;
    return 0;
  }
  append_ready_for_query(to_client.own(), status_without_link());
  const Message message{frame, in.substr(0, frame.total_bytes())};
  discard(message);
  return message.front.size();
}

// ---- Until the client ends the transaction that was lost ----

ClientSession::Outcome ClientSession::fail_message(const Message& message, bool to_sync, Outbox& to_client) {
  append_error_response(to_client.own(), Severity::Error, failed_why_ ? *failed_why_ : failed_block_error());
  failed_why_.reset();
  if (to_sync) {
    skips_to_sync_ = true;
  } else {
    append_ready_for_query(to_client.own(), status_without_link());
  }
  discard(message);
  return Outcome::Taken;
}

ClientSession::Outcome ClientSession::on_message_without_server(const Message& message, Outbox& to_client) {
  using namespace frontend;
  std::string& out = to_client.own();
  if (message.frame.type == kTerminate) {
    return Outcome::Terminate;
  }
  if (message.frame.type == kSync) {
    if (!message.whole()) {
      return Outcome::NeedMore;
    }
    skips_to_sync_ = false;
    append_ready_for_query(out, status_without_link());
    return Outcome::Taken;
  }
  if (skips_to_sync_) {
    discard(message);
    return Outcome::Taken;
  }
  const bool inspected = message.frame.length <= context_->inspect_max;
  if (inspected && !message.whole()) {
    return Outcome::NeedMore;
  }
  switch (message.frame.type) {
    case kQuery: {
      const auto text = inspected ? decode_query(message.body()) : std::nullopt;
      if (!text || !ends_block(*facts_of(*text))) {
        return fail_message(message, false, to_client);
      }
      if (is_untold_commit(*facts_of(*text))) {
        failed_block_ = false;
        return fail_message(message, false, to_client);
      }
      end_failed_block(to_client);
      append_ready_for_query(out, TransactionStatus::Idle);
      return Outcome::Taken;
    }
    case kParse: {
      const auto parse = inspected ? decode_parse(message.body()) : std::nullopt;
      uint32_t uses = 0;
      const StatementRef statement =
          parse ? statement_of(parse->query, parse->parameter_types, &uses) : nullptr;
      if (statement == nullptr || !ends_block(*statement->facts)) {
        return fail_message(message, true, to_client);
      }
      names().define(parse->name, statement);
      names().acknowledge();
      append_empty(out, backend::kParseComplete);
      return Outcome::Taken;
    }
    case kBind: {
      const auto prefix = decode_bind_prefix(message.body());
      const StatementRef statement = prefix && names_ ? names_->find(prefix->statement) : nullptr;
      if (statement == nullptr || !ends_block(*statement->facts)) {
        return fail_message(message, true, to_client);
      }
      if (is_untold_commit(*statement->facts)) {
        failed_block_ = false;
        return fail_message(message, true, to_client);
      }
      ends_failed_block_ = true;
      append_empty(out, backend::kBindComplete);
      discard(message);
      return Outcome::Taken;
    }
    case kDescribe:
      if (message.body().starts_with('S')) {
        WireWriter(out).begin(backend::kParameterDescription).u16(0).end();
      }
      append_empty(out, backend::kNoData);
      discard(message);
      return Outcome::Taken;
    case kExecute:
      if (!ends_failed_block_) {
        return fail_message(message, true, to_client);
      }
      end_failed_block(to_client);
      discard(message);
      return Outcome::Taken;
    case kClose:
      append_empty(out, backend::kCloseComplete);
      discard(message);
      return Outcome::Taken;
    case kFunctionCall:
      return fail_message(message, false, to_client);
    default:
      discard(message);
      return Outcome::Taken;
  }
}

// COMMIT as the first word after the loss: its client does not know yet that there is nothing to commit, and
// most look for an error, not at the command tag. The transaction ends with that error.
bool ClientSession::is_untold_commit(const sql::StatementFacts& facts) const {
  return failed_why_ != nullptr && facts.kind == sql::StatementKind::Commit;
}

void ClientSession::end_failed_block(Outbox& to_client) {
  failed_block_ = false;
  ends_failed_block_ = false;
  failed_why_.reset();
  append_command_complete(to_client.own(), "ROLLBACK");
}

}  // namespace sportello::proxy
