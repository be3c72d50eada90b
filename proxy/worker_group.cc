#include "proxy/worker_group.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "protocol/auth/scram.h"
#include "protocol/auth/secret_bytes.h"
#include "protocol/error_response.h"
#include "proxy/control/auth_query.h"
#include "proxy/control/auth_target.h"
#include "proxy/log.h"

namespace sportello::proxy {
namespace {

const std::vector<cache::CacheRule> kNoRules;

constexpr size_t kMockSecretBytes = 32;
// A process id carries its worker in the low bits and is positive as an int4.
constexpr uint32_t kWorkerBits = 6;
constexpr uint32_t kProcessIdMask = 0x7fffffff;
static_assert((1U << kWorkerBits) == kMaxWorkers);

// A server that is to drop a database waits five seconds for those who are connected to it.
constexpr std::chrono::seconds kLeftAlone{10};

size_t worker_count(const conf::Config& conf) {
  const auto wanted = conf.workers > 0
                          ? static_cast<size_t>(conf.workers)
                          : static_cast<size_t>(std::max(1U, std::thread::hardware_concurrency()));
  return std::min(wanted, kMaxWorkers);
}

uint64_t random_u64() {
  uint64_t value = 0;
  const std::string bytes = auth::random_bytes(sizeof value);
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

}  // namespace

WorkerGroup::WorkerGroup(RuntimeConfigRef config)
    : config_(std::move(config)),
      results_(config_->conf.cache.max_memory),
      seed_(random_u64()),
      mock_secret_(auth::random_bytes(kMockSecretBytes)),
      started_at_(std::chrono::system_clock::now()),
      last_process_id_(static_cast<uint32_t>(random_u64())) {
  for (size_t i = 0; i < worker_count(config_->conf); i++) {
    workers_.push_back(std::make_unique<Worker>(*this, i, config_));
  }
}

WorkerGroup::~WorkerGroup() { stop(); }

void WorkerGroup::start(std::vector<ListenSocket> sockets) {
  running_ = true;
  note_name_ttls(config()->conf);
  NameResolver::system().set_on_change([this](const std::string& host, const AddressList& addresses) {
    post_all([host, addresses](Worker& worker) { worker.leave_lost_addresses(host, addresses); });
    servers_changed();
  });
  entrance_.open(std::move(sockets), config()->client_socket_options());
  for (auto& worker : workers_) {
    worker->start();
  }
}

void WorkerGroup::stop() {
  if (!running_) {
    return;
  }
  running_ = false;
  NameResolver::system().set_on_change(nullptr);
  for (auto& worker : workers_) {
    EventLoop* loop = &worker->loop();
    loop->post([loop] { loop->stop(); });
  }
  for (auto& worker : workers_) {
    worker->thread().join();
  }
  entrance_.forget_all();
  workers_.clear();
}

RuntimeConfigRef WorkerGroup::config() {
  const std::lock_guard lock(mutex_);
  return config_;
}

std::shared_ptr<PoolRuntime> WorkerGroup::pool(const RuntimeConfig& config, const std::string& database,
                                               const std::string& user) {
  auto pool = directory_.pool(database, user);
  if (pool->current_settings() != nullptr) {
    return pool;
  }
  // Taken once a reload would find the pool: whoever asks may have begun under an older one.
  const RuntimeConfigRef in_force = this->config();
  const RuntimeConfig& its_config = in_force->database(database) != nullptr ? *in_force : config;
  if (pool->database->current_nodes() == nullptr) {
    note_nodes(its_config, *pool->database);
  }
  set_up(its_config, *pool);
  return pool;
}

std::shared_ptr<PoolRuntime> WorkerGroup::replica_pool(const std::shared_ptr<PoolRuntime>& home,
                                                       size_t node) {
  auto pool = directory_.replica_pool(home, node);
  set_up(*config(), *pool);
  return pool;
}

void WorkerGroup::set_up(const RuntimeConfig& config, PoolRuntime& pool) {
  const std::lock_guard lock(pool.mutex);
  if (pool.settings == nullptr) {
    pool.settings = pool_settings(config, pool);
  }
}

void WorkerGroup::apply_config(const RuntimeConfigRef& config) {
  RuntimeConfigRef before;
  {
    const std::lock_guard lock(mutex_);
    before = std::exchange(config_, config);
  }
  keep_results(*before, *config);
  for (const auto& database : directory_.databases()) {
    if (config->database(database->name) != nullptr) {
      note_nodes(*config, *database);
    }
  }
  refresh_settings(*config);
  if (before->conf.server_tls != config->conf.server_tls) {
    renew_links();
  }
  note_name_ttls(config->conf);
  entrance_.set_options(config->client_socket_options());
  post_all([config](Worker& worker) { worker.apply_config(config); });
}

// What is open was opened by the old rules: it goes as it comes free.
void WorkerGroup::renew_links() {
  for (const auto& pool : directory_.pools()) {
    pool->renew_links();
  }
}

// Results outlive a reload, if their rule does.
void WorkerGroup::keep_results(const RuntimeConfig& before, const RuntimeConfig& now) {
  results_.store.set_max_bytes(now.conf.cache.max_memory);
  for (const cache::CacheRule& rule : before.cache_rules ? before.cache_rules->rules() : kNoRules) {
    const auto& rules = now.cache_rules ? now.cache_rules->rules() : kNoRules;
    const bool stays = std::any_of(rules.begin(), rules.end(),
                                   [&](const cache::CacheRule& other) { return other.id == rule.id; });
    if (!stays) {
      results_.store.flush_rule(rule.id);
    }
  }
}

void WorkerGroup::refresh_settings(const RuntimeConfig& config, const DatabaseRuntime* only) {
  for (const auto& pool : directory_.pools()) {
    const std::lock_guard lock(pool->mutex);
    if (config.database(pool->database->name) == nullptr ||
        (only != nullptr && only != pool->database.get())) {
      continue;  // those connected go on as they were; nobody new gets in
    }
    PoolSettingsRef settings = pool_settings(config, *pool);
    const bool links_are_outdated =
        pool->settings != nullptr && (!(pool->settings->address == settings->address) ||
                                      pool->settings->connect_query != settings->connect_query);
    pool->settings = std::move(settings);
    pool->startup_known.clear();
    if (links_are_outdated) {
      // Last: a link of the new generation is opened by the new settings (Worker::new_link).
      pool->renew_links();
    }
  }
}

void WorkerGroup::sample_stats(TimePoint now) {
  const RuntimeConfigRef in_force = config();
  const auto pools = directory_.pools();
  if (stats_sampler_.tick(now, in_force->conf.stats_period, pools) && in_force->conf.log_stats) {
    StatTotals sum;
    for (const auto& [database, totals] : totals_of(pools)) {
      sum.add(totals);
    }
    const StatTotals averages = stats_sampler_.averages(sum, now);
    log_info("stats: {} xacts/s, {} queries/s, in {} B/s, out {} B/s, xact {} us, query {} us, wait {} us",
             averages[Stat::Transactions], averages[Stat::Queries], averages[Stat::ClientBytes],
             averages[Stat::ServerBytes], averages[Stat::TransactionTime], averages[Stat::QueryTime],
             averages[Stat::WaitTime]);
  }
}

// The names by which links are open, whether anybody opens more or not.
void WorkerGroup::refresh_names() {
  std::set<std::string> hosts;
  for (const auto& pool : directory_.pools()) {
    if (const PoolSettingsRef settings = pool->current_settings(); settings && pool->links.used() > 0) {
      hosts.insert(settings->address.host);
    }
  }
  NameResolver::system().refresh(hosts);
}

void WorkerGroup::note_name_ttls(const conf::Config& conf) {
  NameResolver::system().set_ttls(conf.dns_max_ttl, conf.dns_nxdomain_ttl);
}

void WorkerGroup::forget_unused_databases(TimePoint now) {
  const RuntimeConfigRef in_force = config();
  const auto timeout = in_force->conf.autodb_idle_timeout;
  std::vector<std::string> forgotten;
  for (const auto& database : directory_.databases()) {
    const bool is_kept = in_force->conf.databases.contains(database->name) || database->paused.load() ||
                         database->disabled.load();
    if (timeout.count() == 0 || is_kept || database->clients.used() > 0 || database->links.used() > 0) {
      database->unused_since = TimePoint();
    } else if (database->unused_since == TimePoint()) {
      database->unused_since = now;
    } else if (now - database->unused_since >= timeout) {
      post_all([unused = database.get()](Worker& worker) { worker.forget_pools(unused); });
      forgotten.push_back(database->name);
    }
  }
  // What the workers let go of after this is dropped the next time.
  for (const std::string& name : forgotten) {
    directory_.forget(name);
  }
}

// ---- clients ----

void WorkerGroup::pause_all() {
  for (const auto& database : directory_.databases()) {
    database->paused.store(true);
  }
  post_all([](Worker& worker) { worker.close_idle_links([](ServerLink&) { return true; }); });
}

uint64_t WorkerGroup::suspend() {
  uint64_t none = 0;
  const uint64_t number = last_suspension_.fetch_add(1) + 1;
  if (!suspension_.compare_exchange_strong(none, number)) {
    return 0;
  }
  entrance_.suspend();
  post_all([](Worker& worker) { worker.suspend(); });
  return number;
}

bool WorkerGroup::end_suspend() {
  if (suspension_.exchange(0) == 0) {
    return false;
  }
  read_again();
  return true;
}

bool WorkerGroup::end_suspend(uint64_t suspension) {
  if (suspension == 0 || !suspension_.compare_exchange_strong(suspension, 0)) {
    return false;
  }
  read_again();
  return true;
}

void WorkerGroup::read_again() {
  post_all([](Worker& worker) { worker.resume(); });
  entrance_.resume();
}

void WorkerGroup::resume_all() {
  end_suspend();
  for (const auto& database : directory_.databases()) {
    database->paused.store(false);
  }
  post_serve_all();
}

uint32_t WorkerGroup::next_process_id(size_t worker) {
  const uint32_t number = last_process_id_.fetch_add(1) + 1;
  return ((number << kWorkerBits) | static_cast<uint32_t>(worker)) & kProcessIdMask;
}

void WorkerGroup::cancel(uint32_t process_id, std::string_view key) {
  const size_t index = process_id & (kMaxWorkers - 1);
  if (index >= workers_.size()) {
    return;
  }
  Worker& owner = *workers_[index];
  owner.loop().post([&owner, process_id, key = std::string(key)] {
    ClientConnection* client = owner.find_client(process_id);
    if (client != nullptr && !client->cancel_key().empty() &&
        auth::equal_secrets(client->cancel_key(), key)) {
      client->cancel();
    } else {
      log_limited("cancel", "a cancel request with a key that nobody has");
    }
  });
}

bool WorkerGroup::look_up_secret(Worker& worker, ClientConnection& connection, const std::string& database,
                                 const std::string& user) {
  AuthQuery* auth_query = auth_query_.load();
  if (auth_query == nullptr) {
    return false;
  }
  const auto answer = [asker = &worker, process_id = connection.process_id()](SecretLookup found) {
    asker->loop().post([asker, process_id, found = std::move(found)] {
      if (ClientConnection* client = asker->find_client(process_id)) {
        client->secret_found(found);
      }
    });
  };
  const RuntimeConfigRef in_force = config();
  const std::string& asked = auth_database(*in_force, database);
  if (directory_.is_disabled(asked) && auth_target(*in_force, database)) {
    SecretLookup refused;
    refused.failed = true;
    refused.why = "authentication database \"" + asked + "\" is disabled";
    answer(std::move(refused));
    return true;
  }
  return auth_query->look_up(in_force, database, user, answer);
}

// ---- pools, across workers ----

void WorkerGroup::post_serve(size_t worker, const std::shared_ptr<PoolRuntime>& shared) {
  Worker& server = *workers_[worker];
  server.loop().post([&server, shared] { server.serve(shared); });
}

void WorkerGroup::post_serve_waiting(const std::shared_ptr<PoolRuntime>& shared) {
  if (const auto longest = shared->longest_waiting()) {
    post_serve(longest->worker, shared);
  }
}

void WorkerGroup::post_serve_all() {
  post_all([](Worker& worker) { worker.serve_waiting(); });
}

void WorkerGroup::post_yield(size_t worker, const std::shared_ptr<PoolRuntime>& shared) {
  Worker& owner = *workers_[worker];
  owner.loop().post([&owner, shared] { owner.yield_slot(shared); });
}

void WorkerGroup::post_link(size_t worker, std::unique_ptr<ServerLink> link,
                            std::shared_ptr<PoolRuntime> shared) {
  Worker& receiver = *workers_[worker];
  receiver.loop().post([&receiver, link = std::move(link), shared = std::move(shared)]() mutable {
    receiver.receive_link(std::move(link), shared);
  });
}

void WorkerGroup::post_fail_waiting(const std::shared_ptr<PoolRuntime>& shared, const Error& why) {
  post_all([shared, why](Worker& worker) { worker.fail_waiting(shared, why); });
}

void WorkerGroup::write_settled() {
  const std::lock_guard lock(settled_mutex_);
  if (on_write_settled_) {
    on_write_settled_();
  }
}

void WorkerGroup::set_on_servers_changed(std::function<void()> told) {
  const std::lock_guard lock(servers_mutex_);
  on_servers_changed_ = std::move(told);
}

void WorkerGroup::servers_changed() {
  const std::lock_guard lock(servers_mutex_);
  if (on_servers_changed_) {
    on_servers_changed_();
  }
}

void WorkerGroup::set_on_write_settled(std::function<void()> told) {
  const std::lock_guard lock(settled_mutex_);
  on_write_settled_ = std::move(told);
}

void WorkerGroup::post_reroute(const std::shared_ptr<PoolRuntime>& shared) {
  post_all([shared](Worker& worker) { worker.reroute_waiting(shared); });
}

void WorkerGroup::post_evict(const std::shared_ptr<PoolRuntime>& wanted) {
  const PoolRuntime::Full full = wanted->full();
  // One idle link is enough: the first worker that has one closes it.
  for (const auto& pool : directory_.pools()) {
    if (!wanted->shares_limit(full, *pool) || pool->waiting.load() > 0) {
      continue;
    }
    for (size_t i = 0; i < workers_.size(); i++) {
      if (pool->workers[i].idle.load() > 0) {
        Worker& owner = *workers_[i];
        owner.loop().post([&owner, wanted] { owner.evict_idle(wanted); });
        return;
      }
    }
  }
}

void WorkerGroup::leave_database(const std::string& dbname) {
  const RuntimeConfigRef config = this->config();
  const TimePoint until = Clock::now() + kLeftAlone;
  for (const auto& database : directory_.databases()) {
    const conf::Database* settings = config->database(database->name);
    if (settings != nullptr &&
        (settings->primary.dbname.empty() ? database->name : settings->primary.dbname) == dbname) {
      database->left_alone_until.store(until.time_since_epoch().count(), std::memory_order_relaxed);
    }
  }
  post_all([dbname](Worker& worker) { worker.leave_database(dbname); });
}

void WorkerGroup::post_all(const std::function<void(Worker&)>& task) {
  for (auto& worker : workers_) {
    Worker* at = worker.get();
    at->loop().post([at, task] { task(*at); });
  }
}

void WorkerGroup::begin_shutdown(ShutdownMode mode) {
  draining_.store(true);
  refuses_clients_.store(mode != ShutdownMode::WaitForClients);
  end_suspend();
  // Closed, not just left alone: who comes now is refused by the kernel instead of waiting for nobody.
  entrance_.close();
  if (mode != ShutdownMode::WaitForClients) {
    const bool begins_nothing = mode == ShutdownMode::WaitForServers;
    post_all([begins_nothing](Worker& worker) { worker.begin_drain(begins_nothing); });
  }
}

}  // namespace sportello::proxy
