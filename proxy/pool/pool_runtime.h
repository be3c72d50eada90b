// What all workers share of one database, one user, one pool: counts, limits and what was learned from the
// servers. Everything here is atomic or guarded by the mutex named beside it; a transaction that finds an
// idle link on its own worker touches one atomic of it.
//
//   PoolDirectory ──▶ PoolRuntime (database, user, node) ──▶ DatabaseRuntime, UserRuntime
//                          ▲ one Pool (pool.h) per worker
//
// Waiting across workers needs no lock: who waits publishes that first and looks for idle links second; who
// frees a link publishes it first and looks for waiting clients second. One of the two sees the other.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "protocol/auth/scram.h"
#include "protocol/result.h"
#include "proxy/net/event_loop.h"
#include "proxy/pool/pool_settings.h"
#include "proxy/session/database_scope.h"
#include "proxy/session/session_settings.h"
#include "proxy/stats/pool_stats.h"

namespace sportello::proxy {

inline constexpr size_t kMaxWorkers = 64;

// A bounded count that several threads take from.
class Slots {
 public:
  // False, and nothing taken, if `limit` (0: none) are in use.
  bool take(int limit) {
    int used = used_.load(std::memory_order_relaxed);
    do {
      if (limit > 0 && used >= limit) {
        return false;
      }
    } while (!used_.compare_exchange_weak(used, used + 1));
    return true;
  }
  void give_back() { used_.fetch_sub(1); }
  // No more than `limit` (0: none) may be taken.
  bool is_full(int limit) const { return limit > 0 && used() >= limit; }
  int used() const { return used_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int> used_{0};
};

// With what to log in to the servers of a user's pool when the configuration has no password: what the client
// proved.
struct PoolSecret {
  std::string secret;  // plain text, md5… or SCRAM verifier; empty: none
  std::optional<auth::ScramKeys> client_keys;
};

struct DatabaseRuntime {
  explicit DatabaseRuntime(std::string its_name) : name(std::move(its_name)) {}

  const std::string name;
  DatabaseScope scope;
  Slots links;
  Slots clients;
  std::atomic<bool> paused{false};
  std::atomic<bool> disabled{false};
  // Until then no connection of our own is there, as it is about to be dropped or renamed; TimePoint ticks.
  std::atomic<int64_t> left_alone_until{0};
  TimePoint unused_since{};  // the first worker's; TimePoint(): it has clients or links

  std::mutex mutex;  // guards what follows
  NodeSetRef nodes;  // its servers; nullptr: nobody reads anywhere but from its primary
  // By user. Also where the configuration says as whom to log in: a reload may take that back.
  std::map<std::string, std::shared_ptr<const PoolSecret>> secrets;

  NodeSetRef current_nodes() {
    const std::lock_guard lock(mutex);
    return nodes;
  }
  // nullptr: that user has not been here.
  std::shared_ptr<const PoolSecret> secret_of(const std::string& user);
};

struct UserRuntime {
  UserRuntime(std::string its_name, uint64_t its_id) : name(std::move(its_name)), id(its_id) {}

  const std::string name;
  const uint64_t id;
  Slots links;
  Slots clients;
};

// What a client is told at login, learned from a server's own login.
struct Welcome {
  std::vector<std::pair<std::string, std::string>> parameters;  // all that the server reported
  Settings settings;
  uint32_t reported = 0;  // as LinkState::reported
};

struct PoolRuntime {
  PoolRuntime(std::shared_ptr<DatabaseRuntime> its_database, std::shared_ptr<UserRuntime> its_user,
              std::shared_ptr<PoolRuntime> its_home = nullptr, size_t its_node = 0);

  const std::shared_ptr<DatabaseRuntime> database;
  const std::shared_ptr<UserRuntime> user;  // as whom the servers are logged in to; clients' may be others
  const std::shared_ptr<PoolRuntime> home;  // of a replica's: the one at the primary; else nullptr
  const size_t node;                        // in the database's NodeSet; 0: the primary

  // Whose clients its links are for.
  const PoolRuntime& clients_pool() const { return home != nullptr ? *home : *this; }

