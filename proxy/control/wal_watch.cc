#include "proxy/control/wal_watch.h"

#include <algorithm>

#include "proxy/control/watched_database.h"
#include "proxy/log.h"

namespace sportello::proxy {
namespace {

// Each takes a slot and a sender of its server. With a "*" entry clients choose the names of databases.
constexpr size_t kMostWatched = 16;
constexpr std::chrono::milliseconds kLook{200};  // a promotion is seen then
// After the last client of a database that the configuration does not name.
constexpr std::chrono::seconds kKept{5};

}  // namespace

bool needs_follower(const conf::Config& config, const std::string& database) {
  const conf::Cache& cache = config.cache;
  return cache.max_memory > 0 && cache.invalidation == conf::Invalidation::Wal &&
         std::any_of(cache.rules.begin(), cache.rules.end(), [&](const conf::CacheRule& rule) {
           const auto& names = rule.databases;
           return rule.mode != conf::CacheMode::Off &&
                  (names.empty() || std::find(names.begin(), names.end(), database) != names.end());
         });
}

WalWatch::WalWatch(EventLoop& loop, PoolDirectory& directory)
    : loop_(&loop), directory_(&directory), on_tick_([this] { tick(); }) {}

void WalWatch::apply_config(RuntimeConfigRef config) {
  config_ = std::move(config);
  const conf::Cache& cache = config_->conf.cache;
  if (cache.max_memory == 0 || cache.invalidation != conf::Invalidation::Wal || cache.rules.empty()) {
    watched_.clear();
    tick_.reset();
    return;
  }
  for (const auto& [name, database] : config_->conf.databases) {
    if (name != "*" && needs_follower(config_->conf, name)) {
      directory_->database(name);  // known before its first client comes
    }
  }
  look_for_databases();
  if (!tick_) {
    tick_ = loop_->every(WalFollower::kTick, &on_tick_);
  }
}

void WalWatch::tick() {
  if (loop_->now() >= look_at_) {
    look_for_databases();
  }
  for (auto& [name, watched] : watched_) {
    watched.follower->tick();
  }
}

void WalWatch::look_for_databases() {
  look_at_ = loop_->now() + kLook;
  const auto known = directory_->databases();
  std::erase_if(watched_, [&](const auto& entry) {
    const Watched& watched = entry.second;
    const bool is_there = std::find(known.begin(), known.end(), watched.database) != known.end();
    const bool is_unused = !is_in_use(*config_, *watched.database) && loop_->now() - watched.used_at >= kKept;
    return !is_there || is_unused || !needs_follower(config_->conf, entry.first);
  });
  for (const auto& database : known) {
    if (needs_follower(config_->conf, database->name) &&
        (is_in_use(*config_, *database) || watched_.contains(database->name))) {
      watch(database);
    }
  }
}

std::optional<WalFollowerSettings> WalWatch::settings_for(DatabaseRuntime& database) const {
  std::optional<OwnLogin> login = monitor_login_at_primary(*config_, database);
  if (!login) {
    return std::nullopt;
  }
  const conf::Cache& cache = config_->conf.cache;
  return WalFollowerSettings{*std::move(login), cache.publication, cache.max_invalidation_lag};
}

void WalWatch::watch(const std::shared_ptr<DatabaseRuntime>& database) {
  std::optional<WalFollowerSettings> settings = settings_for(*database);
  if (!settings) {
    watched_.erase(database->name);
    log_limited("log login", "log of database \"{}\": nobody to log in as; set monitor_user",
                printable(database->name));
    return;
  }
  if (watched_.size() >= kMostWatched && !watched_.contains(database->name)) {
    log_limited("log followers", "logs of more than {} databases are to be followed", kMostWatched);
    return;
  }
  Watched& watched = watched_[database->name];
  if (is_in_use(*config_, *database)) {
    watched.used_at = loop_->now();
  }
  if (watched.follower != nullptr && watched.follower->settings() == *settings) {
    return;
  }
  watched.follower.reset();
  watched.database = database;
  watched.follower = std::make_unique<WalFollower>(*loop_, *std::move(settings), database->scope);
}

}  // namespace sportello::proxy
