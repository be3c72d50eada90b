// The data plane as a whole: its workers, the door for clients, and what crosses between workers. Made,
// started and stopped by the control plane; everything else here may be called from any thread.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "protocol/sql/facts_cache.h"
#include "proxy/client_entrance.h"
#include "proxy/pool/node_plan.h"
#include "proxy/runtime_config.h"
#include "proxy/stats/stats_sampler.h"
#include "proxy/worker.h"

namespace sportello::proxy {

class AuthQuery;

enum class ShutdownMode : uint8_t {
  WaitForClients,  // no new clients; those there may stay until they leave
  Drain,           // SIGTERM: running transactions finish, and what waits for a link is served
  WaitForServers,  // running transactions finish, and nothing else gets a link
  Now,             // SIGINT
};

// What a reload came to.
struct ReloadReport {
  bool refused = false;               // the configuration in force stays
  std::vector<std::string> problems;  // why; or what was noticed all the same, such as what needs a restart
};

class WorkerGroup {
 public:
  explicit WorkerGroup(RuntimeConfigRef config);
  ~WorkerGroup();

  void start(std::vector<ListenSocket> sockets);
  // Stops the loops and joins the threads. Idempotent.
  void stop();

  size_t size() const { return workers_.size(); }
  Worker& worker(size_t index) { return *workers_[index]; }
  PoolDirectory& directory() { return directory_; }
  NodeDirectory& nodes() { return nodes_; }
  sql::ShapeCache& shapes() { return shapes_; }
  cache::ResultCache& results() { return results_; }
  uint64_t seed() const { return seed_; }
  const std::string& mock_secret() const { return mock_secret_; }
  const StatsSampler& stats_sampler() const { return stats_sampler_; }
  // From the first worker, about once a second.
  void sample_stats(TimePoint now);
  // autodb_idle_timeout; likewise.
  void forget_unused_databases(TimePoint now);
  // dns_max_ttl; likewise.
  void refresh_names();
  std::chrono::system_clock::time_point started_at() const { return started_at_; }

  RuntimeConfigRef config();
  // A reload that has been checked whole.
  void apply_config(const RuntimeConfigRef& config);
  // The pool of a client that has logged in, its settings up to date.
  std::shared_ptr<PoolRuntime> pool(const RuntimeConfig& config, const std::string& database,
                                    const std::string& user);

  // Of the same user, at a replica.
  std::shared_ptr<PoolRuntime> replica_pool(const std::shared_ptr<PoolRuntime>& home, size_t node);
  // The NodeWatch has found that writes go there now; its pool and the primary's change places.
  void make_primary(const std::shared_ptr<DatabaseRuntime>& database,
                    const std::shared_ptr<NodeRuntime>& node);
  // The servers of a database, as the configuration names them. True: they are others than before.
  bool note_nodes(const RuntimeConfig& config, DatabaseRuntime& database);
  // Likewise, when a name leads elsewhere: its pools are told.
  void renote_nodes(const std::shared_ptr<DatabaseRuntime>& database);
  // Where the primary of a database with several servers is now; nothing: only the configuration says.
  std::optional<conf::ServerAddress> primary_of(const std::string& database);
  NodeAddresses& node_addresses() { return node_addresses_; }
  // A name of servers has other addresses, or a database has servers that are to be asked which is its
  // primary. Told on any thread; nullptr ends it.
  void set_on_servers_changed(std::function<void()> told);
  // Where writes are is asked of the primaries that have DatabaseScope::nudged. Any thread.
  void write_settled();
  void set_on_write_settled(std::function<void()> told);
  // They have no link to be had at a replica: each asks elsewhere.
  void post_reroute(const std::shared_ptr<PoolRuntime>& shared);

  // ---- clients ----
  ClientEntrance& entrance() { return entrance_; }
  uint32_t next_process_id(size_t worker);
  // A CancelRequest: forwarded if the key is one of ours and its client's statement is running.
  void cancel(uint32_t process_id, std::string_view key);
  // False: nobody to ask. Otherwise `connection` is told in its worker's thread, if it is still there.
  bool look_up_secret(Worker& worker, ClientConnection& connection, const std::string& database,
                      const std::string& user);
  void set_auth_query(AuthQuery* auth_query) { auth_query_.store(auth_query); }

