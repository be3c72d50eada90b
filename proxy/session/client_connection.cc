#include "proxy/session/client_connection.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "protocol/error_response.h"
#include "protocol/invariant.h"
#include "proxy/admin/admin_session.h"
#include "proxy/log.h"
#include "proxy/worker.h"
#include "proxy/worker_group.h"

namespace sportello::proxy {
namespace {

// A session that waits for a link goes on reading this far, to see whether its client is still there.
constexpr size_t kMaxWaitingInput = 64UL << 10;

// Part of a batch (ParseComplete), but no ReadyForQuery, which a server would send at once.
bool is_part_of_batch(Outbox& answers) {
  std::string_view rest = answers.pieces().empty() ? answers.own() : std::string_view();
  bool has_some = false;
  for (Frame frame{}; peek_frame(rest, frame) == FrameStatus::Header;) {
    if (frame.type == backend::kReadyForQuery) {
      return false;
    }
    has_some = true;
    rest.remove_prefix(std::min(rest.size(), frame.total_bytes()));
  }
  return has_some;
}

}  // namespace

ClientConnection::ClientConnection(Worker& worker, int fd, ClientAddress address)
    : worker_(&worker),
      transport_(worker.loop(), fd, this),
      address_(address),
      startup_(std::make_unique<ClientStartup>(worker, *this)),
      process_id_(worker.group().next_process_id(worker.index())),
      connected_at_(worker.now()),
      request_at_(worker.now()),
      connect_time_(std::chrono::system_clock::now()) {
  login_ = worker.group().entrance().login_began(process_id_);
}

ClientConnection::~ClientConnection() {
  leave_flight();
  end_fill();
}

bool ClientConnection::start(bool has_spoken) {
  if (!transport_.watch()) {
    return false;
  }
  if (has_spoken) {
    on_readable();
  }
  return true;
}

const std::string& ClientConnection::user_name() const {
  static const std::string none;
  return pool_ != nullptr ? member_->user->name
         : startup_       ? startup_->user()
         : admin_         ? admin_->user()
                          : none;
}

const std::string& ClientConnection::database_name() const {
  static const std::string none;
  static const std::string console = "sportello";
  return pool_ != nullptr ? pool_->shared().database->name
         : startup_       ? startup_->database()
         : admin_         ? console
                          : none;
}

// ---- states ----

void ClientConnection::move(ConnectionEvent event) {
  const std::optional<ConnectionState> to = next_state(state_, event);
  if (!to) {
    log_error("C {}: {} in state {}", address_.to_string(), event_name(event), state_name(state_));
  }
  invariant(to.has_value(), "only what the table of connection states allows happens");
  state_ = *to;
  check_invariants();
}

void ClientConnection::check_invariants() const {
  const bool links = link_ != nullptr;
  switch (state_) {
    case ConnectionState::LoggingIn:
    case ConnectionState::LoginWaits:
      invariant(startup_ != nullptr && !links, "a login holds a link only while it asks a server");
      return;
    case ConnectionState::AsksServer:
      invariant(startup_ != nullptr && links, "a login asks a server by a link");
      return;
    case ConnectionState::Console:
      invariant(admin_ != nullptr && !links, "the console needs no server");
      return;
    case ConnectionState::OpensReplication:
      invariant(startup_ != nullptr && replication_ != nullptr, "a replication login ends with its link");
      return;
    case ConnectionState::Replicates:
      invariant(startup_ == nullptr && replication_ != nullptr && links, "replication has its own link");
      return;
    case ConnectionState::Idle:
    case ConnectionState::Waits:
    case ConnectionState::AwaitsAnswer:
      invariant(session_ != nullptr && !links && session_->link() == nullptr,
                "rest and waiting need no link");
      return;
    case ConnectionState::HoldsLink:
      invariant(session_ != nullptr && links, "who holds a link has a session");
      return;
    case ConnectionState::Closed:
      return;
  }
}

// ---- bytes ----

void ClientConnection::on_readable() {
  do {
    const std::span<char> buffer = worker_->read_buffer();
    const auto read = transport_.read(buffer);
    switch (read.status) {
      case Transport::ReadStatus::WouldBlock:
        return;
      case Transport::ReadStatus::Eof:
      case Transport::ReadStatus::Failed:
        close(CloseReason::ClientVanished);
        return;
      case Transport::ReadStatus::Data:
        break;
    }
    on_bytes({buffer.data(), read.bytes});
  } while (!is_closed() && transport_.tls() != nullptr && !transport_.paused());
}

void ClientConnection::on_bytes(std::string_view bytes) {
  request_at_ = worker_->now();
  if (admin_) {
    admin_->on_bytes(bytes);
    return;
  }
  if (replication_ && !startup_) {
    relay_replication(bytes);
    return;
  }
  if (!startup_) {
    count(pool_->stats().client_bytes, bytes.size());
    if (input_) {
      input_->append(bytes);
      relay(*input_);
    } else {
      relay(bytes);
    }
    return;
  }
  if (bytes.empty() && !startup_->on_handshake_done()) {
    return;
  }
  if (startup_->is_authenticated()) {
    keep_early_bytes(bytes);
  } else {
    startup_->on_bytes(bytes);
  }
}

// What a client sends before it was told that it is in; bounded like everything before that.
void ClientConnection::keep_early_bytes(std::string_view bytes) {
  if (!input_) {
    input_ = std::make_unique<std::string>();
  }
  input_->append(bytes);
  if (input_->size() > kMaxWaitingInput) {
    transport_.pause();
  }
}

void ClientConnection::keep_rest(std::string_view rest) {
  if (rest.empty()) {
    input_.reset();
  } else if (input_) {
    input_->erase(0, input_->size() - rest.size());
  } else {
    input_ = std::make_unique<std::string>(rest);
  }
}

void ClientConnection::relay(std::string_view view) {
  Outbox& to_server = worker_->to_server();
  Outbox& to_client = worker_->to_client();
  if (pool_->settings().nodes != nullptr && session_->freshness() == nullptr) {
    track_writes();
  }
  size_t taken = 0;
  ClientStep step;
  while (!is_waiting() && !is_behind()) {
    const bool limited = serves_lone_read();
    if (limited && read_left_ == 0) {
      break;  // the link gets its lone read and no more
    }
    const std::string_view rest = view.substr(taken, limited ? read_left_ : view.npos);
    if (!limited && session_->rests_on_link()) {
      if (const size_t answered = ask_cache(rest).taken) {
        taken += answered;
        if (to_client.own().size() > Worker::kHighWaterBytes) {
          transport_.write(to_client);
        }
        if (taken == view.size()) {
          break;
        }
        continue;
      }
    }
    step = session_->on_client_bytes(rest, to_server, to_client);
    taken += step.taken;
    note_block();
    if (limited) {
      read_left_ -= step.taken;
    }
    if (step.need != ClientStep::Need::Link) {
      break;
    }
    if (const size_t answered = session_->answer_block_batch(view.substr(taken), to_client)) {
      taken += answered;
      note_block();
      continue;
    }
    const CacheAnswer cached = startup_ == nullptr ? ask_cache(view.substr(taken)) : CacheAnswer();
    taken += cached.taken;
    if (cached.waits) {
      break;
    }
    if (cached.taken > 0) {
      if (to_client.own().size() > Worker::kHighWaterBytes) {
        transport_.write(to_client);
      }
      continue;
    }
    ServerLink* link =
        take_link_of(cached.route != nullptr ? *cached.route : route_or_home(view.substr(taken)));
    if (link == nullptr) {
      began_to_wait();
      break;
    }
    use_link(*link);
  }
  if (link_ != nullptr && !to_server.empty()) {
    note_request();
    link_->send(to_server);
  } else {
    to_server.clear();
  }
  if (link_ != nullptr && link_->state().ready_is_due() && is_part_of_batch(to_client)) {
    // It goes with the server's answers, as it would come from one.
    transport_.write_with_next(to_client);
  } else {
    transport_.write(to_client);
  }
  if (step.need == ClientStep::Need::Close) {
    keep_rest({});
    close(step.reason, step.detail != nullptr ? *step.detail : std::string_view());
    return;
  }
  keep_rest(view.substr(taken));
  const bool waits = is_waiting() || session_->asks_shape() || routed_ != nullptr || serves_lone_read();
  if (input_ && (is_behind() || (waits && input_->size() > kMaxWaitingInput))) {
    transport_.pause();
  }
  if (link_ != nullptr && taken > 0) {
    release_if_free();
  }
}

// Requests that were all answered without the server leave the link as it was taken.
void ClientConnection::release_if_free() {
  const LinkState& state = link_->state();
  if (state.at_rest() && !session_->pinned() && !session_->keeps_link() && !session_->in_message()) {
    worker_->link_free(*link_);
  }
}

void ClientConnection::note_statements() {
  if (const StatementCounts counted = session_->take_counts(); counted.any()) {
    PoolStats& stats = pool_->stats();
    count(stats.client_parses, counted.client_parses);
    count(stats.server_parses, counted.server_parses);
    count(stats.binds, counted.binds);
  }
}

// Statements whose answers have ended in this round.
void ClientConnection::note_queries() {
  QueryTable& queries = worker_->queries();
  if (!queries.has_answers()) {
    return;
  }
  const TimePoint now = worker_->precise_now();
  const TimePoint since = query_at_ == TimePoint() ? now : std::max(query_at_, counted_at_);
  queries.count(routed_ != nullptr ? AnsweredBy::Replica : AnsweredBy::Primary,
                std::chrono::duration_cast<std::chrono::microseconds>(now - since));
  counted_at_ = now;
}

// What was answered without a server.
void ClientConnection::note_block() {
  const BlockCounts counted = session_->take_block_counts();
  if (counted.commands == 0) {
    return;
  }
  PoolStats& stats = pool_->stats();
  count(stats.queries, counted.commands);
  count(stats.transactions, counted.transactions);
  answered_at_ = worker_->now();
  if (counted.began) {
    transaction_at_ = worker_->precise_now();
  }
}

void ClientConnection::note_request() {
  if (query_at_ == TimePoint()) {
    query_at_ = worker_->precise_now();
    cancel_sent_ = false;
  }
}

// ---- links ----

void ClientConnection::use_link(ServerLink& link) {
  link_ = &link;
  link.hold(this);
  move(ConnectionEvent::LinkGranted);
  const bool in_block = session_->has_deferred_block();
  // What has turned out to write is a READ ONLY block's to refuse.
  const bool stands_alone = again_ && (again_->only_reads || !in_block);
  session_->take_link(link.state(), worker_->to_server(),
                      routed_ != nullptr ? LinkUse::LoneRead
                      : stands_alone     ? LinkUse::Replay
                                         : LinkUse::Anything);
  if (!in_block) {
    transaction_at_ = worker_->precise_now();
  }
  count(pool_->stats().server_assignments);
}

void ClientConnection::link_granted(ServerLink& link) {
  const auto waited = std::max(worker_->now() - wait_since_, Clock::duration::zero());
  count(pool_->stats().wait_us,
        static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(waited).count()));
  if (startup_) {
    link_ = &link;
    link.hold(this);
    move(ConnectionEvent::LinkGranted);
    ask_server();
    return;
  }
  if (routed_ != nullptr && link.server() != routed_) {
    // The pool has gone to another server meanwhile, of which nobody has asked how far it has come.
    worker_->link_unused(link);
    move(ConnectionEvent::LinkRefused);
    leave_route();
    end_fill();
    go_on();
    return;
  }
  transport_.resume();
  use_link(link);
  if (again_) {
    const std::unique_ptr<Replay> replay = std::move(again_);
    session_->run_again(std::move(*replay), worker_->to_server());
    note_request();
  }
  const std::unique_ptr<std::string> held = std::move(input_);
  if (held) {
    input_ = std::make_unique<std::string>(std::move(*held));
    relay(*input_);
  } else {
    link_->send(worker_->to_server());
  }
}