  std::atomic<int> clients{0};     // that have logged in to it, in all workers
  Slots links;                     // open or being opened, in all workers
  std::atomic<int> connecting{0};  // of those, not logged in yet
  std::atomic<int> waiting{0};     // clients, in all workers
  // Written by its worker with nearly every transaction: a cache line each.
  struct alignas(64) PerWorker {
    std::atomic<int> idle{0};
    std::atomic<int64_t> oldest_wait{
        0};  // when its longest-waiting client began to, as TimePoint ticks; 0: none waits
    std::unique_ptr<PoolStats> stats;    // made when the worker first has this pool, and then there to stay
    std::atomic<bool> has_stats{false};  // set when they are made: who reads them looks here first
  };
  std::array<PerWorker, kMaxWorkers> workers;
  // Replication clients that wait for a slot: no other link is opened meanwhile, and one that comes free is
  // closed for them (replication_links.h).
  std::atomic<int> slots_wanted{0};
  // After a server has refused a login for replication: not before this, as TimePoint ticks.
  std::atomic<int64_t> replication_retry_at{0};

  std::atomic<int64_t> retry_at{0};  // after a failed login: not before this, as TimePoint ticks
  std::atomic<uint64_t> generation{
      0};  // links of an older one are closed when they come free (RECONNECT, reload)

  // RECONNECT, or a reload that changes how links are opened. What a login was refused for may be mended.
  void renew_links() {
    generation.fetch_add(1);
    retry_at.store(0);
  }
  // The limit beyond its own size that it is at, if any: max_db_connections, else max_user_connections.
  enum class Full : uint8_t { None, Database, User };
  Full full();
  // A link less of the other pool makes room there.
  bool shares_limit(Full limit, const PoolRuntime& other) const {
    return limit == Full::Database ? other.database == database
           : limit == Full::User   ? other.user == user
                                   : false;
  }
  // Some link is logged in, and comes free sooner or later.
  bool has_ready_links() const { return links.used() > connecting.load(); }

  std::mutex mutex;  // guards what follows
  PoolSettingsRef settings;
  std::shared_ptr<const Welcome> welcome;
  std::optional<Error> last_failure;  // of the last attempt to open a link; none after a success
  std::map<std::string, Settings>
      startup_known;  // startup parameters that a server has accepted -> what they led to

  PoolSettingsRef current_settings() {
    const std::lock_guard lock(mutex);
    return settings;
  }
  // The worker (other than `except`) that has an idle link, if any.
  std::optional<size_t> worker_with_idle(size_t except) const;
  // The worker whose client has waited longest, if anyone waits.
  struct Longest {
    size_t worker;
    int64_t since;
  };
  std::optional<Longest> longest_waiting() const;
};

// All pools. Any thread.
class PoolDirectory {
 public:
  std::shared_ptr<DatabaseRuntime> database(const std::string& name);
  std::shared_ptr<UserRuntime> user(const std::string& name);
  std::shared_ptr<PoolRuntime> pool(const std::string& database, const std::string& user);
  // The same user's at a replica.
  std::shared_ptr<PoolRuntime> replica_pool(const std::shared_ptr<PoolRuntime>& home, size_t node);
  std::vector<std::shared_ptr<PoolRuntime>> pools();
  std::vector<std::shared_ptr<DatabaseRuntime>> databases();
  std::vector<std::shared_ptr<UserRuntime>> users();
  // DISABLE.
  bool is_disabled(const std::string& database);
  // Drops a database and its pools if nobody else refers to them.
  void forget(const std::string& database);

 private:
  std::mutex mutex_;
  uint64_t last_database_id_ = 0;  // ids are never given twice
  std::map<std::string, std::shared_ptr<DatabaseRuntime>> databases_;
  std::map<std::string, std::shared_ptr<UserRuntime>> users_;
  std::map<std::tuple<std::string, std::string, size_t>, std::shared_ptr<PoolRuntime>, std::less<>> pools_;
};

}  // namespace sportello::proxy
