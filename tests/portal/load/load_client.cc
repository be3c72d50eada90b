#include "tests/portal/load/load_client.h"

#include <utility>

#include "protocol/invariant.h"
#include "tests/portal/load/failure_of.h"

namespace sportello::portal {
namespace {

constexpr const char* kCannotConnect = "08001";
constexpr const char* kConnectionLost = "08006";

bool is_error(const PGresult* result) {
  const auto status = PQresultStatus(result);
  return status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE;
}

}  // namespace

LoadClient::LoadClient(ClientWorld& world, uint32_t number, Protocol protocol, const PortalFacts& facts,
                       uint64_t seed)
    : world_(world), number_(number), source_(facts, seed), sender_(protocol) {}

void LoadClient::begin(size_t request, Clock::time_point due) {
  invariant(state_ == State::Thinking, "a client has one request at a time");
  request_ = request;
  due_ = due;
  run_.emplace(world_.requests[request], source_);
  if (connection_) {
    start_running();
  } else {
    connect();
  }
}

void LoadClient::ready() {
  switch (state_) {
    case State::Connecting:
      return go_on_connecting();
    case State::Running:
    case State::RollingBack:
      return read_answers();
    case State::Thinking:  // the server closed the connection, or had a notice: seen at the next request
      if (PQconsumeInput(connection_.get()) == 0) disconnect();
  }
}

void LoadClient::give_up(Failure failure) {
  invariant(state_ != State::Thinking, "only a request can be given up");
  disconnect();
  if (!failure_) failure_ = std::move(failure);
  finish();
}

void LoadClient::connect() {
  state_ = State::Connecting;
  connection_.reset(PQconnectStart(world_.conninfo.c_str()));
  sender_.forget_names();
  if (PQstatus(connection_.get()) == CONNECTION_BAD)
    return give_up(failure_of(connection_.get(), kCannotConnect));
  PQsetErrorVerbosity(connection_.get(), PQERRORS_VERBOSE);
  watch(true);
}

void LoadClient::go_on_connecting() {
  switch (PQconnectPoll(connection_.get())) {
    case PGRES_POLLING_READING:
      return watch(false);
    case PGRES_POLLING_WRITING:
      return watch(true);
    case PGRES_POLLING_OK:
      break;
    default:
      return give_up(failure_of(connection_.get(), kCannotConnect));
  }
  PQsetnonblocking(connection_.get(), 1);
  watch(false);
  start_running();
}

void LoadClient::start_running() {
  state_ = State::Running;
  send_next();
}

void LoadClient::send_next() {
  const auto* statement = run_->next();
  if (statement == nullptr) return finish();
  const auto name = world_.requests[request_].name + '_' + std::to_string(run_->position());
  const auto sent = sender_.send(connection_.get(), name, statement->text, run_->values());
  if (sent == StatementSender::Sent::Nothing) return give_up(failure_of(connection_.get(), kConnectionLost));
  preparing_ = sent == StatementSender::Sent::Preparation;
  flush();
}

void LoadClient::flush() {
  const int unsent = PQflush(connection_.get());
  if (unsent < 0) return give_up(failure_of(connection_.get(), kConnectionLost));
  if ((unsent > 0) != wants_to_write_) watch(unsent > 0);
}

void LoadClient::watch(bool also_writable) {
  wants_to_write_ = also_writable;
  world_.reactor.watch(PQsocket(connection_.get()), number_, also_writable);
}

void LoadClient::read_answers() {
  if (PQconsumeInput(connection_.get()) == 0) return give_up(failure_of(connection_.get(), kConnectionLost));
  if (wants_to_write_ && PQflush(connection_.get()) == 0) watch(false);
  while (PQisBusy(connection_.get()) == 0) {
    PqResult result{PQgetResult(connection_.get())};
    if (!result) return statement_answered();
    if (is_error(result.get()) && !failure_) failure_ = failure_of(result.get());
    answer_ = std::move(result);
  }
}

void LoadClient::statement_answered() {
  if (PQstatus(connection_.get()) == CONNECTION_BAD)
    return give_up(failure_of(connection_.get(), kConnectionLost));
  if (failure_) return fail(*std::move(failure_));
  if (state_ == State::RollingBack) return finish();
  if (!std::exchange(preparing_, false)) run_->answered(std::move(answer_));
  send_next();
}

// The request has failed, the connection has not: a transaction is ended as Django ends it. What failed to be
// prepared leaves the sender in doubt about the server's names: a new connection is not.
void LoadClient::fail(Failure failure) {
  if (preparing_) return give_up(std::move(failure));
  failure_ = std::move(failure);
  if (state_ == State::RollingBack || PQtransactionStatus(connection_.get()) == PQTRANS_IDLE) return finish();
  state_ = State::RollingBack;
  if (PQsendQuery(connection_.get(), "ROLLBACK") == 0)
    return give_up(failure_of(connection_.get(), kConnectionLost));
  flush();
}

void LoadClient::finish() {
  state_ = State::Thinking;
  if (world_.reconnect) disconnect();
  run_.reset();
  answer_.reset();
  preparing_ = false;
  world_.done(number_, request_, due_, std::exchange(failure_, std::nullopt));
}

void LoadClient::disconnect() {
  if (!connection_) return;
  if (const int socket = PQsocket(connection_.get()); socket >= 0) world_.reactor.forget(socket);
  connection_.reset();
}

}  // namespace sportello::portal
