// The part of ClientConnection for what does not come: it waits for a link, its link is lost or refused, its
// client cancels, a time limit passes.
#include <algorithm>

#include "proxy/admin/admin_session.h"
#include "proxy/session/client_connection.h"
#include "proxy/worker.h"

namespace sportello::proxy {
namespace {

// So long a session waits for an answer that another one is asking for, then it asks itself.
constexpr std::chrono::seconds kMostFlightWait{5};

}  // namespace

void ClientConnection::link_lost(const Error& why) {
  ServerLink* lost = link_;
  link_ = nullptr;
  lost->detach_client();
  query_at_ = TimePoint();
  if (startup_) {
    close_with({sqlstate::kCannotConnectNow, "server connection lost during login: " + why.message},
               CloseReason::ServerLost);
    return;
  }
  Outbox& to_client = worker_->to_client();
  LinkLoss loss = session_->lose_link(why, to_client);
  note_queries();
  if (routed_ != nullptr) {
    count(routed_->retried, loss.again ? 1 : 0);
    leave_route();
  }
  move(ConnectionEvent::LinkLeft);
  transport_.write(to_client);
  transport_.resume();
  if (loss.session_ends) {
    close_with(loss.told, CloseReason::ServerLost);
    return;
  }
  if (loss.again) {
    count(pool_->stats().retried_reads);
    again_ = std::make_unique<Replay>(std::move(*loss.again));
    // From here the caller is still closing the lost link.
    wait_for_link();
    return;
  }
  end_fill();
  if (input_) {
    relay(*input_);
  }
}

void ClientConnection::wait_for_link() {
  began_to_wait();
  pool_->wait(this, worker_->now());
}

void ClientConnection::began_to_wait() {
  move(ConnectionEvent::LinkNeeded);
  wait_since_ = worker_->now();
}

void ClientConnection::leave_pool() {
  if (member_ == nullptr || member_->next == nullptr || session_ == nullptr) {
    return;
  }
  if (state_ == ConnectionState::Waits) {
    worker_->stop_waiting(waited_pool(), *this);
    enter_pool(worker_->pool(member_->next));
    reroute();
  } else if (state_ == ConnectionState::Idle) {
    enter_pool(worker_->pool(member_->next));
  }
}

void ClientConnection::enter_pool(Pool& pool) {
  pool_->shared().clients.fetch_sub(1);
  pool.shared().clients.fetch_add(1);
  pool_ = &pool;
  member_ = &worker_->pool_member(pool, member_->user);
  session_->set_server_user(pool.shared().user->id);
  if (session_->freshness() != nullptr) {
    const uint64_t last_write = session_->freshness()->last_write();
    track_writes();
    session_->freshness()->must_see(last_write);
  }
}

void ClientConnection::link_refused(const Error& why) {
  transport_.resume();
  if (startup_) {
    close_with(why, CloseReason::LoginFailed);
    return;
  }
  leave_route();
  move(ConnectionEvent::LinkRefused);
  fail_waiting(why);
}

// What it waited for will not come.
void ClientConnection::fail_waiting(const Error& why) {
  end_fill();
  Outbox& to_client = worker_->to_client();
  if (again_) {
    const std::unique_ptr<Replay> replay = std::move(again_);
    session_->fail_replay(*replay, why, to_client);
  } else if (input_) {
    const size_t used = session_->refuse(*input_, why, to_client);
    input_->erase(0, used);
  }
  transport_.write(to_client);
  if (input_ && !input_->empty()) {
    relay(*input_);
  } else {
    input_.reset();
  }
}

void ClientConnection::cancel() {
  if (admin_) {
    admin_->cancel();
    return;
  }
  if (replication_) {
    if (!startup_) {
      worker_->cancel_on(*link_);
    }
    return;
  }
  if (link_ != nullptr && !link_->state().owed.empty()) {
    worker_->cancel_on(*link_);
    return;
  }
  const Error why{sqlstate::kQueryCanceled, "canceling statement due to user request"};
  if (state_ == ConnectionState::Waits) {
    worker_->stop_waiting(waited_pool(), *this);
    link_refused(why);
  } else if (state_ == ConnectionState::AwaitsAnswer) {
    leave_flight();
    move(ConnectionEvent::FlightLanded);
    transport_.resume();
    fail_waiting(why);
  }
}

void ClientConnection::forgive(Clock::duration gap) {
  const TimePoint now = Clock::now();
  const auto shift = [&](TimePoint& time) {
    if (time != TimePoint()) {
      time = std::min(time + gap, now);
    }
  };
  for (TimePoint* time : {&request_at_, &wait_since_, &transaction_at_, &query_at_, &answered_at_}) {
    shift(*time);
  }
  if (startup_) {
    startup_->forgive(gap);
  }
}

void ClientConnection::check_timeouts(TimePoint now) {
  const conf::Config& conf = worker_->config()->conf;
  const auto passed = [&](TimePoint since, std::chrono::milliseconds limit) {
    return limit.count() > 0 && now - since >= limit;
  };
  if (startup_) {
    if (startup_->is_refused()) {
      if (now >= startup_->told_at()) {
        startup_->tell_refusal();
      }
      return;
    }
    if (!startup_->is_authenticated() && passed(startup_->begun_at(), conf.client_login_timeout)) {
      close(CloseReason::LoginTimeout);
      return;
    }
  }
  if (pool_ == nullptr) {
    return;
  }
  leave_pool();
  if (is_closed()) {
    return;
  }
  const ClientSettings& settings = member_->settings;
  if (state_ == ConnectionState::AwaitsAnswer) {
    // Whoever asks has its own troubles.
    if (passed(wait_since_, kMostFlightWait)) {
      end_wait_for_flight(true);
    }
    return;
  }
  if (is_waiting()) {
    if (passed(wait_since_, settings.query_wait_timeout)) {
      std::optional<Error> failure;
      {
        PoolRuntime& shared = waited_pool().shared();
        const std::lock_guard lock(shared.mutex);
        failure = shared.last_failure;
      }
      worker_->stop_waiting(waited_pool(), *this);
      link_refused(failure ? Error{failure->sqlstate, "query_wait_timeout: " + failure->message}
                           : Error{sqlstate::kTooManyConnections,
                                   std::string(close_reason_row(CloseReason::QueryWaitTimeout).text)});
    }
    return;
  }
  if (transport_.unsent_bytes() > 0 &&
      passed(std::max(request_at_, answered_at_), conf.client_write_timeout)) {
    close(CloseReason::ClientWriteTimeout);
    return;
  }
  if (!session_) {
    return;
  }
  if (link_ == nullptr && session_->has_deferred_block()) {
    if (passed(std::max(request_at_, answered_at_), settings.idle_transaction_timeout)) {
      close(CloseReason::IdleTransactionTimeout);
    } else if (passed(transaction_at_, settings.transaction_timeout)) {
      close(CloseReason::TransactionTimeout);
    }
    return;
  }
  if (link_ == nullptr || (link_->state().at_rest() && session_->pinned())) {
    if (passed(std::max(request_at_, answered_at_), settings.client_idle_timeout)) {
      close(CloseReason::ClientIdleTimeout);
    }
    return;
  }
  const LinkState& state = link_->state();
  if (state.status != TransactionStatus::Idle && state.owed.empty() &&
      passed(std::max(request_at_, answered_at_), settings.idle_transaction_timeout)) {
    close(CloseReason::IdleTransactionTimeout);
    return;
  }
  if (!state.at_rest() && passed(transaction_at_, settings.transaction_timeout)) {
    close(CloseReason::TransactionTimeout);
    return;
  }
  if (query_at_ != TimePoint() && !state.owed.empty() && passed(query_at_, settings.query_timeout)) {
    close(CloseReason::QueryTimeout);
  }
}

}  // namespace sportello::proxy
