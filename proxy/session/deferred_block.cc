// The part of ClientSession that begins transaction blocks without a server (deferred_block.h).
#include "proxy/session/deferred_block.h"

#include <algorithm>
#include <array>

#include "protocol/ascii.h"
#include "protocol/backend_messages.h"
#include "protocol/frontend_messages.h"
#include "proxy/session/client_session.h"

namespace sportello::proxy {
namespace {

using sql::BlockMode;
using sql::StatementKind;

// VOLATILE, but harmless: what a server says of its own part in replication. Asked in a READ ONLY block they
// are about the server that reads it.
constexpr std::array<std::string_view, 5> kAskedOfReplicas = {
    "pg_is_in_recovery", "pg_is_wal_replay_paused", "pg_last_wal_receive_lsn", "pg_last_wal_replay_lsn",
    "pg_last_xact_replay_timestamp"};

}  // namespace

// BEGIN, and the end of a block that has never been begun. False: a server has to answer.
bool ClientSession::answer_block(std::string_view text, const sql::StatementFacts& facts, Outbox& to_client) {
  if (!defers_begin_ || facts.multi) {
    return false;
  }
  std::string_view tag;
  if (facts.kind == StatementKind::Begin && !block_.is_open) {
    open_block(text, facts);
    tag = facts.block.by_start ? "START TRANSACTION" : "BEGIN";
  } else if (block_.is_open && !facts.chain && facts.kind == StatementKind::Commit) {
    block_.end();
    block_.counts.transactions++;
    tag = "COMMIT";
  } else if (block_.is_open && !facts.chain && facts.kind == StatementKind::Rollback) {
    block_.end();
    block_.counts.transactions++;
    tag = "ROLLBACK";
  } else {
    return false;
  }
  block_.counts.commands++;
  if (names_) {
    names_->clear_unnamed();
  }
  append_command_complete(to_client.own(), tag);
  append_ready_for_query(to_client.own(), status_without_link());
  return true;
}

void ClientSession::open_block(std::string_view text, const sql::StatementFacts& facts) {
  const BlockMode& mode = facts.block;
  block_.is_open = true;
  block_.failed = false;
  block_.counts.began = true;
  block_.begin = text;
  const bool by_default = mode.isolation == BlockMode::Isolation::Default &&
                          scope_->begins_read_committed.load(std::memory_order_relaxed) &&
                          find_startup(settings_->startup, "default_transaction_isolation") == nullptr;
  block_.is_read_committed = by_default || mode.isolation == BlockMode::Isolation::ReadCommitted;
  const bool is_read_only = mode.access == BlockMode::Access::Default
                                ? (*settings_)[Tracked::DefaultTransactionReadOnly] == "on"
                                : mode.access == BlockMode::Access::ReadOnly;
  block_.reads_alone = is_read_only && block_.is_read_committed && facts.hint != sql::RouteHint::Primary;
}

TransactionStatus ClientSession::status_without_link() const {
  return failed_block_    ? TransactionStatus::Failed
         : block_.is_open ? TransactionStatus::InBlock
                          : TransactionStatus::Idle;
}

// From here on the server is told of the block as if the client had sent its BEGIN with what follows: a lost
// link takes the block with it.
void ClientSession::send_begin(Outbox& to_server) {
  owe({.request = Request::Query, .delivery = Delivery::Swallow});
  append_query(to_server.own(), block_.begin);
  link_->unnamed_id = 0;  // a simple query drops it
  link_->status = TransactionStatus::InBlock;
  block_.end();
}

// A read of the block, asked alone, has been answered outside any: what the client is told of where it
// stands.
TransactionStatus ClientSession::status_after_lone_read() {
  if (block_.failed) {
    block_.end();
    failed_block_ = true;
  }
  return status_without_link();
}

// What wanted a link in an open block has failed, and the block with it.
void ClientSession::fail_deferred_block() {
  if (block_.is_open) {
    block_.end();
    failed_block_ = true;
  }
}

// Nothing but a question about the server's own part in replication.
bool ClientSession::is_asked_of_replicas(const sql::StatementFacts& facts) {
  const auto is_one = [](const sql::FunctionCall& call) {
    const bool built_in = call.schema.empty() || call.schema == "pg_catalog";
    return built_in &&
           std::find(kAskedOfReplicas.begin(), kAskedOfReplicas.end(), call.name) != kAskedOfReplicas.end();
  };
  return facts.kind == StatementKind::Read && !facts.multi && facts.effects == 0 && facts.reads.empty() &&
         facts.writes.empty() && facts.types.empty() && !facts.locks_tables && !facts.stable_functions &&
         !facts.calls.empty() && std::all_of(facts.calls.begin(), facts.calls.end(), is_one);
}

}  // namespace sportello::proxy
