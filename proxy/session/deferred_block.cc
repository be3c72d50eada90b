// The part of ClientSession that begins transaction blocks without a server (deferred_block.h).
#include "proxy/session/deferred_block.h"

#include <algorithm>
#include <array>

#include "protocol/ascii.h"
#include "protocol/backend_messages.h"
#include "protocol/bind_message.h"
#include "protocol/frontend_messages.h"
#include "protocol/sql/lexer.h"
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

constexpr std::string_view kUnnamedPortal("P\0", 2);

// A query, for a server that is to know of a block that it has asked something. Behind a comment, if need be.
constexpr std::string_view kAskNothing = "\n;SELECT";

}  // namespace

bool may_need_no_server(std::string_view text) {
  const auto at = [&](size_t i) { return i < text.size() ? sql::to_lower(text[i]) : '\0'; };
  switch (at(0)) {
    case 'a':
      return at(1) == 'b';
    case 'b':
    case 'c':
    case 'r':
      return true;
    case 'd':
      return at(1) == 'i';
    case 'e':
      return at(1) == 'n';
    case 's':
      return at(1) != 'e' || at(2) != 'l';
    default:
      return at(0) < 'a' || at(0) > 'z';
  }
}

// BEGIN, and the end of a block that has never been begun. False: a server has to answer.
bool ClientSession::answer_block(std::string_view text, const sql::StatementFacts& facts, Outbox& to_client) {
  if (!is_answered_here(facts)) {
    return false;
  }
  if (names_) {
    names_->clear_unnamed();
  }
  append_command_complete(to_client.own(), change_block(text, facts));
  append_ready_for_query(to_client.own(), status_without_link());
  return true;
}

bool ClientSession::is_answered_here(const sql::StatementFacts& facts) const {
  if (!defers_begin_ || facts.multi) {
    return false;
  }
  if (!has_deferred_block()) {
    return facts.kind == StatementKind::Begin;
  }
  return !facts.chain && (facts.kind == StatementKind::Commit || facts.kind == StatementKind::Rollback);
}

// Returns the command's tag.
std::string_view ClientSession::change_block(std::string_view text, const sql::StatementFacts& facts) {
  if (facts.kind == StatementKind::Begin) {
    open_block(text, facts);
    block_->counts.commands++;
    return facts.block.by_start ? "START TRANSACTION" : "BEGIN";
  }
  block_->end();
  block_->counts.commands++;
  block_->counts.transactions++;
  return facts.kind == StatementKind::Commit ? "COMMIT" : "ROLLBACK";
}

// The same in the extended protocol:
//   [Parse] [Describe of the statement] Bind [Describe of the portal] Execute [Close of the portal] [Sync]
// A client that sends no Sync goes on with its batch (JDBC), and what comes then needs a server or not.
// Returns how many bytes were answered.
size_t ClientSession::answer_block_batch(std::string_view in, Outbox& to_client) {
  BlockBatch batch;
  const bool binds = in.starts_with(frontend::kBind);
  if (!defers_begin_ || !may_look_ahead() || (binds && (!names_ || !names_->may_hold_block())) ||
      !find_block_batch(in, batch)) {
    return 0;
  }
  std::string& out = to_client.own();
  if (batch.parses) {
    counts_.client_parses++;
    names().define(batch.name, batch.statement);
    names().acknowledge();
    if (batch.name.empty()) {
      unnamed_is_shared_ = !passes_names_;
    }
    append_empty(out, backend::kParseComplete);
  }
  if (batch.describes_statement) {
    WireWriter(out).begin(backend::kParameterDescription).u16(0).end();
    append_empty(out, backend::kNoData);
  }
  counts_.binds++;
  append_empty(out, backend::kBindComplete);
  if (batch.describes_portal) {
    append_empty(out, backend::kNoData);
  }
  append_command_complete(out, change_block(batch.statement->text, *batch.statement->facts));
  if (batch.closes) {
    append_empty(out, backend::kCloseComplete);
  }
  if (batch.syncs) {
    append_ready_for_query(out, status_without_link());
  }
  return batch.bytes;
}

// Changes nothing. What comes after Execute is the next statement's, if it is not the end of this one.
bool ClientSession::find_block_batch(std::string_view in, BlockBatch& batch) {
  bool bound = false;
  bool executed = false;
  Frame frame{};
  while (peek_frame(in, frame) == FrameStatus::Header && frame.total_bytes() <= in.size() &&
         frame.total_bytes() <= context_->inspect_max) {
    const std::string_view body = in.substr(kFrameHeaderBytes, frame.body_bytes());
    if (executed) {
      const bool ends = frame.type == frontend::kSync && body.empty();
      const bool closes = frame.type == frontend::kClose && body == kUnnamedPortal && !batch.closes;
      if (!ends && !closes) {
        return true;
      }
      batch.bytes += frame.total_bytes();
      (ends ? batch.syncs : batch.closes) = true;
      if (ends) {
        return true;
      }
    } else if (!take_block_message(frame.type, body, batch, bound, executed)) {
      return false;
    } else {
      batch.bytes += frame.total_bytes();
    }
    in.remove_prefix(frame.total_bytes());
  }
  return executed;
}