  // ---- pools, across workers ----
  void post_serve(size_t worker, const std::shared_ptr<PoolRuntime>& shared);
  // To the worker whose client has waited longest.
  void post_serve_waiting(const std::shared_ptr<PoolRuntime>& shared);
  void post_serve_all();
  // An idle link of that worker's gives its slot to a replication client.
  void post_yield(size_t worker, const std::shared_ptr<PoolRuntime>& shared);
  void post_link(size_t worker, std::unique_ptr<ServerLink> link, std::shared_ptr<PoolRuntime> shared);
  void post_fail_waiting(const std::shared_ptr<PoolRuntime>& shared, const Error& why);
  void post_evict(const std::shared_ptr<PoolRuntime>& wanted);
  // SIGUSR1 and SIGUSR2, as PgBouncer has them: PAUSE and RESUME of all databases.
  void pause_all();
  void resume_all();
  // SUSPEND: no connection is accepted and nothing is read, but from the admin console, until its end. The
  // number of this suspension; 0: it is suspended already.
  uint64_t suspend();
  // False: it was not suspended.
  bool end_suspend();
  // Likewise, unless that suspension is over.
  bool end_suspend(uint64_t suspension);
  bool is_suspended() const { return suspension_.load() != 0; }
  // Somebody is about to drop or rename this database of a server, who has to wait until nobody is connected:
  // idle links to it are closed, whatever it is called here, and so are connections of our own, for a while.
  void leave_database(const std::string& dbname);
  // Runs `task` on every worker.
  void post_all(const std::function<void(Worker&)>& task);

  // ---- the program ----
  bool is_draining() const { return draining_.load(); }
  // Even those who had connected before: nobody waits for them.
  bool refuses_clients() const { return refuses_clients_.load(); }
  void begin_shutdown(ShutdownMode mode);
  // How the admin console reaches the control plane; set by it before start().
  std::function<void(std::function<void(ReloadReport)> done)> reload;
  std::function<void(std::string name, std::string value, std::function<void(Result<void>)> done)>
      change_setting;
  std::function<void(ShutdownMode)> request_shutdown;

 private:
  static void note_name_ttls(const conf::Config& conf);
  PoolSettingsRef pool_settings(const RuntimeConfig& config, const PoolRuntime& pool);
  void renew_links();
  void read_again();
  void keep_results(const RuntimeConfig& before, const RuntimeConfig& now);
  void nodes_changed(const DatabaseRuntime& database);
  void servers_changed();
  // Its first settings.
  void set_up(const RuntimeConfig& config, PoolRuntime& pool);
  // Those of all pools, or of one database's.
  void refresh_settings(const RuntimeConfig& config, const DatabaseRuntime* only = nullptr);

  std::mutex mutex_;
  RuntimeConfigRef config_;  // guarded by mutex_
  PoolDirectory directory_;
  NodeDirectory nodes_;
  NodeAddresses node_addresses_;
  sql::ShapeCache shapes_;
  cache::ResultCache results_;
  StatsSampler stats_sampler_{Clock::now()};
  uint64_t seed_;
  std::string mock_secret_;
  std::chrono::system_clock::time_point started_at_;
  std::vector<std::unique_ptr<Worker>> workers_;
  ClientEntrance entrance_{*this};
  std::atomic<uint32_t> last_process_id_{0};
  std::atomic<bool> draining_{false};
  std::atomic<bool> refuses_clients_{false};
  std::atomic<uint64_t> suspension_{0};  // 0: none
  std::atomic<uint64_t> last_suspension_{0};
  std::atomic<AuthQuery*> auth_query_{nullptr};
  std::mutex settled_mutex_;
  std::function<void()> on_write_settled_;  // guarded by settled_mutex_
  std::mutex servers_mutex_;
  std::function<void()> on_servers_changed_;  // guarded by servers_mutex_
  bool running_ = false;
};

}  // namespace sportello::proxy