ServerLink* ClientConnection::release_link() {
  query_at_ = TimePoint();
  ServerLink* link = link_;
  const bool session_mode = member_->settings.mode == conf::PoolMode::Session;
  if (session_) {
    session_->leave_link();
  }
  if (session_mode) {
    link->state().tainted = true;
  }
  link_ = nullptr;
  if (!again_) {
    end_fill();
  }
  if (routed_ != nullptr) {
    note_fled();
    leave_route();
  }
  link->let_go();
  move(ConnectionEvent::LinkLeft);
  leave_pool();
  return link;
}

void ClientConnection::send(Outbox& box) { transport_.write(box); }

void ClientConnection::note_answers(const ServerStep& step) {
  if (fill_ != nullptr && fill_->recorder.is_done()) {
    finish_fill();
  }
  note_queries();
  if (step.commands == 0) {
    return;
  }
  PoolStats& stats = pool_->stats();
  const TimePoint now = worker_->precise_now();
  const auto since = [&](TimePoint begin) {
    return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(now - begin).count());
  };
  count(stats.queries, step.commands);
  count(stats.query_us, since(query_at_));
  note_statements();
  query_at_ = link_->state().owed.empty() ? TimePoint() : now;
  answered_at_ = worker_->now();
  if (step.ended_transaction && !session_->has_deferred_block()) {
    count(stats.transactions);
    count(stats.transaction_us, since(transaction_at_));
    transaction_at_ = now;
  }
  if (member_->settings.mode == conf::PoolMode::Statement &&
      link_->state().status != TransactionStatus::Idle) {
    close(CloseReason::StatementModeTransaction);
  }
}

