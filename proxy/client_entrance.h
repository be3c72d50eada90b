// The door for clients: the listening sockets, who of those that come may stay, and with which worker.
//
// Every worker watches every listening socket, and the kernel wakes one that has nothing to do
// (EPOLLEXCLUSIVE, epoll_ctl(2)). It keeps the client it accepted unless another worker has notably fewer.
// Handing one over costs two wake-ups, which is much for a short connection; where clients stay for less than
// a second, nobody has more than the others for long, and most are kept.
//
// Any thread, but where it says otherwise.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "proxy/failed_logins.h"
#include "proxy/net/listener.h"
#include "proxy/net/socket_options.h"
#include "proxy/pool/pool_runtime.h"

namespace sportello::proxy {

class Worker;
class WorkerGroup;

class ClientEntrance {
 public:
  explicit ClientEntrance(WorkerGroup& group) : group_(&group) {}

  // Before the workers run, and after they have ended.
  void open(std::vector<ListenSocket> sockets, const SocketOptions& options);
  void forget_all();

  // Those who come from now on have these.
  void set_options(const SocketOptions& options);
  // SUSPEND: those who come wait in the kernel's queue until resume().
  void suspend();
  void resume();
  // For good: the kernel refuses those who come, from when the last worker has heard of it.
  void close();

  // On `by`'s thread: it has accepted a socket, whose client has to log in.
  void accepted(Worker& by, int fd, const ClientAddress& address);
  // On that worker's thread.
  void client_gone(Worker& worker);
  int clients() const { return clients_.load(); }

  // A place among max_client_conn, taken by who has logged in, for as long as it stays. The console's clients
  // need none: who wants to know why all are taken has to get in.
  bool admit(int limit) { return admitted_.take(limit); }
  void leave() { admitted_.give_back(); }
  bool is_full(int limit) const { return admitted_.is_full(limit); }

  // Who among those that log in is the oldest, to make room for another.
  uint64_t login_began(uint32_t process_id);
  void login_ended(uint64_t login);
  // Of all workers.
  FailedLogins& failed_logins() { return failed_logins_; }
  int logging_in() const { return logging_in_.load(); }

 private:
  // Clients of a worker that have left it, in this second and in the one before. Its thread's alone.
  struct alignas(64) Departures {
    int64_t second = 0;
    int now = 0;
    int before = 0;

    void turn_to(TimePoint time);
  };

  size_t worker_for(Worker& by);
  void evict_oldest_login();

  WorkerGroup* group_;
  // Of each worker, on its loop and for its thread alone, once it runs.
  std::array<std::vector<std::unique_ptr<Listener>>, kMaxWorkers> listeners_;
  std::array<std::atomic<int>, kMaxWorkers> clients_of_{};
  std::array<Departures, kMaxWorkers> departures_{};
  Slots admitted_;
  FailedLogins failed_logins_;
  std::atomic<int> clients_{0};     // those that log in included
  std::atomic<int> logging_in_{0};  // counted before clients_, so that nobody seems to be more than that
  TimePoint all_inherit_at_{};      // set before the first listener listens
  std::mutex mutex_;
  std::map<uint64_t, uint32_t> logins_;  // guarded by mutex_: a number that grows -> process id
  uint64_t last_login_ = 0;              // guarded by mutex_
  std::vector<std::shared_ptr<ListenSocket>> sockets_;  // guarded by mutex_; each listener has one, too
};

}  // namespace sportello::proxy
