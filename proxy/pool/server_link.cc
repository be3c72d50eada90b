#include "proxy/pool/server_link.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "protocol/frame_decoder.h"
#include "protocol/frontend_messages.h"
#include "protocol/invariant.h"
#include "protocol/sqlstate.h"
#include "proxy/log.h"
#include "proxy/session/client_connection.h"
#include "proxy/worker.h"

namespace sportello::proxy {
std::string_view link_phase_name(LinkPhase phase) {
  switch (phase) {
    case LinkPhase::Connecting:
    case LinkPhase::LoggingIn:
      return "new";
    case LinkPhase::Idle:
      return "idle";
    case LinkPhase::Held:
      return "active";
    case LinkPhase::Cleaning:
      return "used";
    case LinkPhase::Parked:
      return "being_canceled";
    case LinkPhase::Closed:
      return "closed";
  }
  return "";
}

ServerLink::ServerLink(Worker& worker, Pool& pool)
    : worker_(&worker), pool_(&pool), generation_(pool.shared().generation.load()) {}

ServerLink::~ServerLink() = default;

void ServerLink::set_phase(LinkPhase phase) {
  phase_ = phase;
  phase_since_ = worker_->now();
}

void ServerLink::open(TimePoint now) {
  server_ = pool_->settings().server;
  opened_at_ = now;
  last_active_ = now;
  connect_time_ = std::chrono::system_clock::now();
  set_phase(LinkPhase::Connecting);
  connector_ = std::make_unique<ServerConnector>(worker_->loop(), worker_->server_target(*pool_),
                                                 static_cast<ServerConnector::Owner&>(*this));
  connector_->start();
}

void ServerLink::open_for_replication(TimePoint now, ClientConnection* client, ReplicationRequest request) {
  client_ = client;
  replication_ = std::make_unique<ReplicationRequest>(std::move(request));
  open(now);
}

void ServerLink::connector_done(Result<ServerConnected> result) {
  if (!result.ok()) {
    fail(std::move(result).error());
    return;
  }
  transport_ = std::move(result->transport);
  endpoint_ = result->endpoint;
  // The connector is still on the stack.
  worker_->retire(std::move(connector_));
  transport_->set_handler(this);
  set_phase(LinkPhase::LoggingIn);
  login_ = worker_->make_server_login(*pool_, transport_->tls(), replication_.get());
  std::string out;
  login_->start(out);
  transport_->write(out);
}

void ServerLink::hold(ClientConnection* client) {
  invariant(phase_ == LinkPhase::Idle && client_ == nullptr, "a link has one holder at a time");
  client_ = client;
  last_active_ = worker_->now();
  set_phase(LinkPhase::Held);
}

void ServerLink::let_go() {
  invariant(client_ != nullptr, "only a held link is let go");
  client_ = nullptr;
  last_active_ = worker_->now();
  transport_->resume();
  set_phase(LinkPhase::Idle);
}

void ServerLink::run_own_query(OwnPurpose purpose, std::string_view sql) {
  invariant(phase_ == LinkPhase::Idle || phase_ == LinkPhase::LoggingIn,
            "our own queries run when no session has the link");
  own_purpose_ = purpose;
  set_phase(LinkPhase::Cleaning);
  std::string out;
  own_query_.begin(state_, sql, out);
  transport_->write(out);
}

void ServerLink::send(std::string_view bytes) {
  transport_->write(bytes);
  if (transport_->unsent_bytes() > Worker::kHighWaterBytes && client_ != nullptr) {
    client_->pause();
  }
}

void ServerLink::send(Outbox& box) {
  transport_->write(box);
  if (transport_->unsent_bytes() > Worker::kHighWaterBytes && client_ != nullptr) {
    client_->pause();
  }
}

void ServerLink::abandon() {
  if (connector_) {
    connector_->abandon();
  }
  if (transport_) {
    transport_->leave_loop();
  }
}

bool ServerLink::still_there() {
  char byte = 0;
  const ssize_t n = recv(transport_->fd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
}

TimePoint ServerLink::silent_since() const {
  switch (phase_) {
    case LinkPhase::Connecting:
    case LinkPhase::LoggingIn:
    case LinkPhase::Cleaning:
      return std::max({last_heard_, phase_since_, patient_since_});
    case LinkPhase::Held:
      // While its client takes nothing, the server is not listened to.
      return state_.owed.empty() || transport_->paused()
                 ? TimePoint()
                 : std::max({last_heard_, client_->asked_at(), patient_since_});
    case LinkPhase::Idle:
    case LinkPhase::Parked:
    case LinkPhase::Closed:
      break;
  }
  return TimePoint();
}

void ServerLink::forgive(Clock::duration gap) {
  opened_at_ += gap;
  phase_since_ += gap;
  last_active_ += gap;
  patient_since_ = worker_->now();
}

void ServerLink::leave_worker() {
  invariant(phase_ == LinkPhase::Idle, "only an idle link moves");
  transport_->leave_loop();
  worker_ = nullptr;
}

void ServerLink::enter_worker(Worker& worker, Pool& pool) {
  worker_ = &worker;
  pool_ = &pool;
  transport_->enter_loop(worker.loop());
}

void ServerLink::on_drained() {
  if (client_ != nullptr) {
    client_->resume();
  }
}

// One read into the worker's buffer, behind what was kept from the one before. False: nothing more to do.
bool ServerLink::read_more(std::string_view* view) {
  const std::span<char> buffer = worker_->read_buffer();
  const auto read = transport_->read(buffer);
  switch (read.status) {
    case Transport::ReadStatus::WouldBlock:
      return false;
    case Transport::ReadStatus::Eof:
      fail({sqlstate::kConnectionFailure, "server closed the connection unexpectedly"});
      return false;
    case Transport::ReadStatus::Failed:
      fail({sqlstate::kConnectionFailure,
            read.error != 0 ? std::string("server connection failed: ") + std::strerror(read.error)
                            : std::string("server connection failed: broken TLS stream")});
      return false;
    case Transport::ReadStatus::Data:
      break;
  }
  count(pool_->stats().server_bytes, read.bytes);
  last_heard_ = worker_->now();
  if (input_.empty()) {
    *view = {buffer.data(), read.bytes};
  } else {
    input_.append(buffer.data(), read.bytes);
    *view = input_;
  }
  return true;
}

void ServerLink::keep_rest(std::string_view rest) {
  if (rest.empty()) {
    input_.clear();
    if (input_.capacity() > Worker::kHighWaterBytes) {
      input_.shrink_to_fit();
    }
  } else if (!input_.empty()) {
    input_.erase(0, input_.size() - rest.size());
  } else {
    input_.assign(rest);
  }
}

void ServerLink::on_readable() {
  bool more = true;
  while (more) {
    switch (phase_) {
      case LinkPhase::LoggingIn:
        more = on_login_bytes();
        break;
      case LinkPhase::Held:
        more = replication_ ? on_replication_bytes() : on_session_bytes();
        break;
      case LinkPhase::Cleaning:
        more = on_own_query_bytes();
        break;
      case LinkPhase::Idle:
      case LinkPhase::Parked:
        more = on_idle_bytes();
        break;
      case LinkPhase::Connecting:
      case LinkPhase::Closed:
        return;
    }
    more = more && phase_ != LinkPhase::Closed && transport_ != nullptr && transport_->tls() != nullptr &&
           !transport_->paused();
  }
}

bool ServerLink::on_login_bytes() {
  std::string_view view;
  if (!read_more(&view)) {
    return false;
  }
  while (phase_ == LinkPhase::LoggingIn) {
    WholeFrame frame;
    const FrameStatus status = take_whole_frame(view, ServerLogin::kMaxMessageLength, frame);
    if (status == FrameStatus::NeedMore) {
      break;
    }
    if (status == FrameStatus::Malformed) {
      fail({sqlstate::kProtocolViolation, "the server sent a message with an invalid length"});
      return false;
    }
    std::string out;
    const LoginProgress progress = login_->receive(frame.type, frame.body, out);
    if (!out.empty()) {
      transport_->write(out);
    }
    view.remove_prefix(frame.total_bytes);
    if (progress == LoginProgress::Failed) {
      Error error = login_->failure().error;
      // The storage of a SQLSTATE that the server sent goes with the login.
      const std::string& told = login_->failure().server_sqlstate;
      error.sqlstate =
          told.starts_with("57P0") ? sqlstate::kCannotConnectNow : sqlstate::of_refused_login(told);
      fail(std::move(error));
      return false;
    }
    if (progress == LoginProgress::Done) {
      keep_rest(view);
      logged_in(login_->result());
      return false;
    }
  }
  keep_rest(view);
  return true;
}

void ServerLink::logged_in(const ServerLoginResult& done) {
  process_id_ = done.process_id;
  cancel_key_ = done.secret_key;
  parameters_ = done.parameters;
  login_.reset();
  if (replication_) {
    was_ready = true;
    set_phase(LinkPhase::Held);
    client_->replication_link_ready();
    return;
  }
  SettingsValues values;
  for (const auto& [name, value] : parameters_) {
    if (const auto tracked = find_tracked(name)) {
      values.tracked[static_cast<size_t>(*tracked)] = value;
      state_.reported |= 1U << static_cast<unsigned>(*tracked);
    }
  }
  for (size_t i = kTrackedCount; i < tracked_count(); i++) {
    if (!state_.reports(static_cast<Tracked>(i))) {
      log_limited("track", "track_extra_parameters: the server of database \"{}\" does not report \"{}\"",
                  pool_->shared().database->name, tracked_name(i));
    }
  }
  state_.process_id = process_id_;
  state_.settings = intern_settings(std::move(values));
  state_.login_settings = state_.settings;
  if (!pool_->settings().connect_query.empty()) {
    run_own_query(OwnPurpose::Connect, pool_->settings().connect_query);
    return;
  }
  set_phase(LinkPhase::Idle);
  worker_->link_ready(*this);
}

bool ServerLink::on_session_bytes() {
  std::string_view view;
  if (!read_more(&view)) {
    return false;
  }
  if (client_->asks_server()) {
    ClientConnection* client = client_;
    const size_t taken = client->on_startup_answer(view);
    if (client->asks_server()) {
      keep_rest(view.substr(taken));
      return true;
    }
    return false;  // answered; nothing follows
  }
  return on_session_view(view);
}

// cache/README.md, F7.
void ServerLink::go_on_with_answer() {
  transport_->resume();
  if (!input_.empty() && on_session_view(input_)) {
    on_readable();
  }
}

bool ServerLink::on_session_view(std::string_view view) {
  if (client_->is_routed() && client_->holds_back(view)) {
    keep_rest(view);
    transport_->pause();
    worker_->hold_answer(*this);
    return false;
  }
  Outbox& to_server = worker_->to_server();
  Outbox& to_client = worker_->to_client();
  ServerStep step = client_->session().on_server_bytes(view, to_server, to_client);
  if (!to_server.empty()) {
    transport_->write(to_server);
  }
  // The views in the outbox are of `view`: it is emptied before what is left is kept.
  client_->send(to_client);
  keep_rest(view.substr(step.taken));
  client_->note_answers(step);
  if (step.again) {
    client_->ask_primary(std::move(step.again));
  }
  if (step.broken) {
    fail(std::move(*step.broken));
    return false;
  }
  if (client_ != nullptr && step.goes_on) {
    client_->take_held_input();
    return client_ != nullptr;
  }
  if (client_ != nullptr && step.free) {
    worker_->link_free(*this);
    return false;
  }
  if (client_ != nullptr && client_->unsent_bytes() > Worker::kHighWaterBytes) {
    transport_->pause();
  }
  return true;
}

bool ServerLink::on_replication_bytes() {
  std::string_view view;
  if (!read_more(&view)) {
    return false;
  }
  last_active_ = worker_->now();
  const bool goes_on = client_->on_replication_bytes(view);
  keep_rest({});
  if (goes_on && client_->unsent_bytes() > Worker::kHighWaterBytes) {
    transport_->pause();
  }
  return goes_on;
}

bool ServerLink::on_own_query_bytes() {
  std::string_view view;
  if (!read_more(&view)) {
    return false;
  }
  const OwnQuery::Step step = own_query_.on_server_bytes(state_, view);
  keep_rest(view.substr(step.taken));
  if (step.broken) {
    fail(own_query_.error().value_or(
        Error{sqlstate::kProtocolViolation,
              "the server broke the protocol while its connection was being cleaned"}));
    return false;
  }
  if (step.done) {
    set_phase(LinkPhase::Idle);
    worker_->link_cleaned(*this, own_query_.error());
    return false;
  }
  return true;
}

// What a server says to nobody: parameters that change by themselves, and goodbye.
bool ServerLink::on_idle_bytes() {
  std::string_view view;
  if (!read_more(&view)) {
    return false;
  }
  const OwnQuery::Step step = own_query_.on_server_bytes(state_, view);
  keep_rest(view.substr(step.taken));
  if (step.broken || step.done || own_query_.error()) {
    fail(own_query_.error().value_or(
        Error{sqlstate::kProtocolViolation, "the server sent an answer that nobody asked for"}));
    return false;
  }
  return true;
}

void ServerLink::fail(Error error) { worker_->link_failed(*this, std::move(error)); }

}  // namespace sportello::proxy
