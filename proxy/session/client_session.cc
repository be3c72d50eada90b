#include "proxy/session/client_session.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "protocol/error_response.h"
#include "protocol/frontend_messages.h"
#include "protocol/invariant.h"
#include "protocol/sql/lexer.h"
#include "protocol/xxhash.h"

namespace sportello::proxy {
namespace {

// From the how-manieth Parse on an unnamed statement's text is kept prepared on the links, as JDBC does it.
constexpr uint32_t kHotParses = 5;

// A statement of ours without a text; DEALLOCATE of a virtual statement is carried out on it.
constexpr std::string_view kStandIn = "sportello_nothing";

constexpr std::string_view kNoParameterTypes("\0\0", 2);

// The large-object functions, which libpq calls by the fast path and which leave nothing in the session
// (pg_proc.dat: lo_open, lo_close, loread, lowrite, lo_lseek, lo_creat, lo_tell, lo_create, lo_import,
// lo_export, lo_unlink, lo_truncate and the 64-bit ones).
constexpr std::array<uint32_t, 17> kLargeObjectFunctions = {952, 953, 954, 955,  956,  957,  958,  715, 764,
                                                            765, 964, 767, 1004, 3170, 3171, 3172, 3460};

struct PinWord {
  uint64_t bit;
  std::string_view word;
};

constexpr std::array<PinWord, 16> kPinWords = {{
    {sql::Effect::SetOther, "setting"},
    {sql::Effect::SetRole, "role"},
    {sql::Effect::SetSessionAuthorization, "session authorization"},
    {sql::Effect::SqlPrepare, "sql prepare"},
    {sql::Effect::Listen, "listen"},
    {sql::Effect::TempObject, "temporary object"},
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

bool known_type(char type) {
  using namespace frontend;
  switch (type) {
    case kBind:
    case kClose:
    case kCopyData:
    case kCopyDone:
    case kCopyFail:
    case kDescribe:
    case kExecute:
    case kFlush:
    case kFunctionCall:
    case kParse:
    case kQuery:
    case kSync:
    case kTerminate:
      return true;
    default:
      return false;
  }
}

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

StatementRef to_prove(const StatementRef& statement) {
  return statement->proven.load(std::memory_order_relaxed) ? nullptr : statement;
}

bool is_ascii(std::string_view text) {
  constexpr uint64_t kHighBits = 0x8080808080808080;
  while (text.size() >= sizeof(uint64_t)) {
    uint64_t word = 0;
    std::memcpy(&word, text.data(), sizeof word);
    if ((word & kHighBits) != 0) {
      return false;
    }
    text.remove_prefix(sizeof word);
  }
  return std::none_of(text.begin(), text.end(),
                      [](char c) { return (static_cast<unsigned char>(c) & 0x80U) != 0; });
}

// The parameter of track_extra_parameters that a lone SET or RESET is about.
std::optional<Tracked> extra_parameter(const sql::StatementFacts& facts) {
  if (tracked_count() == kTrackedCount || facts.multi || facts.kind != sql::StatementKind::Set ||
      !facts.has(sql::Effect::SetOther)) {
    return std::nullopt;
  }
  return find_tracked(facts.name);
}

void append_header(std::string& out, char type, size_t body_bytes) {
  std::array<char, kFrameHeaderBytes> header;
  header[0] = type;
  store_be32(header.data() + 1, static_cast<uint32_t>(body_bytes + 4));
  out.append(header.data(), header.size());
}

}  // namespace

void ClientSession::begin(Settings settings) {
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

std::string ClientSession::pin_reasons() const {
  std::string reasons;
  for (const PinWord& word : kPinWords) {
    if ((pins_ & word.bit) != 0) {
      reasons.append(reasons.empty() ? "" : ", ").append(word.word);
    }
  }
  return reasons;
}

void ClientSession::take_link(LinkState& link, Outbox& to_server) {
  invariant(link_ == nullptr && link.at_rest(), "a session without a link gets one at rest");
  link_ = &link;
  portal_then_ = {};
  restores_ = 0;
  batch_runs_ = flushed_ = false;
  if (link.settings != settings_) {
    send_settings(to_server);
    link.replay.begin();  // what is ours in front of a batch does not keep it from being lone
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
  if (link_->settings->startup != settings_->startup) {
    SettingsValues values = *link_->settings;
    values.startup = settings_->startup;
    link_->settings = intern_settings(std::move(values));
  }
}

void ClientSession::leave_link() {
  invariant(link_ != nullptr, "only a link that is held is left");
  link_->replay.drop();
  link_ = nullptr;
  leaves_doubt_ = false;
  link_differs_ = false;
  may_open_block_ = encoding_in_doubt_ = false;
  pins_ = settled_pins_ = 0;
  if (body_left_ > 0) {
    body_forwarded_ = false;
  }
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
    Frame frame{};
    const FrameStatus status = peek_frame(rest, frame);
    if (status == FrameStatus::NeedMore) {
      break;
    }
    if (status == FrameStatus::Malformed || !known_type(frame.type)) {
      step.need = ClientStep::Need::Close;
      step.reason = CloseReason::ProtocolViolation;
      step.detail = status == FrameStatus::Malformed
                        ? "invalid message length"
                        : "invalid frontend message type " + std::to_string(static_cast<uint8_t>(frame.type));
      break;
    }
    if (frame.length > context_->max_packet_size) {
      step.need = ClientStep::Need::Close;
      step.reason = CloseReason::ProtocolViolation;
      step.detail = "a message of " + std::to_string(frame.length) + " bytes is longer than max_packet_size";
      break;
    }
    if (context_->simple_query_disabled && frame.type == frontend::kQuery) {
      step.need = ClientStep::Need::Close;
      step.reason = CloseReason::ProtocolViolation;
      step.detail = "PQexec disallowed";
      break;
    }
    const Message message{frame, rest.substr(0, frame.total_bytes())};
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
      step.need = ClientStep::Need::Close;
      step.reason = CloseReason::ProtocolViolation;
      step.detail = std::string("invalid format of message type ") + frame.type;
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
  if (link_ == nullptr && !message.whole() && message.frame.length <= context_->inspect_max &&
      message.frame.type != kTerminate) {
    return Outcome::NeedMore;  // no server waits for the rest of a short message
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
      forward(message, {.request = Request::Execute, .then = portal_then_}, to_server);
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
    pin(kPinTooLong);
    may_open_block_ = true;
    begin_batch();
    link_->replay.drop();
    link_->unnamed_id = 0;
    scope_->ddl_epoch.fetch_add(1, std::memory_order_relaxed);
    forward(message, {.request = Request::Query}, to_server);
    return Outcome::Taken;
  }
  const auto text = decode_query(message.body());
  if (!text) {
    return Outcome::Violation;
  }
  const auto& facts = facts_of(*text);
  if (link_ == nullptr) {
    if (!facts->multi && facts->has(sql::Effect::DiscardAll)) {
      // Nothing of this session is on any server.
      if (names_) {
        names_.reset();
      }
      restore_login_settings(kRestoresAll, to_client);
      append_command_complete(to_client.own(), "DISCARD ALL");
      append_ready_for_query(to_client.own(), TransactionStatus::Idle);
      return Outcome::Taken;
    }
    return Outcome::NeedLink;
  }
  if (link_->copy_in) {
    // The server refuses it without an answer of its own; the COPY's answer says so.
    to_server.forward(message.front);
    return Outcome::Taken;
  }
  OwedAnswer owed{.request = Request::Query, .then = note_effects(facts)};
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
    link_->replay.only_reads = link_->replay.only_reads && facts->replay_safe();
  }
  forward(message, owed, to_server);
  if (link_->replay.usable) {
    link_->replay.complete = true;
  }
  return Outcome::Taken;
}

StatementRef ClientSession::statement_of(std::string_view text, std::string_view types, uint32_t* uses) {
  const uint64_t epoch = scope_->ddl_epoch.load(std::memory_order_relaxed);
  const bool unreadable = encoding_in_doubt_ && !is_ascii(text);
  const std::array<uint64_t, 6> parts = {
      scope_->id, user_id_, settings_->startup_id, settings_->reading_id, epoch, unreadable ? 1U : 0U};
  const StatementKey key{text, types,
                         hash_bytes({reinterpret_cast<const char*>(parts.data()), sizeof parts})};
  StatementCache::Entry* entry = context_->statements->find(key);
  if (entry == nullptr) {
    StatementRef made = intern_statement(key, facts_of(text));
    if (made == nullptr) {
      return nullptr;
    }
    entry = context_->statements->insert(key, std::move(made));
  }
  *uses = ++entry->uses;
  return entry->statement;
}

ClientSession::Outcome ClientSession::on_parse(const Message& message, Outbox& to_server, Outbox& to_client) {
  if (message.frame.length > context_->inspect_max) {
    return link_ == nullptr ? Outcome::NeedLink : on_long_parse(message, to_server);
  }
  if (!message.whole()) {
    return Outcome::NeedMore;
  }
  const auto parse = decode_parse(message.body());
  if (!parse) {
    return Outcome::Violation;
  }
  uint32_t uses = 0;
  const StatementRef statement = statement_of(parse->query, parse->parameter_types, &uses);
  if (link_ == nullptr) {
    const bool taken = !parse->name.empty() && names_ && names_->find(parse->name);
    const bool deallocates = statement != nullptr && statement->facts->kind == sql::StatementKind::Deallocate;
    const bool passes = passes_name(parse->name);
    if (statement == nullptr || taken || deallocates || passes ||
        !statement->proven.load(std::memory_order_relaxed)) {
      return Outcome::NeedLink;
    }
    names().define(parse->name, statement);
    names().acknowledge();
    if (parse->name.empty()) {
      unnamed_is_shared_ = !passes_names_;
    }
    counts_.client_parses++;
    append_empty(to_client.own(), backend::kParseComplete);
    return Outcome::Taken;
  }
  counts_.client_parses++;
  begin_batch();
  link_->unsynced = true;
  if (statement == nullptr) {
    // All statements' bytes together have reached their bound: this one is the server's alone.
    pin(kPinTooLong);
    link_->replay.drop();
    forward(message, {.request = Request::Parse}, to_server);
    return Outcome::Taken;
  }
  if (passes_name(parse->name)) {
    return pass_named_parse(message, parse->name, statement, to_server);
  }
  const sql::StatementFacts& facts = *statement->facts;
  if (!passes_name(facts.name) && facts.kind == sql::StatementKind::Deallocate && !facts.multi &&
      !facts.name.empty() && names_ && names_->find(facts.name)) {
    parse_deallocate(*parse, facts.name, to_server);
    return Outcome::Taken;
  }
  if (!parse->name.empty() && !discards_names_ && names_ && names_->find(parse->name)) {
    send_duplicate_name_error(parse->name, to_server);
    forward(message, {.request = Request::Parse}, to_server);
    return Outcome::Taken;
  }
  const bool is_dml =
      !facts.multi && (facts.kind == sql::StatementKind::Read || facts.kind == sql::StatementKind::Write);
  const bool hot = is_dml && uses > kHotParses && !passes_names_;
  names().define(parse->name, statement);
  if (parse->name.empty() && !hot) {
    unnamed_is_shared_ = false;
    link_->unnamed_id = statement->id;
    link_->unnamed_batch = link_->statements.batch();
    forward(message,
            {.request = Request::Parse,
             .name_changes = 1,
             .unnamed_id = statement->id,
             .proves = to_prove(statement)},
            to_server);
    return Outcome::Taken;
  }
  unnamed_is_shared_ = unnamed_is_shared_ || parse->name.empty();
  const bool good = statement->proven.load(std::memory_order_relaxed) || link_->statements.use(statement->id);
  if (good && !may_be_aborted()) {
    // Good already, or under way in front of this: then its turn comes after that one's answer.
    OwedAnswer owed{.request = Request::Parse, .delivery = Delivery::Invent, .name_changes = 1};
    record(owed, nullptr, false, {});
    owe(std::move(owed));
    invent_answers(to_client);
    return Outcome::Taken;
  }
  send_parse(statement, Delivery::Forward, 1, to_server);
  link_->owed.back().of_unnamed = parse->name.empty();
  return Outcome::Taken;
}

bool ClientSession::passes_name(std::string_view name) const {
  return passes_names_ && !name.empty() && !name.starts_with(kServerStatementPrefix);
}

ClientSession::Outcome ClientSession::pass_named_parse(const Message& message, std::string_view name,
                                                       StatementRef statement, Outbox& to_server) {
  names().define(name, std::move(statement));
  link_->replay.drop();
  pins_ |= kPinNamedStatement;
  forward(message, {.request = Request::Parse, .then = {.pins = kPinNamedStatement}, .name_changes = 1},
          to_server);
  return Outcome::Taken;
}

bool ClientSession::may_be_aborted() const {
  if (link_->status == TransactionStatus::Failed) {
    return true;
  }
  if (link_->status == TransactionStatus::Idle && !may_open_block_) {
    return false;
  }
  // An error in this very batch makes the server skip this, too. Longer queues are not looked through.
  constexpr size_t kLook = 64;
  const size_t count = link_->owed.size();
  for (size_t i = count; i-- > 0 && count - i <= kLook;) {
    const Request request = link_->owed[i].request;
    if (request == Request::Sync || request == Request::Query || request == Request::FunctionCall) {
      return true;
    }
  }
  return count > kLook;
}

// Invariant 5: the link would else be held until the client goes on (asyncpg's prepare() sends no Sync).
void ClientSession::rest_after_preparing(Outbox& to_server) {
  const bool waits = (link_->unsynced && flushed_) || link_->skips_to_sync;
  if (!waits || batch_runs_ || !link_->owed.empty() || link_->status != TransactionStatus::Idle ||
      link_->copy_in || body_left_ > 0 || pins_ != 0 || keeps_link_) {
    return;
  }
  skips_to_sync_ = link_->skips_to_sync;
  link_->skips_to_sync = false;
  link_->unsynced = false;
  flushed_ = false;
  link_->replay.drop();
  owe({.request = Request::Sync, .delivery = Delivery::Swallow});
  append_empty(to_server.own(), frontend::kSync);
}

// DEALLOCATE of a virtual statement, as a prepared statement itself.
void ClientSession::parse_deallocate(const ParseMessage& parse, const std::string& name, Outbox& to_server) {
  const std::string sql = "DEALLOCATE " + std::string(deallocate_stand_in(to_server));
  names_->remove(name);
  uint32_t ignored = 0;
  const StatementRef stand_in = statement_of(sql, kNoParameterTypes, &ignored);
  names_->define(parse.name, stand_in);
  if (parse.name.empty()) {
    unnamed_is_shared_ = false;
    link_->unnamed_id = stand_in->id;
    link_->unnamed_batch = link_->statements.batch();
    owe({.request = Request::Parse, .name_changes = 2, .unnamed_id = stand_in->id});
    append_parse(to_server.own(), "", sql, parse.parameter_types);
  } else {
    ensure_prepared(stand_in, to_server);
    owe({.request = Request::Parse, .delivery = Delivery::Invent, .name_changes = 2});
  }
}

// A Parse too long to be kept: it streams through under a name of ours, and the session stays on this link.
ClientSession::Outcome ClientSession::on_long_parse(const Message& message, Outbox& to_server) {
  WireReader reader(message.body());
  const std::string_view name = reader.cstring();
  if (!reader.ok()) {
    return message.body().size() > context_->inspect_max || message.whole() ? Outcome::Violation
                                                                            : Outcome::NeedMore;
  }
  pin(kPinTooLong);
  begin_batch();
  link_->replay.drop();
  link_->unsynced = true;
  const StatementRef opaque = make_opaque_statement();
  if (passes_name(name)) {
    return pass_named_parse(message, name, opaque, to_server);
  }
  names().define(name, opaque);
  if (name.empty()) {
    unnamed_is_shared_ = true;
  }
  make_room_for_statement(to_server);
  link_->statements.add(opaque->id);
  owe({.request = Request::Parse, .name_changes = 1, .statement_id = opaque->id});
  append_header(to_server.own(), frontend::kParse,
                message.frame.body_bytes() - name.size() + opaque->server_name.size());
  to_server.own().append(opaque->server_name).push_back('\0');
  to_server.forward(reader.remaining());
  stream_rest(message, true);
  return Outcome::Taken;
}

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
                        .statement_id = statement->id,
                        .proves = to_prove(statement)};
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
  owe({.request = Request::Parse, .delivery = Delivery::Swallow, .unnamed_id = statement->id});
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

ClientSession::Outcome ClientSession::on_bind(const Message& message, Outbox& to_server) {
  if (link_ == nullptr) {
    return Outcome::NeedLink;
  }
  const auto prefix = decode_bind_prefix(message.body());
  if (!prefix) {
    return message.whole() || message.front.size() > context_->inspect_max ? Outcome::Violation
                                                                           : Outcome::NeedMore;
  }
  counts_.binds++;
  begin_batch();
  link_->unsynced = true;
  batch_runs_ = true;
  OwedAnswer owed{.request = Request::Bind};
  const StatementRef statement = names_ ? names_->find(prefix->statement) : nullptr;
  if (statement == nullptr) {
    if (prefix->statement.empty()) {
      hide_unnamed(to_server);
    }
    const bool ours = prefix->statement.starts_with(kServerStatementPrefix);
    link_->replay.drop();
    if (!ours) {
      forward(message, owed, to_server);
      return Outcome::Taken;
    }
  }
  std::string server_name;
  if (statement != nullptr) {
    const Consequences then = note_effects(statement->facts);
    portal_then_.effects |= then.effects;
    portal_then_.restores |= then.restores;
    portal_then_.pins |= then.pins;
    portal_then_.follows = then.follows;
    owed.then.pins = then.pins;
    if (link_->replay.usable) {
      link_->replay.only_reads = link_->replay.only_reads && statement->facts->replay_safe();
    }
    if (prefix->statement.empty() && !unnamed_is_shared_) {
      ensure_unnamed(statement, to_server);
      forward(message, owed, to_server, statement);
      return Outcome::Taken;
    }
    if (passes_name(prefix->statement)) {
      link_->replay.drop();
      forward(message, owed, to_server);
      return Outcome::Taken;
    }
    ensure_prepared(statement, to_server);
    server_name = statement->server_name;
  } else {
    // A name of ours that the client never prepared: one that no statement has, in nearly the same words.
    server_name = " " + std::string(prefix->statement);
  }
  owe(owed);
  std::string& out = to_server.own();
  const size_t begin = out.size();
  append_header(out, frontend::kBind,
                message.frame.body_bytes() - prefix->statement.size() + server_name.size());
  out.append(prefix->portal).push_back('\0');
  out.append(server_name).push_back('\0');
  const std::string_view rest = message.body().substr(prefix->bytes);
  if (message.whole()) {
    record(owed, statement, false, std::string_view(out).substr(begin), rest);
  } else {
    link_->replay.drop();
  }
  to_server.forward(rest);
  stream_rest(message, true);
  return Outcome::Taken;
}

ClientSession::Outcome ClientSession::on_describe(const Message& message, Outbox& to_server) {
  if (link_ == nullptr) {
    return Outcome::NeedLink;
  }
  if (!message.whole()) {
    return message.frame.length > context_->inspect_max ? Outcome::Violation : Outcome::NeedMore;
  }
  const auto target = decode_target(message.body());
  if (!target) {
    return Outcome::Violation;
  }
  begin_batch();
  link_->unsynced = true;
  const OwedAnswer owed{.request =
                            target->kind == 'S' ? Request::DescribeStatement : Request::DescribePortal};
  batch_runs_ = batch_runs_ || target->kind == 'P';
  const StatementRef statement =
      target->kind == 'S' && names_ && !passes_name(target->name) ? names_->find(target->name) : nullptr;
  if (statement == nullptr) {
    if (target->kind == 'S' && target->name.empty()) {
      hide_unnamed(to_server);
    }
    link_->replay.drop();
    forward(message, owed, to_server);
    return Outcome::Taken;
  }
  if (target->name.empty() && !unnamed_is_shared_) {
    ensure_unnamed(statement, to_server);
    forward(message, owed, to_server, statement);
    return Outcome::Taken;
  }
  ensure_prepared(statement, to_server);
  owe(owed);
  std::string& out = to_server.own();
  const size_t begin = out.size();
  append_target(out, frontend::kDescribe, 'S', statement->server_name);
  record(owed, statement, false, std::string_view(out).substr(begin));
  return Outcome::Taken;
}

ClientSession::Outcome ClientSession::on_close(const Message& message, Outbox& to_server, Outbox& to_client) {
  if (!message.whole()) {
    return message.frame.length > context_->inspect_max ? Outcome::Violation : Outcome::NeedMore;
  }
  const auto target = decode_target(message.body());
  if (!target) {
    return Outcome::Violation;
  }
  if (link_ == nullptr) {
    // Nothing is under way: the name goes at once. A portal does not outlive its transaction.
    if (target->kind == 'S' && names_) {
      names_->remove(target->name);
      names_->acknowledge();
    }
    append_empty(to_client.own(), backend::kCloseComplete);
    return Outcome::Taken;
  }
  begin_batch();
  link_->unsynced = true;
  if (target->kind == 'P') {
    batch_runs_ = true;
    forward(message, {.request = Request::Close}, to_server);
    return Outcome::Taken;
  }
  OwedAnswer owed{.request = Request::Close};
  const StatementRef statement = names_ ? names_->find(target->name) : nullptr;
  if (statement != nullptr) {
    names_->remove(target->name);
    owed.name_changes = 1;
  }
  if (statement != nullptr && !(target->name.empty() && !unnamed_is_shared_) && !passes_name(target->name)) {
    // The link keeps it, for the others.
    owed.delivery = Delivery::Invent;
    owe(owed);
    record(owed, nullptr, false, {});
    return Outcome::Taken;
  }
  if (target->name.starts_with(kServerStatementPrefix)) {
    owed.delivery = Delivery::Invent;  // it is not the client's; closing what does not exist succeeds
    owe(owed);
    record(owed, nullptr, false, {});
    return Outcome::Taken;
  }
  if (target->name.empty()) {
    link_->unnamed_id = 0;
  }
  forward(message, owed, to_server);
  return Outcome::Taken;
}

ClientSession::Outcome ClientSession::on_sync(const Message& message, Outbox& to_server, Outbox& to_client) {
  if (!message.whole()) {
    return message.frame.length > 4 ? Outcome::Violation : Outcome::NeedMore;
  }
  if (message.frame.length != 4) {
    return Outcome::Violation;
  }
  if (link_ == nullptr) {
    append_ready_for_query(to_client.own(), TransactionStatus::Idle);
    return Outcome::Taken;
  }
  if (link_->copy_in) {
    to_server.forward(message.front);  // owed_answer.h, 3
    return Outcome::Taken;
  }
  begin_batch();
  link_->skips_to_sync = false;
  link_->unsynced = false;
  batch_runs_ = flushed_ = false;
  portal_then_ = {};
  forward(message, {.request = Request::Sync}, to_server);
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
  forward(message, {.request = Request::FunctionCall}, to_server);
  return Outcome::Taken;
}

// ---- Sending ----

void ClientSession::forward(const Message& message, OwedAnswer owed, Outbox& to_server,
                            StatementRef unnamed) {
  owe(owed);
  if (message.whole()) {
    const bool raw_unnamed = unnamed != nullptr;
    record(owed, std::move(unnamed), raw_unnamed, message.front);
  } else {
    link_->replay.drop();
  }
  to_server.forward(message.front);
  stream_rest(message, true);
}

void ClientSession::discard(const Message& message) { stream_rest(message, false); }

void ClientSession::stream_rest(const Message& message, bool forwarded) {
  body_left_ = static_cast<uint32_t>(message.frame.total_bytes() - message.front.size());
  body_forwarded_ = forwarded;
}

void ClientSession::owe(OwedAnswer owed) {
  if (owed.request == Request::Sync) {
    link_->statements.end_batch();
  }
  link_->owed.push_back(std::move(owed));
}

void ClientSession::begin_batch() {
  if (link_->at_rest()) {
    link_->replay.begin();
  } else if (link_->replay.complete) {
    // The client sends ahead: what was to be run again would now come after this.
    link_->replay.drop();
  }
}

void ClientSession::record(const OwedAnswer& owed, StatementRef needs, bool raw_unnamed,
                           std::string_view front, std::string_view rest) {
  Replay& replay = link_->replay;
  if (!replay.usable) {
    return;
  }
  if (replay.bytes.size() + front.size() + rest.size() > Replay::kMaxBytes) {
    replay.drop();
    return;
  }
  replay.bytes.append(front).append(rest);
  replay.parts.push_back(
      {owed, std::move(needs), static_cast<uint32_t>(front.size() + rest.size()), raw_unnamed});
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

// A SET that is a transaction of its own, of a value that set_config() takes as SET was given it.
bool ClientSession::can_follow(const sql::StatementFacts& facts) const {
  const bool plain =
      facts.kind == sql::StatementKind::Set && !facts.multi &&
      (facts.effects & ~static_cast<sql::Effects>(sql::Effect::Writes)) == sql::Effect::SetOther;
  const bool portable = facts.set_to_default || is_portable_setting(facts.name, facts.set_value);
  if (!plain || !portable || link_->status != TransactionStatus::Idle || portal_then_.follows != nullptr) {
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
  const auto add = [&](OwedEffect effect) { then.effects |= static_cast<uint8_t>(effect); };
  if (!only_reads(facts)) {
    add(OwedEffect::MayWrite);
  }
  if (may_commit(facts)) {
    add(OwedEffect::Commits);
  }
  if (facts.effects == 0) {
    return then;
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
  } else if (can_follow(facts)) {
    then.follows = std::shared_ptr<const sql::StatementFacts>(facts_owner, &facts);
    then.pins &= ~static_cast<uint64_t>(Effect::SetOther);
  }
  pins_ |= then.pins;
  may_open_block_ = may_open_block_ || facts.has(Effect::TransactionControl | Effect::Unknown);
  // Which parameter a set_config() names is not in the facts; one that is local to its transaction is taken
  // for another than this, as nearly all are.
  const bool names_encoding = facts.name == "client_encoding";
  encoding_in_doubt_ = encoding_in_doubt_ ||
                       (facts.has(Effect::SetReported) && (names_encoding || facts.name.empty())) ||
                       (facts.has(Effect::SetLocal) && names_encoding);
  const bool resets_all = facts.has(Effect::ResetAll | Effect::DiscardAll);
  if (facts.multi) {
    then.restores = facts.set_to_default || resets_all ? kRestoresReported : 0;
  } else if (resets_all) {
    then.restores = kRestoresAll;
  } else if (facts.has(Effect::SetReported) && facts.set_to_default) {
    const auto parameter = find_tracked(facts.name);
    then.restores =
        parameter ? static_cast<uint16_t>(1U << static_cast<unsigned>(*parameter)) : kRestoresReported;
  }
  const bool resets_startup =
      facts.has(Effect::SetOther) && facts.set_to_default && !settings_->startup.empty();
  if (resets_all || resets_startup) {
    add(OwedEffect::ResetsAll);
  }
  if (facts.has(Effect::IsDdl | Effect::Unknown)) {
    add(OwedEffect::ChangesCatalog);
    scope_->ddl_epoch.fetch_add(1, std::memory_order_relaxed);
  }
  if (facts.has(Effect::DiscardAll)) {
    add(OwedEffect::DiscardsAll);
    discards_names_ = true;
    link_->statements.make_uncertain();
  }
  if (facts.has(Effect::DeallocateAll)) {
    add(OwedEffect::DeallocatesAll);
    discards_names_ = true;
    link_->statements.make_uncertain();
  }
  return then;
}

}  // namespace sportello::proxy
