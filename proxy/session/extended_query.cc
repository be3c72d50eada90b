// The part of ClientSession that takes the client's extended-query messages (Parse, Bind, Describe, Close,
// Sync) and puts the names of our own in the place of the client's. What a link has to have prepared for
// them is link_preparing.cc.
#include <array>

#include "protocol/ascii.h"
#include "protocol/frontend_messages.h"
#include "protocol/xxhash.h"
#include "proxy/session/client_session.h"

namespace sportello::proxy {
namespace {

// From the how-manieth Parse on an unnamed statement's text is kept prepared on the links, as JDBC does it.
constexpr uint32_t kHotParses = 5;

void append_header(std::string& out, char type, size_t body_bytes) {
  std::array<char, kFrameHeaderBytes> header;
  header[0] = type;
  store_be32(header.data() + 1, static_cast<uint32_t>(body_bytes + 4));
  out.append(header.data(), header.size());
}

// A Bind up to its formats, in one go.
void append_bind_prefix(std::string& out, size_t body_bytes, std::string_view portal,
                        std::string_view statement) {
  size_t at = out.size();
  out.resize(at + kFrameHeaderBytes + portal.size() + statement.size() + 2);  // its zeros end the names
  out[at] = frontend::kBind;
  store_be32(out.data() + at + 1, static_cast<uint32_t>(body_bytes + 4));
  at += kFrameHeaderBytes;
  portal.copy(out.data() + at, portal.size());
  statement.copy(out.data() + at + portal.size() + 1, statement.size());
}

}  // namespace

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
  if (statement != nullptr) {
    send_forget_sequences(*statement->facts, to_server);
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
  if (const std::string floor = floor_stand_in(facts);
      !floor.empty() && parse_stand_in(*parse, floor, to_server)) {
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
            {.request = Request::Parse, .name_changes = 1, .is_raw = true, .statement_id = statement->id},
            to_server);
    return Outcome::Taken;
  }
  unnamed_is_shared_ = unnamed_is_shared_ || parse->name.empty();
  const bool good = statement->proven.load(std::memory_order_relaxed) || link_->statements.use(statement->id);
  if (good && !may_be_aborted()) {
    // Good already, or under way in front of this: then its turn comes after that one's answer.
    OwedAnswer owed{.request = Request::Parse, .delivery = Delivery::Invent, .name_changes = 1};
    record(owed, nullptr, false, {});
    owe(owed);
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
  forward(message, {.request = Request::Parse, .name_changes = 1, .then = {.pins = kPinNamedStatement}},
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
  if (!waits || batch_runs_ || asks_shape_ || !link_->owed.empty() ||
      link_->status != TransactionStatus::Idle || link_->copy_in || body_left_ > 0 || pins_ != 0 ||
      keeps_link_) {
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
    owe({.request = Request::Parse, .name_changes = 2, .is_raw = true, .statement_id = stand_in->id});
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

ClientSession::Outcome ClientSession::on_bind(const Message& message, Outbox& to_server) {
  if (link_ == nullptr) {
    return Outcome::NeedLink;
  }
  const auto prefix = decode_bind_prefix(message.body());
  if (!prefix) {
    return message.whole() || message.front.size() > context_->inspect_max ? Outcome::Violation
                                                                           : Outcome::NeedMore;
  }
  const StatementRef& statement = statement_named(prefix->statement);
  const bool shared = statement != nullptr && !passes_name(prefix->statement) &&
                      (!prefix->statement.empty() || unnamed_is_shared_);
  // nullptr: nothing hangs on it, as is so for nearly all.
  const StatementShape* relied_on =
      shared && told_ != nullptr ? shape_relied_on(*statement, describes_portal_next()) : nullptr;
  if (relied_on != nullptr && asks_shape_of(statement, *relied_on, to_server)) {
    return Outcome::Waits;
  }
  if (statement != nullptr) {
    send_forget_sequences(*statement->facts, to_server);
  }
  counts_.binds++;
  begin_batch();
  link_->unsynced = true;
  batch_runs_ = true;
  OwedAnswer owed{.request = Request::Bind};
  portal_statement_ = shared ? statement->id : 0;
  portal_query_ =
      statement == nullptr ? QueryRef() : query_of(statement->facts->fingerprint, statement->text);
  if (statement == nullptr) {
    if (prefix->statement.empty()) {
      hide_unnamed(to_server);
    }
    const bool ours = prefix->statement.starts_with(kServerStatementPrefix);
    note_unknown_write();
    link_->replay.drop();
    if (!ours) {
      forward(message, owed, to_server);
      return Outcome::Taken;
    }
  }
  std::string_view server_name;
  std::string nobodys_name;
  if (relied_on != nullptr && has_other_shape(*statement, *relied_on)) {
    fail_stale_rows(to_server);
  }
  if (statement != nullptr) {
    const Consequences then = note_effects(statement->facts);
    portal_then_.effects |= then.effects;
    portal_then_.restores |= then.restores;
    portal_then_.pins |= then.pins;
    portal_then_.follows = then.follows;
    owed.then.pins = then.pins;
    if (link_->replay.usable) {
      link_->replay.only_reads =
          link_->replay.only_reads && (for_lone_read_ || (statement->facts->replay_safe() && !hides_write_));
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
    nobodys_name = " " + std::string(prefix->statement);
    server_name = nobodys_name;
  }
  owe(owed);
  std::string& out = to_server.own();
  const size_t begin = out.size();
  append_bind_prefix(out, message.frame.body_bytes() - prefix->statement.size() + server_name.size(),
                     prefix->portal, server_name);
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
  OwedAnswer owed{.request = target->kind == 'S' ? Request::DescribeStatement : Request::DescribePortal};
  batch_runs_ = batch_runs_ || target->kind == 'P';
  static const StatementRef none;
  const StatementRef& statement =
      target->kind == 'S' && !passes_name(target->name) ? statement_named(target->name) : none;
  if (target->kind == 'P') {
    owed.statement_id = portal_statement_;
  } else if (statement != nullptr && !(target->name.empty() && !unnamed_is_shared_)) {
    owed.statement_id = statement->id;
  }
  if (statement == nullptr) {
    if (target->kind == 'S' && target->name.empty()) {
      hide_unnamed(to_server);
    }
    if (target->kind == 'S') {
      link_->replay.drop();  // a portal is described as it is bound
    }
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
    append_ready_for_query(to_client.own(), status_without_link());
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
  // Outside a block it is the Sync that commits what ran before it.
  const auto effects = static_cast<uint8_t>(portal_then_.effects & kWritesAndCommits);
  portal_then_ = {};
  forward(message, {.request = Request::Sync, .then = {.effects = effects}}, to_server);
  if (link_->replay.usable) {
    link_->replay.complete = true;
  }
  return Outcome::Taken;
}

}  // namespace sportello::proxy
