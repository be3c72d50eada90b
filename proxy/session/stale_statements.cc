// The part of ClientSession that runs a batch once more, unseen by the client: on the same link, when a
// statement that was prepared there has gone stale, or on another, when the link died under a batch that only
// reads.
#include "protocol/error_response.h"
#include "protocol/frontend_messages.h"
#include "proxy/session/client_session.h"

namespace sportello::proxy {

// "cached plan must not change result type" and "prepared statement does not exist", outside a transaction
// and before the client has seen anything, are ours to put right: the statement is prepared anew and the
// batch sent again. Not so the former if the client reads the rows by what it was told before.
bool ClientSession::heal(const ErrorFields& fields) {
  Replay& replay = link_->replay;
  const OwedAnswer& owed = link_->owed.front();
  const bool stale = fields.sqlstate == sqlstate::kInvalidSqlStatementName ||
                     (fields.sqlstate == sqlstate::kFeatureNotSupported &&
                      fields.message.find("cached plan") != std::string_view::npos);
  if (stale) {
    scope_->ddl_epoch.fetch_add(1, std::memory_order_relaxed);
  }
  const bool at_use = owed.request == Request::Bind || owed.request == Request::DescribeStatement;
  const bool misread = fields.sqlstate == sqlstate::kFeatureNotSupported &&
                       shape_relied_on(replay, replay.answered) != nullptr;
  if (!stale || !at_use || misread || !replay.usable || replay.runs > 0 || !replay.complete ||
      link_->status != TransactionStatus::Idle) {
    return false;
  }
  // Wait for the ReadyForQuery of the batch's Sync; what the server skips is asked for again.
  while (link_->owed.front().request != Request::Sync) {
    link_->owed.pop_front();
  }
  link_->owed.front().delivery = Delivery::Swallow;
  replay.healing = true;
  return true;
}

void ClientSession::send_healed(Outbox& to_server) {
  Replay replay = std::move(link_->replay);
  link_->replay.drop();
  if (!replay.asks_shapes) {
    link_->statements.make_uncertain();  // every Parse is preceded by a Close
    link_->unnamed_id = 0;
  }
  run_again(std::move(replay), to_server);
}

void ClientSession::run_again(Replay replay, Outbox& to_server) {
  if (!replay.asks_shapes && ask_shapes_of_replay(replay, to_server)) {
    replay.asks_shapes = replay.healing = true;
    link_->replay = std::move(replay);
    return;
  }
  size_t at = 0;
  bool fails = false;
  const bool may_write = replay.of_lone_read && !replay.only_reads && !for_lone_read_;
  begin_batch();
  if (may_write) {
    note_unknown_write();
  }
  for (size_t i = 0; i < replay.parts.size(); i++) {
    Replay::Part& part = replay.parts[i];
    const std::string_view bytes = std::string_view(replay.bytes).substr(at, part.size);
    at += part.size;
    if (i < replay.answered) {
      continue;
    }
    if (const StatementShape* relied_on = shape_relied_on(replay, i);
        relied_on != nullptr && has_other_shape(*part.statement, *relied_on)) {
      fail_stale_rows(to_server);
      fails = true;
    }
    if (part.statement != nullptr) {
      if (part.raw_unnamed) {
        ensure_unnamed(part.statement, to_server);
      } else {
        ensure_prepared(part.statement, to_server);
      }
    }
    if (part.owed.prepares()) {
      if (link_->statements.may_hold(part.owed.statement_id)) {
        owe({.request = Request::Close, .delivery = Delivery::Swallow});
        append_target(to_server.own(), frontend::kClose, 'S',
                      std::string(kServerStatementPrefix) + std::to_string(part.owed.statement_id));
      }
      link_->statements.add(part.owed.statement_id);
    }
    if (part.owed.prepares_raw()) {
      link_->unnamed_id = part.owed.statement_id;
      link_->unnamed_batch = link_->statements.batch();
    }
    if (part.followed != nullptr) {
      link_->keep_followed(part.followed);
    }
    if (may_write && (part.owed.request == Request::Query || part.owed.request == Request::Execute)) {
      part.owed.then.add(OwedEffect::MayWrite);
    }
    owe(part.owed);
    to_server.own().append(bytes);
  }
  link_->unsynced = false;
  replay.runs++;
  replay.healing = replay.fleeing = replay.asks_shapes = false;
  link_->replay = std::move(replay);
  if (fails || may_write) {
    link_->replay.drop();
  }
}

}  // namespace sportello::proxy