// The link is a replica's, or the primary's in its stead, and stands outside the client's transaction block.
bool ClientConnection::serves_lone_read() const {
  return link_ != nullptr && session_ != nullptr && (routed_ != nullptr || session_->has_deferred_block());
}

// Without a link, what it asks is answered here: a client that takes no answers holds back its own, not our
// memory.
bool ClientConnection::is_behind() const {
  return link_ == nullptr && transport_.unsent_bytes() > Worker::kHighWaterBytes;
}

void ClientConnection::take_held_input() {
  transport_.resume();
  if (input_) {
    relay(*input_);
  }
}

void ClientConnection::on_drained() {
  if (link_ != nullptr && link_->transport() != nullptr) {
    link_->resume();
  } else if (session_ && input_ && state_ == ConnectionState::Idle) {
    transport_.resume();
    relay(*input_);
  }
}

bool ClientConnection::is_resting() const {
  if (replication_) {
    // A stream has no end of its own: its client takes it up again elsewhere.
    return startup_ != nullptr || (!replication_->runs_command() && replication_->may_speak());
  }
  if (session_ && session_->in_block_without_link()) {
    return false;
  }
  if (worker_->begins_nothing() && session_ && session_->keeps_link() && link_ != nullptr) {
    return false;  // pool_mode = session: its client lets it go by leaving
  }
  return !is_waiting() && again_ == nullptr && (link_ == nullptr || (session_ && link_->state().at_rest()));
}

