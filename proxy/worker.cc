#include "proxy/worker.h"

#include <openssl/crypto.h>

#include <algorithm>

#include "protocol/auth/scram.h"
#include "protocol/invariant.h"
#include "proxy/log.h"
#include "proxy/worker_group.h"

namespace sportello::proxy {
namespace {

constexpr size_t kRandomBytes = 1024;
// So long after a read was kept from a replica, positions are asked for at once.
constexpr std::chrono::seconds kHeldLately{1};

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
  context_.empty_database = [this](std::string_view dbname) { group_->leave_database(std::string(dbname)); };
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

const PoolMember& Worker::pool_member(Pool& pool, const std::shared_ptr<UserRuntime>& user) {
  const auto [at, is_new] = pool.members.try_emplace(user.get());
  if (is_new) {
    at->second.user = user;
    note_member(pool, at->second);
  }
  return at->second;
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
  const bool begins = begins_nothing_ && !client.has_begun_block();
  const bool closed = begins || shared.database->paused.load(std::memory_order_relaxed) || pool.is_down();
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
  if (begins) {
    loop_->post([this] { close_resting_clients(); });  // the caller is still about it
  }
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
  if (pool.shared().links.used() < pool.settings().pool_size &&
      pool.shared().full() != PoolRuntime::Full::None) {
    group_->post_evict(pool.shared_ref());
  }
}

// It takes the pool's generation first and the settings second, as a reload changes them the other way round:
// never is a link of today's generation opened by yesterday's settings.
ServerLink& Worker::new_link(Pool& pool) {
  links_.push_back(std::make_unique<ServerLink>(*this, pool));
  pool.set_settings(pool.shared().current_settings());
  return *links_.back();
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
    if (opening == Pool::Opening::NotYet && !pool.waiting().empty() && pool.refusal(now())) {
      // Afterwards: whoever has just begun to wait is still about it.
      loop_->post([this, shared = pool.shared_ref()] { tell_refusal(shared); });
    }
    if (opening != Pool::Opening::Granted) {
      return;
    }
    ServerLink& opened = new_link(pool);
    opened.open(now());
  }
}

}  // namespace sportello::proxy
