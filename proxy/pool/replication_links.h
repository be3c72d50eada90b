// One worker's replication clients that have logged in and wait for a server link of their own. Such a link
// is opened for its client, counted in the limits like any other, never pooled, and closed with its client.
//
// At a limit the client waits for a slot (PoolRuntime::slots_wanted): an idle link of the pool makes room,
// else the first that comes free is closed instead of being lent on. While a server is not there, opening is
// tried every 50 to 100 ms; after it has refused a login, once a second at most. The wait ends with
// query_wait_timeout, which is ClientConnection's.
//
// Used on its worker's thread only.
#pragma once

#include <deque>

#include "proxy/pool/pool.h"

namespace sportello::proxy {

class ClientConnection;
class Worker;

class ReplicationLinks {
 public:
  static constexpr std::chrono::milliseconds kRefusedPause{1000};

  explicit ReplicationLinks(Worker& worker) : worker_(&worker) {}

  // Opens a link now, or when one may be opened; ClientConnection::opens_replication_link is told.
  void want(Pool& pool, ClientConnection& client, TimePoint not_before = TimePoint());
  void forget(const ClientConnection& client);
  // From time to time: opens what may be opened.
  void serve(TimePoint now);

 private:
  struct Waiting {
    Pool* pool;
    ClientConnection* client;
    TimePoint not_before;
    bool wants_slot = false;  // counted in PoolRuntime::slots_wanted
  };

  bool take_slot(Waiting& waiting, TimePoint now);
  static void set_wants_slot(Waiting& waiting, bool wants);

  Worker* worker_;
  std::deque<Waiting> waiting_;
};

}  // namespace sportello::proxy
