#include "proxy/worker.h"

#include <openssl/crypto.h>
#include <unistd.h>

#include <algorithm>
#include <random>

#include "protocol/auth/scram.h"
#include "protocol/frontend_messages.h"
#include "protocol/invariant.h"
#include "protocol/sqlstate.h"
#include "proxy/log.h"
#include "proxy/pool/server_login_request.h"
#include "proxy/worker_group.h"

namespace sportello::proxy {
namespace {

constexpr std::chrono::milliseconds kRetryLeast{50};
constexpr int kRetrySpreadMs = 50;
constexpr size_t kRandomBytes = 1024;
constexpr std::chrono::milliseconds kHeldAnswers{2};
// So long after a read was kept from a replica, positions are asked for at once.
constexpr std::chrono::seconds kHeldLately{1};
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

Worker::Worker(WorkerGroup& group, size_t index, RuntimeConfigRef config)
    : group_(&group),
      index_(index),
      config_(std::move(config)),
      loop_(std::make_unique<EventLoop>()),
      read_buffer_(config_->conf.pkt_buf),
      facts_(std::make_unique<sql::FactsCache>(group.shapes(), group.seed())),
      cache_(group.results()),
      verifiers_(group.mock_secret()),
      last_tick_(loop_->now()) {
  context_.facts = facts_.get();
  context_.statements = &statements_;
  context_.queries = &queries_;
  context_.limbo = &limbo_;
  context_.write_settled = [this](DatabaseScope& scope) {
    const TimePoint held{Clock::duration(scope.held_at.load(std::memory_order_relaxed))};
    if (loop_->now() - held < kHeldLately && !scope.nudged.exchange(true)) {
      group_->write_settled();
    }
  };
  context_.empty_database = [this](std::string_view dbname) {
    group_->post_all([name = std::string(dbname)](Worker& worker) { worker.leave_database(name); });
  };
  note_limits();
  on_tick_ = [this] { tick(); };
  tick_timer_ = loop_->every(kTick, &on_tick_);
  loop_->on_round_end(&on_round_end_);
}

Worker::~Worker() {
  for (auto& client : clients_) {
    retire(std::move(client));
  }
  clients_.clear();
  links_.clear();
  cancels_.clear();
  retired_.clear();
  pools_.clear();
  tick_timer_.reset();
  held_timer_.reset();
}

void Worker::start() {
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), ("worker " + std::to_string(index_)).c_str());
    loop_->run();
  });
}

// ---- sessions ----

void Worker::adopt_client(int fd, const ClientAddress& address) {
  auto client = std::make_unique<ClientConnection>(*this, fd, address);
  ClientConnection& adopted = *client;
  adopted.worker_slot = clients_.size();
  clients_.push_back(std::move(client));
  by_process_id_[adopted.process_id()] = &adopted;
  if (suspended_) {
    adopted.hold();
  }
  const bool has_spoken = config_->conf.tcp_defer_accept && !address.is_local && !suspended_;
  if (!adopted.start(has_spoken)) {
    log_warning("a client could not be watched: out of event-loop resources");
    adopted.close(CloseReason::OutOfMemory);
  }
}

std::string Worker::random_bytes(size_t count) {
  if (random_.size() < count) {
    random_ = auth::random_bytes(kRandomBytes);
  }
  std::string bytes = random_.substr(random_.size() - count);
  OPENSSL_cleanse(random_.data() + random_.size() - count, count);
  random_.resize(random_.size() - count);
  return bytes;
}

void Worker::remove_client(ClientConnection& client) {
  const size_t slot = client.worker_slot;
  invariant(slot < clients_.size() && clients_[slot].get() == &client,
            "a client is in its worker's list once");
  by_process_id_.erase(client.process_id());
  retire(std::move(clients_[slot]));
  if (slot + 1 != clients_.size()) {
    clients_[slot] = std::move(clients_.back());
    clients_[slot]->worker_slot = slot;
  }
  clients_.pop_back();
  group_->entrance().client_gone(*this);
}

ClientConnection* Worker::find_client(uint32_t process_id) {
  const auto found = by_process_id_.find(process_id);
  return found == by_process_id_.end() ? nullptr : found->second;
}

Pool& Worker::pool(const std::shared_ptr<PoolRuntime>& shared) {
  auto& slot = pools_[shared.get()];
  if (!slot) {
    slot = std::make_unique<Pool>(shared, index_);
  }
  return *slot;
}

Pool& Worker::replica_pool(Pool& home, size_t node) {
  if (home.replicas.size() <= node) {
    home.replicas.resize(node + 1);
  }
  Pool*& known = home.replicas[node];
  if (known == nullptr) {
    known = &pool(group_->replica_pool(home.shared_ref(), node));
  }
  return *known;
}

