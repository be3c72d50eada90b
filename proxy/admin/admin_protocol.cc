#include "proxy/admin/admin_protocol.h"

#include "protocol/error_response.h"
#include "protocol/frame_decoder.h"
#include "protocol/frontend_messages.h"
#include "protocol/invariant.h"
#include "protocol/sqlstate.h"
#include "protocol/wire.h"
#include "proxy/admin/admin_columns.h"
#include "proxy/admin/admin_parser.h"
#include "proxy/admin/driver_parameters.h"

namespace sportello::proxy {
namespace {

void append_notice(std::string& out, const AdminNotice& notice) {
  WireWriter writer(out);
  writer.begin(backend::kNoticeResponse);
  writer.u8('S').cstring("NOTICE").u8('V').cstring("NOTICE").u8('C').cstring("00000").u8('M').cstring(
      notice.message);
  if (!notice.detail.empty()) {
    writer.u8('D').cstring(notice.detail);
  }
  if (!notice.hint.empty()) {
    writer.u8('H').cstring(notice.hint);
  }
  writer.u8(0).end();
}

Error malformed() { return {sqlstate::kProtocolViolation, "invalid message format"}; }

struct BindMessage {
  std::string_view portal;
  std::string_view statement;
  uint16_t parameters = 0;
  ResultFormats formats;
};

std::optional<BindMessage> decode_bind(std::string_view body) {
  WireReader reader(body);
  BindMessage bind;
  bind.portal = reader.cstring();
  bind.statement = reader.cstring();
  for (uint16_t left = reader.u16(); left > 0 && reader.ok(); left--) {
    reader.u16();
  }
  bind.parameters = reader.u16();
  for (uint16_t left = bind.parameters; left > 0 && reader.ok(); left--) {
    const uint32_t length = reader.u32();
    reader.bytes(length == 0xffffffff ? 0 : length);
  }
  std::vector<bool> formats;
  for (uint16_t left = reader.u16(); left > 0 && reader.ok(); left--) {
    const uint16_t format = reader.u16();
    if (format > 1) {
      return std::nullopt;
    }
    formats.push_back(format == 1);
  }
  bind.formats = ResultFormats(std::move(formats));
  return reader.complete() ? std::optional(std::move(bind)) : std::nullopt;
}

}  // namespace

void AdminProtocol::welcome(std::string_view cancel_key, std::string& out) const {
  for (const DriverParameter& parameter : driver_parameters()) {
    if (parameter.reported) {
      append_parameter_status(out, parameter.name, parameter.value);
    }
  }
  append_parameter_status(out, "session_authorization", client_.user);
  append_backend_key_data(out, client_.process_id, cancel_key);
  append_ready_for_query(out, TransactionStatus::Idle);
}

AdminProtocol::Next AdminProtocol::on_bytes(std::string_view bytes, std::string& out) {
  if (closed_) {
    return Next::Close;
  }
  input_.append(bytes);
  if (running_) {
    if (input_.size() > kMaxPending) {
      break_off("too many requests while a command runs");
      return Next::Close;
    }
    return Next::NeedsBytes;
  }
  return advance(out);
}

AdminProtocol::Next AdminProtocol::advance(std::string& out) {
  size_t taken = 0;
  while (!running_ && !closed_) {
    if (in_query_) {
      continue_query(out);
      continue;
    }
    WholeFrame frame;
    const FrameStatus status = take_whole_frame(std::string_view(input_).substr(taken), kMaxMessage, frame);
    if (status == FrameStatus::NeedMore) {
      break;
    }
    if (status == FrameStatus::Malformed) {
      break_off("invalid message length");
      break;
    }
    taken += frame.total_bytes;
    if (!on_message(frame.type, frame.body, out)) {
      closed_ = true;
    }
  }
  input_.erase(0, taken);
  return closed_ ? Next::Close : running_ ? Next::Run : Next::NeedsBytes;
}

// False: the conversation is over.
bool AdminProtocol::on_message(char type, std::string_view body, std::string& out) {
  switch (type) {
    case frontend::kTerminate:
      return false;
    case frontend::kSync:
      on_sync(out);
      return true;
    case frontend::kParse:
    case frontend::kBind:
    case frontend::kDescribe:
    case frontend::kExecute:
    case frontend::kClose:
    case frontend::kFlush:
      break;
    case frontend::kQuery:
      if (!skips_to_sync_) {
        on_query(body, out);
      }
      return true;
    case frontend::kFunctionCall:
      if (!skips_to_sync_) {
        fail({sqlstate::kFeatureNotSupported, "the admin console has no functions to call"}, out);
        append_ready_for_query(out, status_);
      }
      return true;
    case frontend::kCopyData:
    case frontend::kCopyDone:
    case frontend::kCopyFail:
      return true;  // left over from a COPY that never was, as in PostgreSQL
    default:
      return break_off("invalid frontend message type");
  }
  if (skips_to_sync_) {
    return true;
  }
  switch (type) {
    case frontend::kParse:
      on_parse(body, out);
      break;
    case frontend::kBind:
      on_bind(body, out);
      break;
    case frontend::kDescribe:
      on_describe(body, out);
      break;
    case frontend::kExecute:
      on_execute(body, out);
      break;
    case frontend::kClose:
      on_close(body, out);
      break;
    default:
      break;  // Flush: nothing is ever held back
  }
  return true;
}

// ---- simple queries ----

void AdminProtocol::on_query(std::string_view body, std::string& out) {
  const auto text = decode_query(body);
  if (!text) {
    fail(malformed(), out);
    append_ready_for_query(out, status_);
    return;
  }
  portals_.erase("");
  auto commands = parse_admin_text(*text);
  if (!commands) {
    fail(commands.error(), out);
    append_ready_for_query(out, status_);
    return;
  }
  if (commands->empty()) {
    append_empty(out, backend::kEmptyQueryResponse);
  }
  commands_.assign(std::make_move_iterator(commands->begin()), std::make_move_iterator(commands->end()));
  in_query_ = true;
}

// The next command of the Query in hand, or its end.
void AdminProtocol::continue_query(std::string& out) {
  if (commands_.empty()) {
    in_query_ = false;
    append_ready_for_query(out, status_);
    return;
  }
  AdminCommand command = std::move(commands_.front());
  commands_.pop_front();
  if (const auto allowed = check(command); !allowed) {
    commands_.clear();
    fail(allowed.error(), out);
    return;
  }
  if (const auto answer = run_here(command)) {
    end_simple_command(command, *answer, out);
  } else {
    running_ = std::move(command);
  }
}

void AdminProtocol::end_simple_command(const AdminCommand& command, const AdminAnswer& answer,
                                       std::string& out) {
  if (answer.table) {
    const ResultFormats text;
    append_row_description(out, answer.table->columns, text);
    for (const AdminRow& row : answer.table->rows) {
      append_data_row(out, answer.table->columns, row, text);
    }
  }
  if (!answer.notice.empty()) {
    append_notice(out, {answer.notice, answer.detail});
  }
  append_command_complete(out, tag_of(command));
}

// ---- extended queries ----

void AdminProtocol::on_parse(std::string_view body, std::string& out) {
  const auto parse = decode_parse(body);
  if (!parse) {
    fail_batch(malformed(), out);
    return;
  }
  auto commands = parse_admin_text(parse->query);
  if (!commands) {
    fail_batch(commands.error(), out);
    return;
  }
  if (commands->size() > 1) {
    fail_batch({sqlstate::kSyntaxError, "cannot insert multiple commands into a prepared statement"}, out);
    return;
  }
  if (!parse->name.empty() && statements_.contains(parse->name)) {
    fail_batch({sqlstate::kDuplicatePreparedStatement,
                "prepared statement \"" + std::string(parse->name) + "\" already exists"},
               out);
    return;
  }
  if (statements_.size() >= kMaxNames && !statements_.contains(parse->name)) {
    fail_batch({sqlstate::kProgramLimitExceeded, "too many prepared statements"}, out);
    return;
  }
  statements_[std::string(parse->name)] =
      commands->empty() ? Statement() : Statement(std::move(commands->front()));
  append_empty(out, backend::kParseComplete);
}

void AdminProtocol::on_bind(std::string_view body, std::string& out) {
  auto bind = decode_bind(body);
  if (!bind) {
    fail_batch(malformed(), out);
    return;
  }
  const auto statement = statements_.find(bind->statement);
  if (statement == statements_.end()) {
    fail_batch({sqlstate::kInvalidSqlStatementName,
                "prepared statement \"" + std::string(bind->statement) + "\" does not exist"},
               out);
    return;
  }
  if (bind->parameters > 0) {
    fail_batch({sqlstate::kProtocolViolation, "bind message supplies " + std::to_string(bind->parameters) +
                                                  " parameters, but the statement requires 0"},
               out);
    return;
  }
  if (statement->second && !bind->formats.fit(result_columns(*statement->second).size())) {
    fail_batch({sqlstate::kProtocolViolation, "bind message has a wrong number of result formats"}, out);
    return;
  }
  if (portals_.size() >= kMaxNames && !portals_.contains(bind->portal)) {
    fail_batch({sqlstate::kProgramLimitExceeded, "too many portals"}, out);
    return;
  }
  portals_[std::string(bind->portal)] = {.statement = statement->second, .formats = std::move(bind->formats)};
  append_empty(out, backend::kBindComplete);
}

void AdminProtocol::on_describe(std::string_view body, std::string& out) {
  const auto target = decode_target(body);
  if (!target || (target->kind != 'S' && target->kind != 'P')) {
    fail_batch(malformed(), out);
    return;
  }
  const Statement* described = nullptr;
  ResultFormats formats;
  if (target->kind == 'S') {
    const auto found = statements_.find(target->name);
    described = found != statements_.end() ? &found->second : nullptr;
  } else if (const auto found = portals_.find(target->name); found != portals_.end()) {
    described = &found->second.statement;
    formats = found->second.formats;
  }
  if (described == nullptr) {
    const bool statement = target->kind == 'S';
    fail_batch({statement ? sqlstate::kInvalidSqlStatementName : sqlstate::kInvalidCursorName,
                (statement ? "prepared statement \"" : "portal \"") + std::string(target->name) +
                    "\" does not exist"},
               out);
    return;
  }
  if (target->kind == 'S') {
    WireWriter(out).begin(backend::kParameterDescription).u16(0).end();
  }
  const AdminColumns columns = *described ? result_columns(**described) : AdminColumns();
  if (columns.empty()) {
    append_empty(out, backend::kNoData);
  } else {
    append_row_description(out, columns, formats);
  }
}

void AdminProtocol::on_execute(std::string_view body, std::string& out) {
  const auto execute = decode_execute(body);
  if (!execute) {
    fail_batch(malformed(), out);
    return;
  }
  const auto found = portals_.find(execute->portal);
  if (found == portals_.end()) {
    fail_batch(
        {sqlstate::kInvalidCursorName, "portal \"" + std::string(execute->portal) + "\" does not exist"},
        out);
    return;
  }
  max_rows_ = execute->max_rows;
  Portal& portal = found->second;
  if (!portal.statement) {
    append_empty(out, backend::kEmptyQueryResponse);
    return;
  }
  if (portal.executed) {
    send_rows(portal, out);
    return;
  }
  if (const auto allowed = check(*portal.statement); !allowed) {
    fail_batch(allowed.error(), out);
    return;
  }
  const AdminCommand command = *portal.statement;
  if (auto answer = run_here(command)) {
    // The end of a block takes its portals with it, this one included.
    const auto still_there = portals_.find(execute->portal);
    Portal ended{.statement = command};
    end_execute(still_there != portals_.end() ? still_there->second : ended, *std::move(answer), out);
  } else {
    running_portal_ = execute->portal;
    running_ = command;
  }
}

void AdminProtocol::end_execute(Portal& portal, AdminAnswer answer, std::string& out) {
  portal.executed = true;
  portal.table = std::move(answer.table);
  if (!answer.notice.empty()) {
    append_notice(out, {answer.notice, answer.detail});
  }
  send_rows(portal, out);
}

// The next rows of an executed portal, as many as Execute wants.
void AdminProtocol::send_rows(Portal& portal, std::string& out) {
  uint32_t sent = 0;
  while (portal.table && portal.next_row < portal.table->rows.size()) {
    if (max_rows_ != 0 && sent == max_rows_) {
      append_empty(out, backend::kPortalSuspended);
      return;
    }
    append_data_row(out, portal.table->columns, portal.table->rows[portal.next_row], portal.formats);
    portal.next_row++;
    sent++;
  }
  append_command_complete(out, tag_of(*portal.statement));
}

void AdminProtocol::on_close(std::string_view body, std::string& out) {
  const auto target = decode_target(body);
  if (!target || (target->kind != 'S' && target->kind != 'P')) {
    fail_batch(malformed(), out);
    return;
  }
  if (target->kind == 'S') {
    statements_.erase(std::string(target->name));
  } else {
    portals_.erase(std::string(target->name));
  }
  append_empty(out, backend::kCloseComplete);
}

void AdminProtocol::on_sync(std::string& out) {
  skips_to_sync_ = false;
  if (status_ == TransactionStatus::Idle) {
    portals_.clear();
  }
  append_ready_for_query(out, status_);
}

// ---- commands ----

Result<void> AdminProtocol::check(const AdminCommand& command) const {
  const bool ends_block = command.verb == AdminVerb::Commit || command.verb == AdminVerb::Rollback ||
                          command.verb == AdminVerb::RollbackTo;
  if (status_ == TransactionStatus::Failed && !ends_block) {
    return Error{sqlstate::kInFailedTransaction,
                 "current transaction is aborted, commands ignored until end of transaction block"};
  }
  if (!is_harmless(command) && !client_.may_change()) {
    return Error{sqlstate::kInsufficientPrivilege,
                 "permission denied: only users of admin_users may do this"};
  }
  return {};
}

std::optional<AdminAnswer> AdminProtocol::run_here(const AdminCommand& command) {
  AdminAnswer answer;
  switch (command.verb) {
    case AdminVerb::Begin:
      status_ = TransactionStatus::InBlock;
      return answer;
    case AdminVerb::Commit:
    case AdminVerb::Rollback:
      commit_failed_ = command.verb == AdminVerb::Commit && status_ == TransactionStatus::Failed;
      status_ = TransactionStatus::Idle;
      portals_.clear();
      return answer;
    case AdminVerb::RollbackTo:
      if (status_ == TransactionStatus::Failed) {
        status_ = TransactionStatus::InBlock;
      }
      return answer;
    case AdminVerb::Savepoint:
    case AdminVerb::Ignored:
      return answer;
    case AdminVerb::Deallocate:
      if (command.argument.empty()) {
        statements_.clear();
      } else {
        statements_.erase(command.argument);
      }
      return answer;
    case AdminVerb::Select:
      answer.table = {.columns = result_columns(command), .rows = {select_row(command)}};
      return answer;
    default:
      return std::nullopt;
  }
}

AdminRow AdminProtocol::select_row(const AdminCommand& command) const {
  AdminRow row;
  for (const SelectItem& item : command.select) {
    switch (item.source) {
      case SelectItem::Source::Literal:
        row.emplace_back(item.literal);
        break;
      case SelectItem::Source::Version:
        row.emplace_back(client_.version);
        break;
      case SelectItem::Source::User:
        row.emplace_back(client_.user);
        break;
      case SelectItem::Source::Database:
        row.emplace_back("sportello");
        break;
      case SelectItem::Source::ProcessId:
        row.emplace_back(std::to_string(client_.process_id));
        break;
      case SelectItem::Source::Null:
      case SelectItem::Source::Schema:
        row.emplace_back(std::nullopt);
        break;
    }
  }
  return row;
}

std::string AdminProtocol::tag_of(const AdminCommand& command) const {
  return command.verb == AdminVerb::Commit && commit_failed_ ? "ROLLBACK" : command.tag;
}

AdminProtocol::Next AdminProtocol::finish(Result<AdminAnswer> answer, std::string& out) {
  invariant(running_.has_value(), "an answer belongs to a command that runs");
  const AdminCommand command = *std::move(running_);
  running_.reset();
  if (!answer) {
    commands_.clear();
    if (in_query_) {
      fail(answer.error(), out);
    } else {
      fail_batch(answer.error(), out);
    }
  } else if (in_query_) {
    end_simple_command(command, *answer, out);
  } else {
    const auto portal = portals_.find(running_portal_);
    invariant(portal != portals_.end(), "a portal stays while it runs, as nothing else is taken");
    end_execute(portal->second, *std::move(answer), out);
  }
  return advance(out);
}

void AdminProtocol::note(const AdminNotice& notice, std::string& out) const {
  invariant(running_.has_value(), "only a command that runs has something to say");
  append_notice(out, notice);
}

// ---- errors ----

void AdminProtocol::fail(const Error& error, std::string& out) {
  append_error_response(out, Severity::Error, error);
  if (status_ == TransactionStatus::InBlock) {
    status_ = TransactionStatus::Failed;
  }
}

void AdminProtocol::fail_batch(const Error& error, std::string& out) {
  fail(error, out);
  skips_to_sync_ = true;
}

bool AdminProtocol::break_off(std::string violation) {
  violation_ = std::move(violation);
  closed_ = true;
  return false;
}

}  // namespace sportello::proxy
