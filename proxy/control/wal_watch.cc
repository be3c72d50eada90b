#include "proxy/control/wal_watch.h"

#include <algorithm>

namespace sportello::proxy {
namespace {

// Each takes a slot and a sender of its server.
constexpr size_t kMostWatched = 16;
constexpr std::chrono::milliseconds kLook{200};  // a promotion is seen then

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
    : loop_(&loop),
      watches_(
          loop, directory,
          {.what = "log",
           .most = kMostWatched,
           .look = kLook,
           .is_named =
               [this](const std::string& name, const conf::Database& /*database*/) {
                 return needs_follower(config_->conf, name);
               },
           .is_wanted =
               [this](DatabaseRuntime& database) { return needs_follower(config_->conf, database.name); },
           .renewed = [this](std::unique_ptr<WalFollower> follower,
                             DatabaseRuntime& database) { return renewed(std::move(follower), database); }}) {
}

void WalWatch::apply_config(const RuntimeConfigRef& config) {
  config_ = config;
  const conf::Cache& cache = config_->conf.cache;
  watches_.apply_config(
      config, cache.max_memory > 0 && cache.invalidation == conf::Invalidation::Wal && !cache.rules.empty());
}

std::unique_ptr<WalFollower> WalWatch::renewed(std::unique_ptr<WalFollower> follower,
                                               DatabaseRuntime& database) const {
  std::optional<OwnLogin> login = monitor_login_at_primary(*config_, database);
  if (!login) {
    return nullptr;
  }
  const conf::Cache& cache = config_->conf.cache;
  WalFollowerSettings settings{*std::move(login), cache.publication, cache.max_invalidation_lag};
  if (follower != nullptr && follower->settings() == settings) {
    return follower;
  }
  follower.reset();  // its fences come down before another one begins
  return std::make_unique<WalFollower>(*loop_, std::move(settings), database.scope);
}

}  // namespace sportello::proxy