std::shared_ptr<DatabaseNames> Worker::names(const std::shared_ptr<DatabaseRuntime>& database) {
  std::weak_ptr<DatabaseNames>& slot = names_[database->scope.id];
  std::shared_ptr<DatabaseNames> found = slot.lock();
  if (found == nullptr) {
    std::erase_if(names_, [&](const auto& entry) {
      return entry.first != database->scope.id && entry.second.expired();
    });
    found = std::make_shared<DatabaseNames>(std::shared_ptr<DatabaseScope>(database, &database->scope));
    names_[database->scope.id] = found;
  }
  return found;
}

ServerLink* Worker::get_link(Pool& pool, ClientConnection& client) {
  PoolRuntime& shared = pool.shared();
  const bool closed = shared.database->paused.load(std::memory_order_relaxed) || pool.is_down();
  while (!closed) {
    ServerLink* link = pool.take_idle();
    if (link == nullptr) {
      break;
    }
    // One that has rested may be dead without our knowing yet.
    const bool rested = now() - link->last_active() >= kTick;
    if (link->is_outdated() || (rested && !link->still_there())) {
      close_link(*link);
      continue;
    }
    if (!pool.settings().server_check_query.empty() && pool.settings().server_check_delay.count() > 0 &&
        now() - link->last_active() >= pool.settings().server_check_delay && rested) {
      link->run_own_query(OwnPurpose::Check, pool.settings().server_check_query);
      continue;
    }
    return link;
  }
  pool.wait(&client, now());
  // Nothing is granted before this call has returned: a link that others wait for, too, is dealt with
  // afterwards.
  if (!closed && !pool.idle().empty()) {
    group_->post_serve(index_, pool.shared_ref());
  } else if (!closed) {
    serve(pool.shared_ref());
  }
  return nullptr;
}

void Worker::stop_waiting(Pool& pool, ClientConnection& client) {
  pool.stop_waiting(&client);
  replication_links_.forget(client);
}

// Matches idle links with waiting clients, here and elsewhere; opens links for those who are left.
void Worker::serve(const std::shared_ptr<PoolRuntime>& shared) {
  Pool& served = pool(shared);
  if (shared->database->paused.load() || served.is_down()) {
    return;
  }
  while (!served.idle().empty() && shared->waiting.load() > 0) {
    ServerLink* link = served.idle().back();
    served.remove_idle(link);
    if (link->close_when_free || !link->still_there()) {
      close_link(*link);
      continue;
    }
    put_back(*link);
    if (!served.idle().empty() && served.idle().back() == link) {
      break;  // nobody wanted it after all
    }
  }
  if (served.waiting().empty()) {
    if (shared->waiting.load() > 0) {
      // Asked for an idle link that is gone: whoever asked has to look elsewhere.
      group_->post_serve_waiting(shared);
    }
    return;
  }
  if (const auto other = shared->worker_with_idle(index_)) {
    group_->post_serve(*other, shared);
  } else {
    open_links(served);
  }
}

// At the limit of its database or user, which other pools share: one of theirs makes room.
void Worker::evict_elsewhere(Pool& pool) {
  const PoolSettings& settings = pool.settings();
  DatabaseRuntime* database = pool.shared().database.get();
  UserRuntime* user = pool.shared().user.get();
  const bool by_database = database->links.is_full(settings.max_db_connections);
  const bool by_user = user->links.is_full(settings.max_user_connections);
  if (pool.shared().links.used() < settings.pool_size && (by_database || by_user)) {
    group_->post_evict(by_database ? database : nullptr, by_database ? nullptr : user);
  }
}

// It takes the pool's generation first and the settings second, as a reload changes them the other way round:
// never is a link of today's generation opened by yesterday's settings.
ServerLink& Worker::new_link(Pool& pool) {
  links_.push_back(std::make_unique<ServerLink>(*this, pool));
  pool.set_settings(pool.shared().current_settings());
  return *links_.back();
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

void Worker::open_links(Pool& pool, bool to_minimum) {
  if (suspended_ || (draining_ && clients_.empty())) {
    return;
  }
  for (;;) {
    const Pool::Opening opening = pool.take_slot(now(), to_minimum);
    if (opening == Pool::Opening::AtLimit && !pool.waiting().empty()) {
      evict_elsewhere(pool);
    }
    if (opening != Pool::Opening::Granted) {
      return;
    }
    ServerLink& opened = new_link(pool);
    opened.open(now());
  }
}

// ---- links ----

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
    if (!unavailable) {
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

}  // namespace sportello::proxy
