#include "proxy/session/client_session.h"

#include <array>
#include <atomic>

#include "protocol/ascii.h"
#include "protocol/error_response.h"
#include "protocol/frontend_messages.h"
#include "protocol/invariant.h"

namespace sportello::proxy {
namespace {

// The large-object functions, which libpq calls by the fast path and which leave nothing in the session
// (pg_proc.dat: lo_open, lo_close, loread, lowrite, lo_lseek, lo_creat, lo_tell, lo_create, lo_import,
// lo_export, lo_unlink, lo_truncate and the 64-bit ones).
constexpr std::array<uint32_t, 17> kLargeObjectFunctions = {952, 953, 954, 955,  956,  957,  958,  715, 764,
                                                            765, 964, 767, 1004, 3170, 3171, 3172, 3460};

// By the type byte.
constexpr auto kKnownTypes = [] {
  using namespace frontend;
  std::array<bool, 256> known{};
  for (const char type : {kBind, kClose, kCopyData, kCopyDone, kCopyFail, kDescribe, kExecute, kFlush,
                          kFunctionCall, kParse, kQuery, kSync, kTerminate}) {
    known[static_cast<uint8_t>(type)] = true;
  }
  return known;
}();

void violate(ClientStep& step, std::string detail) {
  step.need = ClientStep::Need::Close;
  step.reason = CloseReason::ProtocolViolation;
  step.detail = std::make_unique<std::string>(std::move(detail));
}

}  // namespace

ClientSession::~ClientSession() { lose_writes(); }

uint64_t ClientSession::next_serial() {
  static std::atomic<uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

void ClientSession::begin(Settings settings, uint32_t process_id) {
  process_id_ = process_id;
  settings_ = settings;
  login_settings_ = std::move(settings);
  passes_names_ = context_->max_prepared_statements == 0;
}

const sql::FactsPtr& ClientSession::facts_of(std::string_view text) const {
  if ((!settings_->encoding_is_ascii_safe || encoding_in_doubt_) && !is_ascii(text)) {
    static const sql::FactsPtr unknown = std::make_shared<const sql::StatementFacts>();
    return unknown;
  }
  return context_->facts->look_up(text, conforming_strings());
}

void ClientSession::take_link(LinkState& link, Outbox& to_server, LinkUse use) {
  invariant(link_ == nullptr && link.at_rest(), "a session without a link gets one at rest");
  link_ = &link;
  for_lone_read_ = use == LinkUse::LoneRead;
  portal_then_ = {};
  portal_query_ = {};
  portal_statement_ = 0;
  asks_shape_ = false;
  if (told_ != nullptr) {
    told_->asked_of = 0;
  }
  restores_ = 0;
  batch_runs_ = flushed_ = false;
  if (link.settings != settings_) {
    send_settings(to_server);
    link.replay.begin();  // what is ours in front of a batch does not keep it from being lone
  }
  if (has_deferred_block() && use == LinkUse::Anything) {
    send_begin(to_server);
    link.replay.drop();
  } else if (has_deferred_block() && use == LinkUse::Replay) {
    block_->reads_alone = false;  // the primary has answered: what is newer there is not unseen again
  }
}

void ClientSession::send_settings(Outbox& to_server) {
  link_differs_ = false;
  const std::string sql = settings_switch(*link_->settings, *settings_);
  if (sql.empty()) {
    return;
  }
  owe({.request = Request::Query, .delivery = Delivery::Swallow});
  append_query(to_server.own(), sql);
  link_->unnamed_id = 0;  // a simple query drops it
  // The reports in its answer put the tracked values right; nobody reports the startup settings.
  link_->settings = with_startup(link_->settings, settings_->startup);
}

// currval() and lastval() tell what nextval() gave in a server's session, whoever asked it: what another
// client was given is no answer to this one. PostgreSQL's error is, when it has asked over another link or
// not at all.
void ClientSession::send_forget_sequences(const sql::StatementFacts& facts, Outbox& to_server) {
  const bool between_batches = link_->owed.empty() && !link_->unsynced;
  if (!facts.has(sql::Effect::SequenceState) || link_->sequence_user == serial_ || !between_batches ||
      link_->status == TransactionStatus::Failed || link_->copy_in) {
    return;
  }
  link_->sequence_user = serial_;
  owe({.request = Request::Query, .delivery = Delivery::Swallow});
  append_query(to_server.own(), "DISCARD SEQUENCES");
  link_->unnamed_id = 0;
}

void ClientSession::leave_link() {
  invariant(link_ != nullptr, "only a link that is held is left");
  // Its process lives on, perhaps, and commits nothing of ours any more: an open block is rolled back.
  const bool answered_all =
      link_->owed.empty() && !link_->unsynced && !link_->skips_to_sync && !link_->copy_in;
  if (freshness_ != nullptr && freshness_->has_written() && answered_all) {
    freshness_->settle();
  }
  link_->replay.drop();
  if (link_->owed.empty()) {
    link_->followed.clear();
  }
  portal_then_ = {};
  link_ = nullptr;
  for_lone_read_ = false;
  leaves_doubt_ = false;
  link_differs_ = false;
  may_open_block_ = encoding_in_doubt_ = block_only_reads_ = false;
  blurred_ = commits_chained_ = false;  // what the link is left with is taken from it, or it is pinned
  pins_ = settled_pins_ = 0;
  if (body_left_ > 0) {
    body_forwarded_ = false;
  }
}

const StatementRef& ClientSession::statement_named(std::string_view name) const {
  static const StatementRef none;
  return names_ ? names_->find(name) : none;
}

VirtualStatements& ClientSession::names() {
  if (!names_) {
    names_ = std::make_unique<VirtualStatements>();
  }
  return *names_;
}

// ---- What the client sends ----

ClientStep ClientSession::on_client_bytes(std::string_view in, Outbox& to_server, Outbox& to_client) {
  ClientStep step;
  while (step.taken < in.size()) {
    const std::string_view rest = in.substr(step.taken);
    if (body_left_ > 0) {
      const std::string_view part = rest.substr(0, body_left_);
      if (body_forwarded_) {
        to_server.forward(part);
      }
      body_left_ -= static_cast<uint32_t>(part.size());
      step.taken += part.size();
      continue;
    }
    if (asks_shape_) {
      break;
    }
    Frame frame{};
    const FrameStatus status = peek_frame(rest, frame);
    if (status == FrameStatus::NeedMore) {
      break;
    }
    const auto type = static_cast<uint8_t>(frame.type);
    if (status == FrameStatus::Malformed || !kKnownTypes[type]) {
      violate(step, status == FrameStatus::Malformed
                        ? "invalid message length"
                        : "invalid frontend message type " + std::to_string(type));
      break;
    }
    if (frame.length > context_->max_packet_size) {
      violate(step, "a message of " + std::to_string(frame.length) + " bytes is longer than max_packet_size");
      break;
    }
    if (context_->simple_query_disabled && frame.type == frontend::kQuery) {
      violate(step, "PQexec disallowed");
      break;
    }
    const Message message{frame, rest.substr(0, frame.total_bytes())};
    context_->following = rest.substr(message.front.size());
    const Outcome outcome = failed_block_ || skips_to_sync_ ? on_message_without_server(message, to_client)
                                                            : on_message(message, to_server, to_client);
    if (outcome == Outcome::Taken) {
      step.taken += message.front.size();
      continue;
    }
    if (outcome == Outcome::NeedLink) {
      step.need = ClientStep::Need::Link;
    } else if (outcome == Outcome::Terminate) {
      step.need = ClientStep::Need::Close;
      step.reason = CloseReason::ClientTerminated;
    } else if (outcome == Outcome::Violation) {
      violate(step, std::string("invalid format of message type ") + frame.type);
    }
    break;
  }
  if (link_ != nullptr) {
    invent_answers(to_client);
  }
  return step;
}

ClientSession::Outcome ClientSession::on_message(const Message& message, Outbox& to_server,
                                                 Outbox& to_client) {
  using namespace frontend;
  if (link_ != nullptr && link_->skips_to_sync && message.frame.type != kSync &&
      message.frame.type != kTerminate) {
    discard(message);
    return Outcome::Taken;
  }
  if (link_ == nullptr && !message.whole() && message.body().size() <= context_->inspect_max &&
      message.frame.type != kTerminate) {
    return Outcome::NeedMore;  // no server waits for the front of a message
  }
  if (link_differs_ && link_ != nullptr && link_->owed.empty() && !link_->unsynced &&
      link_->status != TransactionStatus::Failed) {
    send_settings(to_server);
  }
  switch (message.frame.type) {
    case kQuery:
      return on_query(message, to_server, to_client);
    case kParse:
      return on_parse(message, to_server, to_client);
    case kBind:
      return on_bind(message, to_server);
    case kDescribe:
      return on_describe(message, to_server);
    case kExecute:
      if (link_ == nullptr) {
        return Outcome::NeedLink;
      }
      begin_batch();
      link_->unsynced = true;
      batch_runs_ = true;
      forward(message, {.request = Request::Execute, .then = portal_then_, .query = portal_query_},
              to_server);
      return Outcome::Taken;
    case kClose:
      return on_close(message, to_server, to_client);
    case kSync:
      return on_sync(message, to_server, to_client);
    case kFlush:
      if (link_ != nullptr) {
        to_server.forward(message.front);
        stream_rest(message, true);
        flushed_ = true;
        invent_answers(to_client);
        rest_after_preparing(to_server);
      } else {
        discard(message);
      }
      return Outcome::Taken;
    case kFunctionCall:
      return on_function_call(message, to_server);
    case kTerminate:
      return Outcome::Terminate;
    default:
      return on_copy(message, to_server);
  }
}

ClientSession::Outcome ClientSession::on_query(const Message& message, Outbox& to_server, Outbox& to_client) {
  const bool too_long = message.frame.length > context_->inspect_max;
  if (!too_long && !message.whole()) {
    return Outcome::NeedMore;
  }
  if (too_long) {
    if (link_ == nullptr) {
      return Outcome::NeedLink;
    }
    if (link_->copy_in) {
      to_server.forward(message.front);
      stream_rest(message, true);
      return Outcome::Taken;
    }
    note_unknown_write();
    pin(kPinTooLong);
    may_open_block_ = true;
    begin_batch();
    link_->replay.drop();
    link_->unnamed_id = 0;
    scope_->ddl_epoch.fetch_add(1, std::memory_order_relaxed);
    const QueryRef query = query_of(0, {});
    forward(message, {.request = Request::Query, .then = {.effects = kWritesAndCommits}, .query = query},
            to_server);
    return Outcome::Taken;
  }
  const auto text = decode_query(message.body());
  if (!text) {
    return Outcome::Violation;
  }
  if (link_ == nullptr && !may_need_no_server(*text)) {
    return Outcome::NeedLink;
  }
  const auto& facts = facts_of(*text);
  if (link_ == nullptr) {
    if (!facts->multi && facts->has(sql::Effect::DiscardAll) && !has_deferred_block()) {
      // Nothing of this session is on any server.
      if (names_) {
        names_.reset();
        told_.reset();
      }
      restore_login_settings(kRestoresAll, to_client);
      append_command_complete(to_client.own(), "DISCARD ALL");
      append_ready_for_query(to_client.own(), TransactionStatus::Idle);
      return Outcome::Taken;
    }
    const bool answered = answer_block(*text, *facts, to_client) || answer_floor(*facts, to_client);
    return answered ? Outcome::Taken : Outcome::NeedLink;
  }
  if (link_->copy_in) {
    // The server refuses it without an answer of its own; the COPY's answer says so.
    to_server.forward(message.front);
    return Outcome::Taken;
  }
  if (const std::string floor = floor_stand_in(*facts); !floor.empty()) {
    query_stand_in(floor, to_server);
    return Outcome::Taken;
  }
  send_forget_sequences(*facts, to_server);
  OwedAnswer owed{.request = Request::Query,
                  .plain_read = facts->replay_safe(),
                  .then = note_effects(facts),
                  .query = query_of(facts->fingerprint, *text)};
  begin_batch();
  if (names_) {
    names_->clear_unnamed();
  }
  link_->unnamed_id = 0;
  const bool deallocates = facts->kind == sql::StatementKind::Deallocate && !facts->multi &&
                           !facts->name.empty() && names_ && names_->find(facts->name);
  if (deallocates && passes_name(facts->name)) {
    names_->remove(facts->name);
    owed.name_changes = 1;
  } else if (deallocates && link_->status != TransactionStatus::Failed) {
    names_->remove(facts->name);
    owed.name_changes = 1;
    const std::string sql = "DEALLOCATE " + std::string(deallocate_stand_in(to_server));
    if (may_be_aborted()) {
      // If it is, the stand-in's Parse fails, and the Query would be skipped with what follows.
      owe({.request = Request::Sync, .delivery = Delivery::Swallow});
      append_empty(to_server.own(), frontend::kSync);
    }
    owe(owed);
    append_query(to_server.own(), sql);
    return Outcome::Taken;
  }
  if (link_->replay.usable) {
    link_->replay.only_reads =
        link_->replay.only_reads && (for_lone_read_ || (facts->replay_safe() && !hides_write_));
  }
  forward(message, owed, to_server);
  if (link_->replay.usable) {
    link_->replay.complete = true;
  }
  return Outcome::Taken;
}

ClientSession::Outcome ClientSession::on_copy(const Message& message, Outbox& to_server) {
  // Outside a COPY the server ignores these, and so do we: a client may still be sending after a failure.
  if (link_ == nullptr || (!link_->copy_in && link_->owed.empty())) {
    discard(message);
    return Outcome::Taken;
  }
  if (message.frame.type != frontend::kCopyData) {
    if (link_->copy_in) {
      link_->copy_in = false;
    } else {
      owe({.request = Request::CopyEnd});
    }
  }
  link_->replay.drop();
  to_server.forward(message.front);
  stream_rest(message, true);
  return Outcome::Taken;
}

ClientSession::Outcome ClientSession::on_function_call(const Message& message, Outbox& to_server) {
  if (link_ == nullptr) {
    return Outcome::NeedLink;
  }
  if (message.body().size() < 4) {
    return message.whole() ? Outcome::Violation : Outcome::NeedMore;
  }
  const uint32_t function = load_be32(message.body().data());
  bool known = false;
  for (const uint32_t oid : kLargeObjectFunctions) {
    known = known || oid == function;
  }
  if (!known) {
    pin(kPinFunctionCall);
  }
  begin_batch();
  link_->replay.drop();
  note_unknown_write();
  OwedAnswer owed{.request = Request::FunctionCall};
  owed.then.add(OwedEffect::MayWrite);
  forward(message, owed, to_server);
  return Outcome::Taken;
}

// ---- Sending ----

void ClientSession::forward(const Message& message, const OwedAnswer& owed, Outbox& to_server,
                            const StatementRef& unnamed) {
  if (message.whole()) {
    record(owed, unnamed, unnamed != nullptr, message.front);
  } else {
    link_->replay.drop();
  }
  owe(owed);
  to_server.forward(message.front);
  stream_rest(message, true);
}

void ClientSession::discard(const Message& message) { stream_rest(message, false); }

void ClientSession::stream_rest(const Message& message, bool forwarded) {
  body_left_ = static_cast<uint32_t>(message.frame.total_bytes() - message.front.size());
  body_forwarded_ = forwarded;
}

}  // namespace sportello::proxy
