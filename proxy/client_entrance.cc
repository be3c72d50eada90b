#include "proxy/client_entrance.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "protocol/error_response.h"
#include "protocol/sqlstate.h"
#include "proxy/worker_group.h"

namespace sportello::proxy {
namespace {

// So many clients more than another worker a worker may have: of those that stay, and where most soon leave.
int most_ahead(int least) { return std::min((least + 4) / 8, 16); }
int most_ahead_of_passers_by(int least) { return least + 4; }

// Who connected before the listening socket had its options (at a start, or while systemd listened for us)
// has not inherited them, and comes to us within this time.
constexpr std::chrono::seconds kEarlyClients{5};

// Tells a client that was accepted but will not be served; it has not said anything yet.
void refuse_socket(int fd) {
  std::string out;
  append_error_response(out, Severity::Fatal,
                        {sqlstate::kCannotConnectNow, "the database system is shutting down"});
  [[maybe_unused]] const ssize_t ignored = write(fd, out.data(), out.size());
  ::close(fd);
}

}  // namespace

void ClientEntrance::open(std::vector<ListenSocket> sockets, const SocketOptions& options) {
  {
    const std::lock_guard lock(mutex_);
    for (ListenSocket& socket : sockets) {
      sockets_.push_back(std::make_shared<ListenSocket>(std::move(socket)));
      apply_to_accepted(sockets_.back()->fd(), options);
    }
    all_inherit_at_ = Clock::now() + kEarlyClients;
    for (size_t i = 0; i < group_->size(); i++) {
      Worker& worker = group_->worker(i);
      for (const auto& socket : sockets_) {
        listeners_[i].push_back(std::make_unique<Listener>(
            worker.loop(), socket,
            [this, &worker](int fd, const ClientAddress& address) { accepted(worker, fd, address); }));
        listeners_[i].back()->start();
      }
    }
  }
}

void ClientEntrance::forget_all() {
  for (auto& listeners : listeners_) {
    listeners.clear();
  }
  const std::lock_guard lock(mutex_);
  sockets_.clear();
}

void ClientEntrance::set_options(const SocketOptions& options) {
  const std::lock_guard lock(mutex_);
  for (const auto& socket : sockets_) {
    apply_to_accepted(socket->fd(), options);
  }
}

void ClientEntrance::suspend() {
  group_->post_all([this](Worker& worker) {
    for (const auto& listener : listeners_[worker.index()]) {
      listener->stop();
    }
  });
}

void ClientEntrance::resume() {
  group_->post_all([this](Worker& worker) {
    for (const auto& listener : listeners_[worker.index()]) {
      listener->start();
    }
  });
}

void ClientEntrance::close() {
  {
    const std::lock_guard lock(mutex_);
    sockets_.clear();
  }
  group_->post_all([this](Worker& worker) {
    for (const auto& listener : listeners_[worker.index()]) {
      listener->accept_rest();
    }
    listeners_[worker.index()].clear();
  });
}

// ---- clients ----

void ClientEntrance::Departures::turn_to(TimePoint time) {
  const int64_t passed = std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count() - second;
  if (passed > 0) {
    before = passed == 1 ? now : 0;
    now = 0;
    second += passed;
  }
}

// The one with the fewest clients, or `by` if that is about the same: few are dealt out evenly.
size_t ClientEntrance::worker_for(Worker& by) {
  const auto clients_of = [&](size_t i) { return clients_of_[i].load(std::memory_order_relaxed); };
  size_t least = 0;
  for (size_t i = 1; i < group_->size(); i++) {
    if (clients_of(i) < clients_of(least)) {
      least = i;
    }
  }
  const int mine = clients_of(by.index());
  Departures& departures = departures_[by.index()];
  departures.turn_to(by.now());
  const bool soon_leave = departures.now + departures.before > mine;
  const int ahead = soon_leave ? most_ahead_of_passers_by(clients_of(least)) : most_ahead(clients_of(least));
  return mine <= clients_of(least) + ahead ? by.index() : least;
}

void ClientEntrance::accepted(Worker& by, int fd, const ClientAddress& address) {
  const RuntimeConfigRef& config = by.config();
  const int logging_in = logging_in_.fetch_add(1) + 1;
  clients_.fetch_add(1);
  if (group_->refuses_clients()) {
    clients_.fetch_sub(1);
    logging_in_.fetch_sub(1);
    refuse_socket(fd);
    return;
  }
  if (logging_in > config->most_login_clients()) {
    evict_oldest_login();
  }
  if (by.now() < all_inherit_at_ && !address.is_local) {
    apply_socket_options(fd, config->client_socket_options());
  }
  const size_t index = worker_for(by);
  clients_of_[index].fetch_add(1);
  Worker& chosen = group_->worker(index);
  if (&chosen == &by) {
    chosen.adopt_client(fd, address);
  } else {
    chosen.loop().post([&chosen, fd, address] { chosen.adopt_client(fd, address); });
  }
}

void ClientEntrance::client_gone(Worker& worker) {
  Departures& departures = departures_[worker.index()];
  departures.turn_to(worker.now());
  departures.now++;
  clients_of_[worker.index()].fetch_sub(1);
  clients_.fetch_sub(1);
}

// The quota of those who have not logged in is full: the one that has taken longest makes room, so that real
// clients, who log in at once, are never kept out by silent ones.
void ClientEntrance::evict_oldest_login() {
  uint32_t oldest = 0;
  {
    const std::lock_guard lock(mutex_);
    if (logins_.empty()) {
      return;
    }
    oldest = logins_.begin()->second;
    logins_.erase(logins_.begin());
  }
  Worker& owner = group_->worker(oldest & (kMaxWorkers - 1));
  owner.loop().post([&owner, oldest] {
    ClientConnection* client = owner.find_client(oldest);
    if (client == nullptr || client->startup() == nullptr || client->startup()->is_authenticated()) {
      return;
    }
    if (client->startup()->is_refused()) {
      client->startup()->tell_refusal();
    } else {
      client->close(CloseReason::TooManyConnections);
    }
  });
}

uint64_t ClientEntrance::login_began(uint32_t process_id) {
  const std::lock_guard lock(mutex_);
  logins_.emplace(++last_login_, process_id);
  return last_login_;
}

void ClientEntrance::login_ended(uint64_t login) {
  logging_in_.fetch_sub(1);
  const std::lock_guard lock(mutex_);
  logins_.erase(login);
}

}  // namespace sportello::proxy
