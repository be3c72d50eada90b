// Databases that are watched each by a Source of its own (CatalogSource, WalFollower), as long as the
// configuration wants it and has a login for it (monitor_user). Databases that only clients name ("*") are
// let go of when they have been without a client for a while, so that they can be forgotten; and any that is
// about to be dropped, at once. For the control loop's thread.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "proxy/control/watched_database.h"
#include "proxy/log.h"
#include "proxy/net/event_loop.h"

namespace sportello::proxy {

template <typename Source>
class DatabaseWatches {
 public:
  // How one kind differs from the other.
  struct Kind {
    const char* what;        // as the log says it
    size_t most;             // each costs connections, and with a "*" entry clients choose the names
    Clock::duration look{};  // how often it is looked which databases there are
    std::function<bool(const std::string& name, const conf::Database&)> is_named;  // in the configuration
    std::function<bool(DatabaseRuntime&)> is_wanted;
    // What watches it from now on: what did so far (or nullptr), or another. nullptr: there is no login.
    std::function<std::unique_ptr<Source>(std::unique_ptr<Source>, DatabaseRuntime&)> renewed;
  };

  DatabaseWatches(EventLoop& loop, PoolDirectory& directory, Kind kind)
      : loop_(&loop), directory_(&directory), kind_(std::move(kind)), on_tick_([this] { tick(); }) {}
  DatabaseWatches(const DatabaseWatches&) = delete;
  DatabaseWatches& operator=(const DatabaseWatches&) = delete;

  // `any`: there may be something to watch.
  void apply_config(RuntimeConfigRef config, bool any) {
    config_ = std::move(config);
    if (!any) {
      watched_.clear();
      tick_.reset();
      return;
    }
    for (const auto& [name, database] : config_->conf.databases) {
      if (name != "*" && kind_.is_named(name, database)) {
        directory_->database(name);  // known before its first client comes
      }
    }
    look();
    if (!tick_) {
      tick_ = loop_->every(Source::kTick, &on_tick_);
    }
  }

 private:
  // After the last client of a database that the configuration does not name.
  static constexpr std::chrono::seconds kKept{5};

  struct Watched {
    std::shared_ptr<DatabaseRuntime> database;
    TimePoint used_at{};             // somebody was connected
    std::unique_ptr<Source> source;  // after the database, into which it publishes
  };

  void tick() {
    if (loop_->now() >= look_at_) {
      look();
    }
    for (auto& [name, watched] : watched_) {
      watched.source->tick();
    }
  }

  // Clients of "*" bring new ones, a reload may change them all.
  void look() {
    const TimePoint now = loop_->now();
    look_at_ = now + kind_.look;
    const auto known = directory_->databases();
    std::erase_if(watched_, [&](const auto& entry) {
      const Watched& watched = entry.second;
      const bool is_there = std::find(known.begin(), known.end(), watched.database) != known.end();
      const bool is_unused = !is_in_use(*config_, *watched.database, now) && now - watched.used_at >= kKept;
      return !is_there || is_unused || is_left_alone(*watched.database, now) ||
             !kind_.is_wanted(*watched.database);
    });
    for (const auto& database : known) {
      if (kind_.is_wanted(*database) &&
          (is_in_use(*config_, *database, now) || watched_.contains(database->name))) {
        watch(database);
      }
    }
  }

  void watch(const std::shared_ptr<DatabaseRuntime>& database) {
    if (watched_.size() >= kind_.most && !watched_.contains(database->name)) {
      log_limited(kind_.what, "{}s of more than {} databases are to be watched", kind_.what, kind_.most);
      return;
    }
    Watched& watched = watched_[database->name];
    watched.database = database;
    watched.source = kind_.renewed(std::move(watched.source), *database);
    if (watched.source == nullptr) {
      watched_.erase(database->name);
      log_limited(kind_.what, "{} of database \"{}\": nobody to log in as; set monitor_user", kind_.what,
                  printable(database->name));
      return;
    }
    if (is_in_use(*config_, *database, loop_->now())) {
      watched.used_at = loop_->now();
    }
  }

  EventLoop* loop_;
  PoolDirectory* directory_;
  const Kind kind_;
  RuntimeConfigRef config_;
  std::map<std::string, Watched> watched_;  // by the database's name
  TimePoint look_at_{};
  std::function<void()> on_tick_;
  UvHandle<uv_timer_t> tick_;  // while there may be something to watch
};

}  // namespace sportello::proxy
