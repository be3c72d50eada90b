// The part of Worker that follows its links from login to end: who gets one that is ready or free, how it is
// cleaned, what its loss means, links for replication, and cancels.
#include <algorithm>

#include "protocol/frontend_messages.h"
#include "protocol/invariant.h"
#include "protocol/sqlstate.h"
#include "proxy/log.h"
#include "proxy/pool/server_login_request.h"
#include "proxy/worker.h"
#include "proxy/worker_group.h"

namespace sportello::proxy {
namespace {

constexpr std::chrono::milliseconds kRetryLeast{50};
constexpr int kRetrySpreadMs = 50;
constexpr std::chrono::milliseconds kHeldAnswers{2};
// A client that is given a link may need it for nothing after all and put it back at once, for the next one:
// so many deep, then the loop's next round goes on. Ten thousand may be waiting for the first login of a
// server.
constexpr int kMostNestedGifts = 16;

// Takes back what a function that we cannot see into may have left in the session, keeping what is prepared.
constexpr std::string_view kResetDoubt =
    "CLOSE ALL; UNLISTEN *; RESET SESSION AUTHORIZATION; RESET ALL; DISCARD TEMP; "
    "SELECT pg_catalog.pg_advisory_unlock_all()";

// The server is not there or not ready, as against: it does not want us.
bool is_unavailable(const Error& error) {
  return error.sqlstate == sqlstate::kSqlclientUnableToEstablishConnection ||
         error.sqlstate == sqlstate::kConnectionFailure || error.sqlstate.starts_with("57P0");
}

}  // namespace

void Worker::link_ready(ServerLink& link) {
  PoolRuntime& shared = link.pool().shared();
  link.was_ready = true;
  shared.connecting.fetch_sub(1);
  shared.retry_at.store(0);
  count(link.pool().stats().links_opened);
  {
    auto welcome = std::make_shared<Welcome>();
    welcome->parameters = link.parameters();
    welcome->settings = link.state().login_settings;
    welcome->reported = link.state().reported;
    const std::lock_guard lock(shared.mutex);
    shared.welcome = std::move(welcome);
    shared.last_failure.reset();
  }
  const std::shared_ptr<PoolRuntime> its_pool = link.pool().shared_ref();
  put_back(link);  // from here on it may be another worker's
  serve(its_pool);
}

// The link is idle and in no list: it goes to whose turn it is.
void Worker::put_back(ServerLink& link) {
  Pool& its_pool = link.pool();
  const PoolSettings& settings = its_pool.settings();
  const bool too_old =
      settings.server_lifetime.count() > 0 && now() - link.opened_at() >= settings.server_lifetime;
  const bool yields = its_pool.shared().slots_wanted.load() > 0 && its_pool.is_at_limit();
  if (link.is_outdated() || too_old || yields) {
    close_link(link);
    return;
  }
  if (its_pool.shared().database->paused.load() || its_pool.is_down()) {
    its_pool.put_idle(&link);
    return;
  }
  if (giving_ >= kMostNestedGifts) {
    its_pool.put_idle(&link);
    group_->post_serve(index_, its_pool.shared_ref());
    return;
  }
  const Pool::Turn turn = its_pool.next_turn();
  switch (turn.whose) {
    case Pool::Turn::Whose::Here:
      giving_++;
      give(link, *turn.client);
      giving_--;
      return;
    case Pool::Turn::Whose::OtherWorker:
      if (turn.worker != index_) {
        hand_over(link, turn.worker, its_pool);
        return;
      }
      break;
    case Pool::Turn::Whose::Nobodys:
      break;
  }
  its_pool.put_idle(&link);
  if (its_pool.shared().waiting.load() > 0) {
    // Somebody began to wait between the two looks; the second look is theirs or this one.
    group_->post_serve(index_, its_pool.shared_ref());
  }
}

void Worker::give(ServerLink& link, ClientConnection& client) { client.link_granted(link); }

void Worker::hand_over(ServerLink& link, size_t worker, Pool& pool) {
  std::shared_ptr<PoolRuntime> shared = pool.shared_ref();
  std::unique_ptr<ServerLink> moving = take_out(link);
  moving->leave_worker();
  group_->post_link(worker, std::move(moving), std::move(shared));
}

void Worker::receive_link(std::unique_ptr<ServerLink> link, const std::shared_ptr<PoolRuntime>& shared) {
  ServerLink& received = *link;
  links_.push_back(std::move(link));
  received.enter_worker(*this, pool(shared));
  if (suspended_) {
    received.transport()->hold();
  }
  put_back(received);
}

std::unique_ptr<ServerLink> Worker::take_out(ServerLink& link) {
  const auto found =
      std::find_if(links_.begin(), links_.end(), [&](const auto& at) { return at.get() == &link; });
  invariant(found != links_.end(), "a link is in its worker's list");
  std::unique_ptr<ServerLink> out = std::move(*found);
  *found = std::move(links_.back());
  links_.pop_back();
  return out;
}

void Worker::link_free(ServerLink& link) {
  ClientConnection& client = *link.client();
  const bool doubt = client.session().leaves_doubt();
  client.release_link();
  if (draining_ && client.is_resting()) {
    client.close(CloseReason::ShuttingDown);
  }
  send_on(link, doubt);
  client.go_on();
}

// Of a link that its session has let go: what is to be done before another has it.
void Worker::send_on(ServerLink& link, bool doubt) {
  if (link.cancels_in_flight > 0) {
    link.set_phase(LinkPhase::Parked);
  } else if (link.state().tainted || link.pool().settings().server_reset_query_always) {
    reset(link);
  } else if (doubt) {
    link.run_own_query(OwnPurpose::ResetDoubt, kResetDoubt);
  } else {
    put_back(link);
  }
}

void Worker::reset(ServerLink& link) {
  const std::string& query = link.pool().settings().server_reset_query;
  if (query.empty() || link.is_outdated()) {
    close_link(link);
  } else {
    link.run_own_query(OwnPurpose::Reset, query);
  }
}

void Worker::link_cleaned(ServerLink& link, const std::optional<Error>& error) {
  LinkState& state = link.state();
  const bool failed = error || state.status != TransactionStatus::Idle;
  switch (link.own_purpose()) {
    case OwnPurpose::Connect:
      if (failed) {
        link_failed(link, error.value_or(
                              Error{sqlstate::kConnectionFailure, "connect_query left a transaction open"}));
      } else {
        link_ready(link);
      }
      return;
    case OwnPurpose::Rollback:
      if (failed) {
        close_link(link);
      } else if (state.tainted) {
        reset(link);
      } else {
        put_back(link);
      }
      return;
    case OwnPurpose::Reset:
      note_reset(state, link.pool().settings().server_reset_query);
      break;
    case OwnPurpose::ResetDoubt:
      note_reset_settings(state);
      break;
    case OwnPurpose::Check:
      break;
  }
  if (failed) {
    close_link(link);
  } else {
    put_back(link);
  }
}

void Worker::link_orphaned(ServerLink& link) {
  LinkState& state = link.state();
  const bool waits_for_us =
      state.owed.empty() && !state.copy_in && !state.unsynced && state.body_left == 0 && !state.skips_to_sync;
  if (!waits_for_us) {
    if (!state.owed.empty()) {
      cancel_on(link);
    }
    close_link(link);
  } else if (link.cancels_in_flight > 0) {
    link.set_phase(LinkPhase::Parked);
  } else if (state.status != TransactionStatus::Idle) {
    link.run_own_query(OwnPurpose::Rollback, "ROLLBACK");
  } else if (state.tainted) {
    reset(link);
  } else {
    put_back(link);
  }
}

void Worker::link_failed(ServerLink& link, Error error) {
  if (link.replication() != ReplicationKind::None) {
    replication_link_failed(link, error);
    return;
  }
  PoolRuntime& shared = link.pool().shared();
  const std::shared_ptr<PoolRuntime> keep = link.pool().shared_ref();
  const bool was_opening = !link.was_ready;
  if (ClientConnection* client = link.client()) {
    client->link_lost(error);
  }
  if (was_opening) {
    count(link.pool().stats().link_failures);
    const bool unavailable = is_unavailable(error);
    const auto retry = unavailable ? kRetryLeast + std::chrono::milliseconds(rand() % kRetrySpreadMs)
                                   : link.pool().settings().server_login_retry;
    shared.retry_at.store((now() + retry).time_since_epoch().count());
    log_limited("link", "login to server failed: database \"{}\", user \"{}\": {}", shared.database->name,
                shared.user->name, error.message);
    {
      const std::lock_guard lock(shared.mutex);
      shared.last_failure = Error{unavailable ? sqlstate::kCannotConnectNow : error.sqlstate, error.message,
                                  error.detail, error.hint};
    }
    if (keep->home != nullptr) {
      if (link.server() != nullptr) {
        link.server()->reachable.store(false);  // until the NodeWatch hears of it again
      }
      close_link(link);
      group_->post_reroute(keep);
      return;
    }
    close_link(link);
    // Where links are open, one more may be too many for the server: who waits gets one of those.
    if (!unavailable && !keep->has_ready_links()) {
      Error told{error.sqlstate, "server login failed: " + error.message};
      group_->post_fail_waiting(keep, told);
    }
    return;
  }
  log_limited("lost", "server connection of database \"{}\" lost: {}", shared.database->name, error.message);
  close_link(link);
  serve(keep);
}

void Worker::hold_answer(ServerLink& link) {
  held_answers_.push_back(&link);
  if (!held_timer_) {
    held_timer_ = loop_->every(kHeldAnswers, &on_held_);
  }
}

void Worker::go_on_with_answers() {
  const std::vector<ServerLink*> held = std::exchange(held_answers_, {});
  for (ServerLink* link : held) {
    const bool is_there =
        std::any_of(links_.begin(), links_.end(), [&](const auto& at) { return at.get() == link; });
    if (is_there && link->phase() == LinkPhase::Held && link->client()->is_routed()) {
      link->go_on_with_answer();
    }
  }
  if (held_answers_.empty()) {
    held_timer_.reset();
  }
}

void Worker::close_link(ServerLink& link) {
  Pool& its_pool = link.pool();
  its_pool.remove_idle(&link);
  if (!link.was_ready && link.replication() == ReplicationKind::None) {
    its_pool.shared().connecting.fetch_sub(1);
  }
  if (link.transport() != nullptr && link.phase() != LinkPhase::LoggingIn) {
    std::string goodbye;
    append_terminate(goodbye);
    link.transport()->write(goodbye);
  }
  for (auto& cancel : cancels_) {
    if (cancel->link() == &link) {
      cancel->forget();
    }
  }
  link.set_phase(LinkPhase::Closed);
  link.abandon();
  its_pool.release_slot();
  retire(take_out(link));
  if (its_pool.shared().waiting.load() > 0) {
    group_->post_serve_waiting(its_pool.shared_ref());
  }
  if (its_pool.settings().max_db_connections > 0 || its_pool.settings().max_user_connections > 0) {
    group_->post_serve_all();
  }
}

void Worker::cancel_on(ServerLink& link) {
  if (link.cancels_in_flight > 0 || link.cancel_key().empty()) {
    return;
  }
  const auto wait =
      std::max<std::chrono::milliseconds>(link.pool().settings().cancel_wait_timeout, kSlowCheck);
  cancels_.push_back(std::make_unique<CancelSender>(
      *this, link, server_target(link.pool()),
      now() + std::min<std::chrono::milliseconds>(wait, std::chrono::seconds(10))));
  link.cancels_in_flight++;
  cancels_.back()->start();
}

void Worker::cancel_ended(CancelSender& sender) {
  ServerLink* link = sender.link();
  const auto found =
      std::find_if(cancels_.begin(), cancels_.end(), [&](const auto& at) { return at.get() == &sender; });
  invariant(found != cancels_.end(), "a cancel ends once");
  sender.abandon();
  retire(std::move(*found));
  cancels_.erase(found);
  if (link == nullptr) {
    return;
  }
  link->cancels_in_flight--;
  if (link->phase() == LinkPhase::Parked) {
    link->set_phase(LinkPhase::Idle);
    link_orphaned(*link);
  }
}

ServerTarget Worker::server_target(Pool& pool) { return config_->server_target(pool.settings().address); }

std::unique_ptr<ServerLogin> Worker::make_server_login(Pool& pool, const tls::TlsSession* tls,
                                                       const ReplicationRequest* replication) {
  ServerLoginRequest request = server_login_request(*config_, pool.settings(), pool.shared(), tls);
  if (replication != nullptr) {
    add_client_parameters(request, replication->parameters);
  }
  return std::make_unique<ServerLogin>(std::move(request));
}

// ---- replication ----

void Worker::open_replication_link(Pool& pool, ClientConnection& client) {
  ServerLink& opened = new_link(pool);
  ReplicationRequest request = client.opens_replication_link(opened);
  opened.open_for_replication(now(), &client, std::move(request));
}

void Worker::replication_link_failed(ServerLink& link, const Error& error) {
  ClientConnection* client = link.client();
  const bool was_ready = link.was_ready;
  PoolRuntime& shared = link.pool().shared();
  if (!was_ready) {
    count(link.pool().stats().link_failures);
    log_limited("link", "login to server for replication failed: database \"{}\", user \"{}\": {}",
                shared.database->name, shared.user->name, error.message);
    if (is_unavailable(error)) {
      const std::lock_guard lock(shared.mutex);
      shared.last_failure = Error{sqlstate::kCannotConnectNow, error.message, error.detail, error.hint};
    } else {
      shared.replication_retry_at.store((now() + ReplicationLinks::kRefusedPause).time_since_epoch().count());
    }
  }
  link.detach_client();
  close_link(link);
  if (client == nullptr) {
    return;
  }
  if (was_ready || !is_unavailable(error)) {
    client->replication_link_lost(error);
  } else {
    client->replication_link_delayed(now() + kRetryLeast +
                                     std::chrono::milliseconds(rand() % kRetrySpreadMs));
  }
}

void Worker::make_room(Pool& pool) {
  const std::shared_ptr<PoolRuntime> shared = pool.shared_ref();
  if (!pool.idle().empty()) {
    close_link(*pool.idle().front());
  } else if (const auto other = shared->worker_with_idle(index_)) {
    group_->post_yield(*other, shared);
  } else {
    evict_elsewhere(pool);
  }
}

void Worker::yield_slot(const std::shared_ptr<PoolRuntime>& shared) {
  Pool& full = pool(shared);
  if (shared->slots_wanted.load() > 0 && full.is_at_limit() && !full.idle().empty()) {
    close_link(*full.idle().front());
  }
}

}  // namespace sportello::proxy
