// The second half of ClientSession: what the server answers. Each message is matched with the front of
// LinkState::owed; owed_answer.h has the rules.
#include <charconv>
#include <utility>

#include "protocol/error_response.h"
#include "protocol/frontend_messages.h"
#include "protocol/invariant.h"
#include "proxy/session/client_session.h"

namespace sportello::proxy {
namespace {

// Shorter messages are passed on whole.
constexpr uint32_t kHeldAnswer = 8U << 10;

// Longer ones of the messages that we look into are the server's fault.
constexpr uint32_t kMaxInspectedAnswer = 1U << 20;

bool is_inspected(char type) {
  return type == backend::kReadyForQuery || type == backend::kErrorResponse ||
         type == backend::kParameterStatus;
}

bool is_description(char type) {
  return type == backend::kParameterDescription || type == backend::kRowDescription ||
         type == backend::kNoData;
}

bool is_async(char type) {
  return type == backend::kNoticeResponse || type == backend::kNotificationResponse ||
         type == backend::kParameterStatus;
}

// Does this message belong to the answer of this request, and does it end it?
enum class Fit : uint8_t { Wrong, Part, Last };

Fit fit(Request request, char type) {
  using namespace backend;
  switch (request) {
    case Request::Parse:
      return type == kParseComplete ? Fit::Last : Fit::Wrong;
    case Request::Bind:
      return type == kBindComplete ? Fit::Last : Fit::Wrong;
    case Request::Close:
      return type == kCloseComplete ? Fit::Last : Fit::Wrong;
    case Request::DescribeStatement:
      return type == kParameterDescription                ? Fit::Part
             : type == kRowDescription || type == kNoData ? Fit::Last
                                                          : Fit::Wrong;
    case Request::DescribePortal:
      return type == kRowDescription || type == kNoData ? Fit::Last : Fit::Wrong;
    case Request::Execute:
      switch (type) {
        case kDataRow:
        case kCopyInResponse:
        case kCopyOutResponse:
        case kCopyBothResponse:
        case kCopyData:
        case kCopyDone:
          return Fit::Part;
        case kCommandComplete:
        case kEmptyQueryResponse:
        case kPortalSuspended:
          return Fit::Last;
        default:
          return Fit::Wrong;
      }
    case Request::Query:
      switch (type) {
        case kRowDescription:
        case kDataRow:
        case kCopyInResponse:
        case kCopyOutResponse:
        case kCopyBothResponse:
        case kCopyData:
        case kCopyDone:
        case kCommandComplete:
        case kEmptyQueryResponse:
          return Fit::Part;
        default:
          return Fit::Wrong;
      }
    case Request::FunctionCall:
      return type == kFunctionCallResponse ? Fit::Part : Fit::Wrong;
    case Request::Sync:
    case Request::CopyEnd:
      return Fit::Wrong;
  }
  return Fit::Wrong;
}

// Of a command that is complete: what was sent, or what its tag says ("INSERT 0 5").
void count_rows(std::string_view front, OwedAnswer& owed) {
  uint64_t rows = std::exchange(owed.rows_here, 0);
  if (rows == 0) {
    const auto tag = decode_command_complete(front.substr(kFrameHeaderBytes));
    const std::string_view number = tag ? tag->substr(tag->rfind(' ') + 1) : std::string_view();
    std::from_chars(number.data(), number.data() + number.size(), rows);
  }
  owed.rows += rows;
}

}  // namespace

// One call of on_server_bytes. Bytes from `run` to `at` are the client's and not yet in its outbox.
struct ClientSession::Relaying {
  std::string_view in;
  Outbox& to_server;
  Outbox& to_client;
  cache::ResultRecorder* recorder;  // nullptr: nobody keeps the answer
  ServerStep step;
  size_t at = 0;
  size_t run = 0;