bool ClientSession::take_block_message(char type, std::string_view body, BlockBatch& batch, bool& bound,
                                       bool& executed) {
  switch (type) {
    case frontend::kParse: {
      const auto parse = decode_parse(body);
      if (bound || batch.statement != nullptr || !parse || !may_need_no_server(parse->query) ||
          parse->parameter_types != kNoParameterTypes || passes_name(parse->name) ||
          (!parse->name.empty() && statement_named(parse->name) != nullptr)) {
        return false;
      }
      uint32_t uses = 0;
      batch.statement = statement_of(parse->query, parse->parameter_types, &uses);
      batch.parses = true;
      batch.name = parse->name;
      return batch.statement != nullptr && is_answered_here(*batch.statement->facts);
    }
    case frontend::kBind: {
      // Nearly every batch is of another statement: whose it is comes first.
      const auto names = decode_bind_prefix(body);
      if (bound || !names || !names->portal.empty() || !is_statement_of(batch, names->statement)) {
        return false;
      }
      bound = true;
      BindMessage bind;
      return bind.decode(body) && bind.parameters.empty();
    }
    case frontend::kDescribe: {
      const auto target = decode_target(body);
      bool& described = bound ? batch.describes_portal : batch.describes_statement;
      if (!target || described || (target->kind == 'P') != bound ||
          (bound ? !target->name.empty() : !is_statement_of(batch, target->name))) {
        return false;
      }
      described = true;
      return true;
    }
    case frontend::kExecute: {
      const auto execute = decode_execute(body);
      executed = bound && execute && execute->portal.empty();
      return executed;
    }
    default:
      return false;
  }
}

// Is `name` the statement of this batch, or, if it has none yet, one of the session's that is answered here?
bool ClientSession::is_statement_of(BlockBatch& batch, std::string_view name) {
  if (batch.parses) {
    return name == batch.name;
  }
  const StatementRef& known = statement_named(name);
  if (known == nullptr || known->opaque || passes_name(name) || !is_answered_here(*known->facts) ||
      (batch.statement != nullptr && batch.statement != known)) {
    return false;
  }
  batch.statement = known;
  return true;
}

void ClientSession::open_block(std::string_view text, const sql::StatementFacts& facts) {
  const BlockMode& mode = facts.block;
  if (block_ == nullptr) {
    block_ = std::make_unique<DeferredBlock>();
  }
  block_->is_open = true;
  block_->failed = block_->has_read = false;
  block_->counts.began = true;
  block_->begin = text;
  const bool by_default = mode.isolation == BlockMode::Isolation::Default &&
                          scope_->begins_read_committed.load(std::memory_order_relaxed) &&
                          find_startup(settings_->startup, "default_transaction_isolation") == nullptr;
  block_->is_read_committed = by_default || mode.isolation == BlockMode::Isolation::ReadCommitted;
  const bool is_read_only = mode.access == BlockMode::Access::Default
                                ? (*settings_)[Tracked::DefaultTransactionReadOnly] == "on"
                                : mode.access == BlockMode::Access::ReadOnly;
  block_->reads_alone = is_read_only && block_->is_read_committed && facts.hint != sql::RouteHint::Primary;
}

TransactionStatus ClientSession::status_without_link() const {
  return failed_block_          ? TransactionStatus::Failed
         : has_deferred_block() ? TransactionStatus::InBlock
                                : TransactionStatus::Idle;
}

// From here on the server is told of the block as if the client had sent its BEGIN with what follows: a lost
// link takes the block with it. SET TRANSACTION must fail there if it comes after a query, whoever answered
// that.
void ClientSession::send_begin(Outbox& to_server) {
  owe({.request = Request::Query, .delivery = Delivery::Swallow});
  if (block_->has_read) {
    block_->begin += kAskNothing;
  }
  append_query(to_server.own(), block_->begin);
  link_->unnamed_id = 0;  // a simple query drops it
  link_->status = TransactionStatus::InBlock;
  block_only_reads_ = block_->is_read_committed;
  block_->end();
}

// A read of the block, asked alone, has been answered outside any: what the client is told of where it
// stands.
TransactionStatus ClientSession::status_after_lone_read() {
  if (has_deferred_block() && block_->failed) {
    fail_deferred_block();
  }
  return status_after_read();
}

TransactionStatus ClientSession::status_after_read() {
  if (has_deferred_block()) {
    block_->has_read = true;
  }
  return status_without_link();
}

// What wanted a link in an open block has failed, and the block with it.
void ClientSession::fail_deferred_block() {
  if (has_deferred_block()) {
    block_->end();
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
