#include "proxy/pool/pool_runtime.h"

namespace sportello::proxy {
namespace {

template <typename Map>
auto values_of(const Map& map) {
  std::vector<typename Map::mapped_type> values;
  for (const auto& [key, value] : map) {
    values.push_back(value);
  }
  return values;
}

}  // namespace

std::shared_ptr<const PoolSecret> DatabaseRuntime::secret_of(const std::string& user) {
  const std::lock_guard lock(mutex);
  const auto found = secrets.find(user);
  return found == secrets.end() ? nullptr : found->second;
}

PoolRuntime::PoolRuntime(std::shared_ptr<DatabaseRuntime> its_database, std::shared_ptr<UserRuntime> its_user,
                         std::shared_ptr<PoolRuntime> its_home, size_t its_node)
    : database(std::move(its_database)),
      user(std::move(its_user)),
      home(std::move(its_home)),
      node(its_node) {}

std::optional<size_t> PoolRuntime::worker_with_idle(size_t except) const {
  for (size_t i = 0; i < kMaxWorkers; i++) {
    if (i != except && workers[i].idle.load() > 0) {
      return i;
    }
  }
  return std::nullopt;
}

std::optional<PoolRuntime::Longest> PoolRuntime::longest_waiting() const {
  std::optional<Longest> longest;
  for (size_t i = 0; i < kMaxWorkers; i++) {
    const int64_t since = workers[i].oldest_wait.load();
    if (since != 0 && (!longest || since < longest->since)) {
      longest = Longest{i, since};
    }
  }
  return longest;
}

PoolRuntime::Full PoolRuntime::full() {
  const PoolSettingsRef limits = current_settings();
  return database->links.is_full(limits->max_db_connections) ? Full::Database
         : user->links.is_full(limits->max_user_connections) ? Full::User
                                                             : Full::None;
}

std::shared_ptr<DatabaseRuntime> PoolDirectory::database(const std::string& name) {
  const std::lock_guard lock(mutex_);
  auto& slot = databases_[name];
  if (!slot) {
    slot = std::make_shared<DatabaseRuntime>(name);
    slot->scope.id = ++last_database_id_;
  }
  return slot;
}

std::shared_ptr<UserRuntime> PoolDirectory::user(const std::string& name) {
  const std::lock_guard lock(mutex_);
  auto& slot = users_[name];
  if (!slot) {
    slot = std::make_shared<UserRuntime>(name, users_.size());
  }
  return slot;
}

std::shared_ptr<PoolRuntime> PoolDirectory::pool(const std::string& database_name,
                                                 const std::string& user_name) {
  {
    const std::lock_guard lock(mutex_);
    constexpr size_t kPrimary = 0;
    const auto found = pools_.find(std::tie(database_name, user_name, kPrimary));
    if (found != pools_.end()) {
      return found->second;
    }
  }
  auto its_database = database(database_name);
  auto its_user = user(user_name);
  const std::lock_guard lock(mutex_);
  auto& slot = pools_[{database_name, user_name, 0}];
  if (!slot) {
    slot = std::make_shared<PoolRuntime>(std::move(its_database), std::move(its_user));
  }
  return slot;
}

std::shared_ptr<PoolRuntime> PoolDirectory::replica_pool(const std::shared_ptr<PoolRuntime>& home,
                                                         size_t node) {
  const std::lock_guard lock(mutex_);
  auto& slot = pools_[{home->database->name, home->user->name, node}];
  if (!slot) {
    slot = std::make_shared<PoolRuntime>(home->database, home->user, home, node);
  }
  return slot;
}

// Nobody can come by a reference but through the maps, so a count of one stays one. Replicas' pools go first,
// as they refer to the others.
void PoolDirectory::forget(const std::string& database) {
  const std::lock_guard lock(mutex_);
  for (const bool replicas : {true, false}) {
    std::erase_if(pools_, [&](const auto& pool) {
      return std::get<0>(pool.first) == database && (std::get<2>(pool.first) != 0) == replicas &&
             pool.second.use_count() == 1;
    });
  }
  const auto found = databases_.find(database);
  if (found != databases_.end() && found->second.use_count() == 1) {
    databases_.erase(found);
  }
}

std::vector<std::shared_ptr<PoolRuntime>> PoolDirectory::pools() {
  const std::lock_guard lock(mutex_);
  return values_of(pools_);
}

std::vector<std::shared_ptr<DatabaseRuntime>> PoolDirectory::databases() {
  const std::lock_guard lock(mutex_);
  return values_of(databases_);
}

bool PoolDirectory::is_disabled(const std::string& database) {
  const std::lock_guard lock(mutex_);
  const auto found = databases_.find(database);
  return found != databases_.end() && found->second->disabled.load();
}

std::vector<std::shared_ptr<UserRuntime>> PoolDirectory::users() {
  const std::lock_guard lock(mutex_);
  return values_of(users_);
}

}  // namespace sportello::proxy