bool ClientConnection::waits_in_vain() const {
  return waits_for_link() && (pool_->shared().database->paused.load(std::memory_order_relaxed) ||
                              (worker_->begins_nothing() && !has_begun_block()));
}

bool ClientConnection::is_between_transactions() const {
  return session_ && session_->keeps_link() && link_ != nullptr && link_->state().at_rest() &&
         !session_->in_message();
}

void ClientConnection::login_ended() {
  if (login_ != 0) {
    worker_->group().entrance().login_ended(std::exchange(login_, 0));
  }
}

// ---- the end ----

void ClientConnection::close(CloseReason reason, std::string_view detail) {
  if (is_closed()) {
    return;
  }
  const CloseReasonRow& row = close_reason_row(reason);
  if (row.sqlstate.empty()) {
    close_with({}, reason);
    return;
  }
  close_with({row.sqlstate, detail.empty() ? std::string(row.text) : std::string(detail)}, reason);
}

void ClientConnection::close_with(const Error& fatal, CloseReason reason) {
  if (is_closed()) {
    return;
  }
  const bool waited = waits_for_link();
  leave_flight();
  move(ConnectionEvent::Closed);
  if (!fatal.sqlstate.empty() && (!replication_ || startup_ || replication_->may_speak())) {
    std::string out;
    if (startup_ && startup_->is_authenticated()) {
      out += startup_->authentication_end();
    }
    append_error_response(out, Severity::Fatal, fatal);
    transport_.write(out);
  }
  transport_.shutdown_tls();
  const conf::Config& conf = worker_->config()->conf;
  if (startup_ && reason == CloseReason::LoginFailed && !fatal.message.empty()) {
    log_login_failure(fatal.message, "");
  } else if (!startup_ && conf.log_disconnections) {
    log_info("C {}/{}@{} closing because: {}", database_name(), user_name(), address_.to_string(),
             close_reason_row(reason).name);
  }
  if (waited) {
    worker_->stop_waiting(waited_pool(), *this);
  }
  leave_route();
  end_fill();
  if (link_ != nullptr && replication_) {
    ServerLink* link = std::exchange(link_, nullptr);
    link->detach_client();
    worker_->close_link(*link);
  } else if (link_ != nullptr) {
    ServerLink* link = link_;
    LinkState& state = link->state();
    state.tainted = state.tainted || startup_ ||
                    (session_ && (session_->pinned() || session_->keeps_link() || session_->leaves_doubt()));
    if (session_) {
      session_->leave_link();
    }
    link_ = nullptr;
    link->let_go();
    worker_->link_orphaned(*link);
  }
  if (admin_) {
    admin_->closed();
  }
  if (pool_ != nullptr) {
    pool_->shared().database->clients.give_back();
    pool_->shared().clients.fetch_sub(1);
    member_->user->clients.give_back();
    worker_->group().entrance().leave();
  }
  login_ended();
  transport_.end();
  worker_->remove_client(*this);
}

}  // namespace sportello::proxy