  void send_run() {
    const std::string_view bytes = in.substr(run, at - run);
    if (recorder != nullptr) {
      recorder->feed(bytes);
    }
    to_client.forward(bytes);
    run = at;
  }
  // The frame at `at` (as much of it as has come) is or is not for the client.
  void pass(size_t bytes) { at += bytes; }
  void swallow(size_t bytes) {
    send_run();
    at += bytes;
    run = at;
  }
  bool fail(std::string_view sqlstate, std::string message) {
    send_run();
    step.broken = std::make_unique<Error>(Error{sqlstate, std::move(message)});
    return false;
  }
};

ServerStep ClientSession::on_server_bytes(std::string_view in, Outbox& to_server, Outbox& to_client) {
  invariant(link_ != nullptr, "answers come from the link that the session holds");
  Relaying relaying{in, to_server, to_client, recorder_, {}};
  const bool asked_shape = asks_shape_;
  if (link_->body_left == 0 && may_run_elsewhere() && !foresee(in)) {
    return {};
  }
  while (relaying.at < in.size()) {
    const std::string_view rest(in.data() + relaying.at, in.size() - relaying.at);
    if (link_->body_left > 0) {
      const size_t part = std::min<size_t>(rest.size(), link_->body_left);
      link_->body_left -= static_cast<uint32_t>(part);
      deliver(relaying, part, link_->body_forwarded);
      continue;
    }
    Frame frame{};
    const FrameStatus status = peek_frame(rest, frame);
    if (status == FrameStatus::NeedMore) {
      break;
    }
    if (status == FrameStatus::Malformed || frame.length > context_->max_packet_size) {
      fail_frame(relaying, status, frame);
      break;
    }
    const size_t size = std::min(rest.size(), frame.total_bytes());
    if (size < frame.total_bytes() && waits_for_end(relaying, frame)) {
      break;
    }
    if (!on_answer(relaying, frame, rest.substr(0, size))) {
      break;
    }
    link_->body_left = static_cast<uint32_t>(frame.total_bytes() - size);
  }
  relaying.send_run();
  if (!link_->followed.empty() && link_->owed.empty() && portal_then_.follows == nullptr) {
    link_->followed.clear();
  }
  ServerStep& step = relaying.step;
  step.goes_on = asked_shape && !asks_shape_ && !step.broken;
  if (!step.broken && !step.goes_on && (flushed_ || link_->skips_to_sync)) {
    rest_after_preparing(to_server);
  }
  if (step.broken && step.again) {
    // The replica went down in the same breath: the loss of its link finds what is to be asked elsewhere.
    link_->replay = std::move(*step.again);
    step.again.reset();
  }
  step.taken = relaying.at;
  step.free = !step.broken && !step.goes_on && link_->at_rest() && pins_ == 0 && !keeps_link_ &&
              body_left_ == 0 && link_->body_left == 0;
  return std::move(step);
}

// The whole of it has not come. False: what there is of it is passed on.
bool ClientSession::waits_for_end(Relaying& relaying, const Frame& frame) const {
  const bool describes =
      is_description(frame.type) && !link_->owed.empty() && link_->owed.front().describes();
  if (is_inspected(frame.type) || describes) {
    if (frame.length > kMaxInspectedAnswer) {
      relaying.fail(sqlstate::kProtocolViolation, "the server sent a message that is too long");
    }
    return true;
  }
  return frame.length <= kHeldAnswer;  // a link that dies in the middle of a small one leaves no half behind
}

void ClientSession::fail_frame(Relaying& relaying, FrameStatus status, const Frame& frame) {
  relaying.fail(sqlstate::kProtocolViolation, status == FrameStatus::Malformed
                                                  ? "the server sent a message with an invalid length"
                                                  : "the server sent a message of " +
                                                        std::to_string(frame.length) +
                                                        " bytes, longer than max_packet_size");
}

// What is there of a frame is the client's, or ours alone.
void ClientSession::deliver(Relaying& relaying, size_t bytes, bool to_client) {
  link_->body_forwarded = to_client;
  if (to_client) {
    relaying.pass(bytes);
  } else {
    relaying.swallow(bytes);
  }
}

// Passes or swallows what is there of one frame. False: the server broke the protocol, or is going away.
bool ClientSession::on_answer(Relaying& relaying, const Frame& frame, std::string_view front) {
  if (frame.type == backend::kErrorResponse) {
    return on_error(relaying, frame, front);
  }
  if (is_async(frame.type)) {
    return on_async(relaying, frame, front);
  }
  if (link_->owed.empty()) {
    return relaying.fail(sqlstate::kProtocolViolation,
                         std::string("the server sent an answer that nobody asked for, type ") + frame.type);
  }
  OwedAnswer& owed = link_->owed.front();
  const bool ours = owed.delivery == Delivery::Swallow;
  if (frame.type == backend::kReadyForQuery) {
    return on_ready(relaying, front);
  }
  if (frame.type == backend::kDataRow &&
      (owed.request == Request::Query || owed.request == Request::Execute)) {
    owed.began = true;
    owed.rows_here++;
    link_->replay.usable = link_->replay.usable && ours;
    deliver(relaying, front.size(), !ours);
    return true;
  }
  if (frame.type == backend::kCommandComplete && front.size() == frame.total_bytes() &&
      front.back() != '\0') {
    return relaying.fail(sqlstate::kProtocolViolation, "the server sent an unterminated CommandComplete");
  }
  if (frame.type == backend::kCommandComplete && owed.query) {
    count_rows(front, owed);
  }
  if (is_description(frame.type) && owed.describes()) {
    note_description(owed, frame, front);
  }
  switch (fit(owed.request, frame.type)) {
    case Fit::Wrong:
      return relaying.fail(sqlstate::kProtocolViolation,
                           std::string("the server sent an answer out of turn, type ") + frame.type);
    case Fit::Part:
      break;
    case Fit::Last:
      deliver(relaying, front.size(), !ours);
      complete_front(relaying);
      return true;
  }
  if (frame.type == backend::kCopyInResponse) {
    on_copy_in();
  }
  owed.completed = frame.type == backend::kCommandComplete;
  owed.began = true;
  link_->replay.usable = link_->replay.usable && ours;  // nothing of it has reached the client
  deliver(relaying, front.size(), !ours);
  return true;
}

// What answers no request.
bool ClientSession::on_async(Relaying& relaying, const Frame& frame, std::string_view front) {
  const bool ours = !link_->owed.empty() && link_->owed.front().delivery == Delivery::Swallow;
  if (is_own_notification(frame, front)) {
    pass_own_notification(relaying, front);
    return true;
  }
  if (frame.type != backend::kParameterStatus) {
    deliver(relaying, front.size(), !ours || frame.type == backend::kNotificationResponse);
    return true;
  }
  const auto parameter = decode_parameter_status(front.substr(kFrameHeaderBytes));
  if (!parameter) {
    return relaying.fail(sqlstate::kProtocolViolation, "the server sent a malformed ParameterStatus");
  }
  on_parameter(*parameter);
  deliver(relaying, front.size(), !ours);
  return true;
}

// owed_answer.h, 3: Syncs sent since are read by the COPY and go unanswered, up to where its data ended. A
// Query in the place of data ends it, too, and is read as its end.
void ClientSession::on_copy_in() {
  const Request copies = link_->owed.front().request;
  bool ended = false;
  for (size_t i = 1; i < link_->owed.size() && !ended;) {
    const Request request = link_->owed[i].request;
    if (request == Request::CopyEnd || (request == Request::Query && i == 1 && copies == Request::Query &&
                                        link_->owed[i].name_changes == 0)) {
      link_->owed.erase(i);
      ended = true;
    } else if (link_->owed[i].request == Request::Sync) {
      link_->owed.erase(i);
    } else {
      i++;
    }
  }
  link_->copy_in = !ended;
  if (copies == Request::Execute) {
    bool synced = false;
    for (size_t i = 1; i < link_->owed.size(); i++) {
      synced = synced || link_->owed[i].request == Request::Sync;
    }
    link_->unsynced = link_->unsynced || !synced;
    batch_runs_ = true;  // whatever Sync there was
  }
}

// Clients know what they have said themselves by the sender's pid, which is to be the one that they were
// given at login. Who listens keeps its link, so that what comes from that backend is its own.
bool ClientSession::is_own_notification(const Frame& frame, std::string_view front) const {
  return frame.type == backend::kNotificationResponse && front.size() == frame.total_bytes() &&
         frame.body_bytes() >= sizeof(uint32_t) && process_id_ != 0 &&
         load_be32(front.data() + kFrameHeaderBytes) == link_->process_id;
}

void ClientSession::pass_own_notification(Relaying& relaying, std::string_view front) const {
  relaying.swallow(front.size());
  if (relaying.recorder != nullptr) {
    relaying.recorder->feed(front);
  }
  std::string& out = relaying.to_client.own();
  const size_t begin = out.size();
  out.append(front);
  store_be32(out.data() + begin + kFrameHeaderBytes, process_id_);
}

// The front has been answered as it should.
void ClientSession::complete_front(Relaying& relaying) {
  OwedAnswer& front = link_->owed.front();
  const Request request = front.request;
  const bool forwarded = front.delivery == Delivery::Forward;
  if (front.ends_plainly()) {
    note_answered(front, false);
    count_in_replay(front);
    link_->owed.pop_front();
  } else {
    const OwedAnswer owed = link_->owed.take_front();
    settle(owed, true);
    note_answered(owed, false);
  }
  if (forwarded && request != Request::Parse) {
    link_->replay.usable = false;
  }
  if (request == Request::Execute) {
    link_->copy_in = false;
  }
  pass_invented(relaying);
}

// What needs no answer of the server's and has come to the front.
void ClientSession::pass_invented(Relaying& relaying) {
  if (link_->owed.empty() ||
      (link_->owed.front().delivery != Delivery::Invent && link_->owed.front().request != Request::CopyEnd)) {
    return;
  }
  relaying.send_run();
  invent_answers(relaying.to_client);
  while (!link_->owed.empty() && link_->owed.front().request == Request::CopyEnd) {
    link_->owed.pop_front();
  }
}

// The end of a batch, of a Query, of a function call.
bool ClientSession::on_ready(Relaying& relaying, std::string_view front) {
  OwedAnswer& owed = link_->owed.front();
  const auto status = decode_ready_for_query(front.substr(kFrameHeaderBytes));
  if (!status || !ends_with_ready(owed.request)) {
    return relaying.fail(sqlstate::kProtocolViolation, "the server sent a ReadyForQuery out of turn");
  }
  const bool visible = owed.delivery == Delivery::Forward;
  if (visible) {
    restores_ = owed.failed ? 0 : static_cast<uint16_t>(restores_ | owed.then.restores);
    if (restores_ != 0) {
      restore_settings(relaying, *status);
    }
  }
  if (visible && has_deferred_block()) {
    relaying.swallow(front.size());
    if (relaying.recorder != nullptr) {
      relaying.recorder->feed(front);
    }
    append_ready_for_query(relaying.to_client.own(), status_after_lone_read());
  } else {
    deliver(relaying, front.size(), visible);
  }
  become_ready(relaying, *status);
  return true;
}

void ClientSession::restore_settings(Relaying& relaying, TransactionStatus status) {
  if (restores_startup() && status != TransactionStatus::Idle && carries_settings()) {
    pin(sql::Effect::SetOther);  // a rollback would bring them back
    link_->settings = with_startup(link_->settings, {});
  }
  relaying.send_run();
  restore_login_settings(std::exchange(restores_, uint16_t{0}), relaying.to_client);
}

void ClientSession::become_ready(Relaying& relaying, TransactionStatus status) {
  const OwedAnswer owed = link_->owed.take_front();
  link_->status = status;
  note_answered(owed, owed.failed);
  if (owed.asks_shape) {
    shape_answered();
  }
  if (owed.request != Request::Sync) {
    link_->copy_in = false;
    if (owed.failed && owed.name_changes > 0) {
      names().undo(owed.name_changes);
    }
    settle(owed, !owed.failed);
    if (owed.failed) {
      settled_pins_ |= owed.then.pins;
      recount_pins();
    }
    if (link_->owed.empty()) {
      link_->unsynced = false;
    }
  }
  if (followed_ != nullptr) {
    follow_setting(status);
  }
  if (owed.delivery == Delivery::Forward) {
    link_->replay.usable = false;
    relaying.step.commands++;
    relaying.step.ended_transaction = relaying.step.ended_transaction || status == TransactionStatus::Idle;
  }
  if (link_->owed.empty()) {
    discards_names_ = false;
    may_open_block_ = false;
    encoding_in_doubt_ = encoding_in_doubt_ && status != TransactionStatus::Idle;
  }
  if (link_->replay.healing && link_->owed.empty()) {
    send_healed(relaying.to_server);
    return;
  }
  if (link_->replay.fleeing && link_->owed.empty()) {
    relaying.step.again = std::make_unique<Replay>(std::move(link_->replay));
    relaying.step.again->of_lone_read = true;
    link_->replay.drop();
  }
  if (catalog_changes_ && has_ended_block()) {
    // Whoever looked before the commit has seen the old catalog; and before its fence comes down.
    catalog_changes_ = false;
    scope_->ddl_epoch.fetch_add(1, std::memory_order_relaxed);
  }
  if (freshness_ != nullptr) {
    settle_writes();
  }
  pass_invented(relaying);
}

// PostgreSQL rolls back what is open when it ends a session in ProcessInterrupts(), and comes there neither
// between a commit and its CommandComplete nor while it waits for a standby (syncrep.c). Others, poolers
// among them, say FATAL for other reasons.
void ClientSession::note_goodbye(const ErrorFields& fields) const {
  const bool rolls_back =
      fields.severity == "FATAL" &&
      (fields.routine == "ProcessInterrupts" || fields.routine == "ProcessRecoveryConflictInterrupt");
  const std::string_view sqlstate = sqlstate::of_ended_session(fields.sqlstate);
  if (rolls_back && sqlstate == fields.sqlstate) {
    link_->goodbye = std::make_unique<Error>(
        Error{sqlstate, std::string(fields.message), std::string(fields.detail), std::string(fields.hint)});
  }
}

bool ClientSession::on_error(Relaying& relaying, const Frame& frame, std::string_view front) {
  if (front.back() != '\0' || frame.body_bytes() == 0) {
    return relaying.fail(sqlstate::kProtocolViolation, "the server sent an unterminated ErrorResponse");
  }
  const ErrorFields fields = decode_error_fields(front.substr(kFrameHeaderBytes));
  if (fields.is_fatal()) {
    relaying.swallow(front.size());
    relaying.fail(sqlstate::kConnectionFailure, std::string(fields.message));
    relaying.step.broken->detail = fields.sqlstate;
    note_goodbye(fields);
    return false;
  }
  if (link_->owed.empty()) {
    return relaying.fail(sqlstate::kProtocolViolation, "the server sent an error that answers nothing");
  }
  link_->copy_in = false;
  OwedAnswer& owed = link_->owed.front();
  if (for_lone_read_ && flee_error(fields)) {
    relaying.swallow(front.size());
    return true;
  }
  if (owed.stale_rows) {
    relaying.swallow(front.size());
    std::string error;
    append_stale_rows_error(error);
    if (relaying.recorder != nullptr) {
      relaying.recorder->feed(error);
    }
    relaying.to_client.own().append(error);
    link_->replay.usable = false;
    note_block_failed();
    skip_to_sync();
    return true;
  }
  if (link_->replay.asks_shapes) {
    // The batch itself will be told what is wrong.
    relaying.swallow(front.size());
    skip_to_sync();
    return true;
  }
  if (heal(fields)) {
    relaying.swallow(front.size());
    return true;
  }
  link_->replay.usable = false;
  if (ends_with_ready(owed.request)) {
    if (owed.delivery == Delivery::Swallow) {
      // A setting that this server had reported itself is refused by it: nothing on this link can be relied
      // on.
      return relaying.fail(sqlstate::kConnectionFailure,
                           "the session's settings could not be restored: " + std::string(fields.message));
    }
    if (fields.sqlstate == sqlstate::kSyntaxError && !owed.began) {
      owed.then.pins = 0;  // not even begun, so that a slip of the pen pins nobody
    }
    owed.failed = true;
    owed.began = true;
    note_block_failed();
    relaying.pass(front.size());
    return true;
  }
  note_block_failed();
  // Also when it answers a Parse of ours: it was made for what the client asked.
  relaying.pass(front.size());
  relaying.send_run();
  skip_to_sync();
  // Where our question had a Sync of its own, the client's batch that made us ask is still to come.
  if (!link_->owed.empty() && link_->owed.front().asks_shape) {
    skips_to_sync_ = true;
    fail_deferred_block();
  }
  return true;
}

}  // namespace sportello::proxy
