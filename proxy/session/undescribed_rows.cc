// The part of ClientSession that looks after clients that read rows by what they were told of a statement
// before: Describe once, then Bind and Execute (asyncpg, JDBC, lib/pq, tokio-postgres). The server looks
// after them as long as the statement is the one that it described; here it may have been prepared anew, on
// another link or for lack of room, after a DDL. So that link is asked before anything is run, once for each
// statement that it prepares, and where its rows have become others the client is told what PostgreSQL would
// have told it. Who asks for each portal's description and for nothing else (libpq) is told the truth anyway;
// who asks for both (pgx) gives Bind the formats of the columns that it was told of.
#include "protocol/error_response.h"
#include "protocol/frontend_messages.h"
#include "proxy/session/client_session.h"

namespace sportello::proxy {
namespace {

// Nobody has it: the server refuses to describe it, in whatever state it is.
constexpr std::string_view kNobodys = " sportello_stale_rows";

// What was told of statements that are gone is forgotten when there is more of it than of the others.
constexpr size_t kMostForgotten = 64;

}  // namespace

const StatementShape* ClientSession::told_shape(const Statement& statement) const {
  if (told_ == nullptr) {
    return nullptr;
  }
  const auto found = told_->shapes.find(statement.id);
  return found == told_->shapes.end() ? nullptr : &found->second;
}

// nullptr: nothing hangs on what it was told.
const StatementShape* ClientSession::shape_relied_on(const Statement& statement,
                                                     bool describes_portal) const {
  const StatementShape* told = told_shape(statement);
  const bool was_described = told != nullptr && told->parameters != 0;
  return was_described || !describes_portal ? told : nullptr;
}

void ClientSession::make_told() {
  if (told_ == nullptr) {
    told_ = std::make_unique<ToldShapes>();
  }
}

void ClientSession::tell_shape(uint64_t id, const StatementShape& shape) {
  make_told();
  told_->shapes.insert_or_assign(id, shape);
  if (told_->shapes.size() > 2 * names().size() + kMostForgotten) {
    const auto ids = names().ids();
    std::erase_if(told_->shapes, [&](const auto& told) { return !ids.contains(told.first); });
  }
}

// A message of the answer to a Describe.
void ClientSession::note_description(const OwedAnswer& owed, const Frame& frame, std::string_view front) {
  const uint64_t id = owed.statement_id;
  const bool of_portal = owed.request == Request::DescribePortal;
  make_told();
  if (of_portal && told_->shapes.contains(id)) {
    return;  // it is told every time, so that nothing hangs on it
  }
  const std::string_view body = front.substr(kFrameHeaderBytes);
  if (frame.type == backend::kParameterDescription) {
    told_->described_parameters = parameters_shape(body);
    return;
  }
  const StatementShape shape{.parameters = of_portal ? 0 : told_->described_parameters,
                             .rows = rows_shape(body)};
  if (!of_portal) {
    link_->statements.describe(id, shape);
  }
  if (owed.delivery == Delivery::Forward) {
    tell_shape(id, shape);
  }
}

// The message behind the Bind that is looked at asks what rows the portal gives.
bool ClientSession::describes_portal_next() const {
  Frame frame{};
  return peek_frame(context_->following, frame) == FrameStatus::Header && frame.type == frontend::kDescribe &&
         context_->following.substr(kFrameHeaderBytes).starts_with('P');
}

// Asks the link for the shape of `statement`, if the client reads by one that the link may not have.
bool ClientSession::asks_shape_of(const StatementRef& statement, const StatementShape& relied_on,
                                  Outbox& to_server) {
  if (statement->opaque || link_->copy_in || link_->status == TransactionStatus::Failed) {
    return false;
  }
  if (link_->statements.shape(statement->id).knows_all_of(relied_on) || told_->asked_of == statement->id) {
    told_->asked_of = 0;
    return false;
  }
  bool alone = link_->status == TransactionStatus::Idle && !link_->unsynced && !link_->skips_to_sync;
  for (size_t i = 0; i < link_->owed.size(); i++) {
    alone = alone && link_->owed[i].delivery == Delivery::Swallow;
  }
  if (alone) {
    link_->replay.drop();  // the client's batch begins after this
  } else {
    begin_batch();
  }
  ensure_prepared(statement, to_server);
  owe({.request = Request::DescribeStatement,
       .delivery = Delivery::Swallow,
       .asks_shape = !alone,
       .statement_id = statement->id});
  append_target(to_server.own(), frontend::kDescribe, 'S', statement->server_name);
  if (alone) {
    // Nothing of the client's is lost with a link that dies now.
    owe({.request = Request::Sync, .delivery = Delivery::Swallow, .asks_shape = true});
    append_empty(to_server.own(), frontend::kSync);
  } else {
    link_->unsynced = true;
    append_empty(to_server.own(), frontend::kFlush);
  }
  asks_shape_ = true;
  told_->asked_of = statement->id;
  return true;
}

bool ClientSession::has_other_shape(const Statement& statement, const StatementShape& relied_on) const {
  return link_->status != TransactionStatus::Failed &&
         !link_->statements.shape(statement.id).agrees_with(relied_on);
}

// Makes the server skip the batch, and fail the transaction block if there is one.
void ClientSession::fail_stale_rows(Outbox& to_server) {
  link_->replay.drop();
  scope_->ddl_epoch.fetch_add(1, std::memory_order_relaxed);  // so that the client's next Parse is a new one
  owe({.request = Request::DescribeStatement, .delivery = Delivery::Swallow, .stale_rows = true});
  append_target(to_server.own(), frontend::kDescribe, 'S', kNobodys);
}

// In PostgreSQL's words, by which drivers know that they have to prepare it again.
void ClientSession::append_stale_rows_error(std::string& out) {
  append_error_response(out, Severity::Error,
                        {sqlstate::kFeatureNotSupported, "cached plan must not change result type"},
                        "RevalidateCachedQuery");
}

// ---- Of what is run again ----

// Of the statement that this part of it binds.
const StatementShape* ClientSession::shape_relied_on(const Replay& replay, size_t part) const {
  const auto& parts = replay.parts;
  if (part >= parts.size() || parts[part].owed.request != Request::Bind || parts[part].statement == nullptr ||
      parts[part].raw_unnamed) {
    return nullptr;
  }
  const bool describes_portal =
      part + 1 < parts.size() && parts[part + 1].owed.request == Request::DescribePortal;
  return shape_relied_on(*parts[part].statement, describes_portal);
}

bool ClientSession::ask_shapes_of_replay(const Replay& replay, Outbox& to_server) {
  bool asks = false;
  for (size_t i = replay.answered; i < replay.parts.size(); i++) {
    const StatementRef& statement = replay.parts[i].statement;
    const StatementShape* told = shape_relied_on(replay, i);
    if (told == nullptr || link_->statements.shape(statement->id).knows_all_of(*told)) {
      continue;
    }
    ensure_prepared(statement, to_server);
    owe({.request = Request::DescribeStatement,
         .delivery = Delivery::Swallow,
         .statement_id = statement->id});
    append_target(to_server.own(), frontend::kDescribe, 'S', statement->server_name);
    asks = true;
  }
  if (asks) {
    owe({.request = Request::Sync, .delivery = Delivery::Swallow});
    append_empty(to_server.own(), frontend::kSync);
  }
  return asks;
}

}  // namespace sportello::proxy
