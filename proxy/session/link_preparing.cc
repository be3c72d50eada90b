// The part of ClientSession that prepares statements on the link it holds, in front of the message that needs
// them: under names of ours, the least recently used making room; the unnamed one; and the two errors and
// answers that only the server can word.
#include "protocol/frontend_messages.h"
#include "proxy/session/client_session.h"

namespace sportello::proxy {
namespace {

// A statement of ours without a text; DEALLOCATE of a virtual statement is carried out on it.
constexpr std::string_view kStandIn = "sportello_nothing";

}  // namespace

void ClientSession::make_room_for_statement(Outbox& to_server) {
  const auto victim = link_->statements.to_evict(context_->max_prepared_statements);
  if (!victim) {
    return;
  }
  link_->statements.remove(*victim);
  owe({.request = Request::Close, .delivery = Delivery::Swallow, .statement_id = *victim});
  append_target(to_server.own(), frontend::kClose, 'S',
                std::string(kServerStatementPrefix) + std::to_string(*victim));
}

void ClientSession::send_parse(const StatementRef& statement, Delivery delivery, uint8_t name_changes,
                               Outbox& to_server) {
  counts_.server_parses++;
  make_room_for_statement(to_server);
  if (link_->statements.may_hold(statement->id)) {
    owe({.request = Request::Close, .delivery = Delivery::Swallow, .statement_id = statement->id});
    append_target(to_server.own(), frontend::kClose, 'S', statement->server_name);
  }
  const OwedAnswer owed{.request = Request::Parse,
                        .delivery = delivery,
                        .name_changes = name_changes,
                        .statement_id = statement->id};
  if (delivery == Delivery::Forward) {
    link_->statements.add(statement->id);
  } else {
    link_->statements.add_unseen(statement->id);
  }
  owe(owed);
  std::string& out = to_server.own();
  const size_t begin = out.size();
  append_parse(out, statement->server_name, statement->text, statement->parameter_types);
  if (delivery == Delivery::Forward) {
    record(owed, nullptr, false, std::string_view(out).substr(begin));
  }
}

void ClientSession::ensure_prepared(const StatementRef& statement, Outbox& to_server) {
  if (!link_->statements.use(statement->id) && !statement->opaque) {
    send_parse(statement, Delivery::Swallow, 0, to_server);
  }
}

void ClientSession::ensure_unnamed(const StatementRef& statement, Outbox& to_server) {
  if (link_->unnamed_id == statement->id &&
      (link_->unnamed_batch == 0 || link_->unnamed_batch == link_->statements.batch())) {
    return;
  }
  owe({.request = Request::Parse,
       .delivery = Delivery::Swallow,
       .is_raw = true,
       .statement_id = statement->id});
  append_parse(to_server.own(), "", statement->text, statement->parameter_types);
  link_->unnamed_id = statement->id;
  link_->unnamed_batch = link_->statements.batch();
}

void ClientSession::hide_unnamed(Outbox& to_server) {
  owe({.request = Request::Close, .delivery = Delivery::Swallow});
  append_target(to_server.own(), frontend::kClose, 'S', "");
  link_->unnamed_id = 0;
}

// PostgreSQL refuses to prepare a name twice, in words that hold the name. It can only say so itself if the
// link has that name: it gets it, and is cleaned before anyone else has it.
void ClientSession::send_duplicate_name_error(std::string_view name, Outbox& to_server) {
  link_->replay.drop();
  link_->tainted = true;
  std::string& out = to_server.own();
  append_target(out, frontend::kClose, 'S', name);
  owe({.request = Request::Close, .delivery = Delivery::Swallow});
  append_parse(out, name, "", kNoParameterTypes);
  owe({.request = Request::Parse, .delivery = Delivery::Swallow});
}

// A name on the server that DEALLOCATE can be let loose on, so that it answers as if the virtual statement
// were real.
std::string_view ClientSession::deallocate_stand_in(Outbox& to_server) {
  link_->replay.drop();
  std::string& out = to_server.own();
  append_target(out, frontend::kClose, 'S', kStandIn);
  owe({.request = Request::Close, .delivery = Delivery::Swallow});
  append_parse(out, kStandIn, "", kNoParameterTypes);
  owe({.request = Request::Parse, .delivery = Delivery::Swallow});
  return kStandIn;
}

}  // namespace sportello::proxy
