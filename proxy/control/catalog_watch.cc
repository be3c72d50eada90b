#include "proxy/control/catalog_watch.h"

#include <algorithm>

#include "proxy/control/watched_database.h"
#include "proxy/log.h"
#include "proxy/pool/node_plan.h"

namespace sportello::proxy {
namespace {

// Each has a connection. With a "*" entry clients choose the names of databases.
constexpr size_t kMostWatched = 64;
constexpr std::chrono::seconds kLook{1};
// After the last client of a database that the configuration does not name.
constexpr std::chrono::seconds kKept{5};

}  // namespace

bool needs_catalog(const conf::Config& config, const conf::Database& database) {
  const bool routes =
      database.routing != conf::Routing::Off && (!database.replicas.empty() || !database.candidates.empty());
  const bool caches = config.cache.max_memory > 0 && !config.cache.rules.empty();
  return routes || caches;
}

CatalogWatch::CatalogWatch(EventLoop& loop, PoolDirectory& directory)
    : loop_(&loop), directory_(&directory), on_tick_([this] { tick(); }) {}

void CatalogWatch::apply_config(RuntimeConfigRef config) {
  config_ = std::move(config);
  const auto& databases = config_->conf.databases;
  const bool needs = std::any_of(databases.begin(), databases.end(), [&](const auto& entry) {
    return needs_catalog(config_->conf, entry.second) || may_have_several(entry.second);
  });
  if (!needs) {
    watched_.clear();
    tick_.reset();
    return;
  }
  for (const auto& [name, database] : databases) {
    if (name != "*" && needs_catalog(config_->conf, database)) {
      directory_->database(name);  // known before its first client comes
    }
  }
  look_for_databases();
  if (!tick_) {
    tick_ = loop_->every(CatalogSource::kTick, &on_tick_);
  }
}

void CatalogWatch::changed_by_ddl(DatabaseRuntime& database) {
  database.scope.ddl_epoch.fetch_add(1, std::memory_order_relaxed);
  loop_->post([this] { tick(); });
}

void CatalogWatch::tick() {
  if (loop_->now() >= look_at_) {
    look_for_databases();
  }
  for (auto& [name, watched] : watched_) {
    watched.source->tick();
  }
}

// Clients of "*" bring new ones, a reload may change them all.
void CatalogWatch::look_for_databases() {
  look_at_ = loop_->now() + kLook;
  const auto known = directory_->databases();
  std::erase_if(watched_, [&](const auto& entry) {
    const Watched& watched = entry.second;
    const bool is_there = std::find(known.begin(), known.end(), watched.database) != known.end();
    const bool is_unused = !is_in_use(*config_, *watched.database) && loop_->now() - watched.used_at >= kKept;
    return !is_there || is_unused || !is_wanted(*watched.database);
  });
  for (const auto& database : known) {
    if (is_wanted(*database) && (is_in_use(*config_, *database) || watched_.contains(database->name))) {
      watch(database);
    }
  }
}

bool CatalogWatch::is_wanted(DatabaseRuntime& database) const {
  const conf::Database* settings = config_->database(database.name);
  const NodeSetRef nodes = database.current_nodes();
  const bool routes = nodes != nullptr && nodes->routing != conf::Routing::Off;
  return settings != nullptr && (routes || needs_catalog(config_->conf, *settings));
}

void CatalogWatch::watch(const std::shared_ptr<DatabaseRuntime>& database) {
  std::optional<OwnLogin> login = monitor_login_at_primary(*config_, *database);
  if (!login) {
    watched_.erase(database->name);
    log_limited("catalog login", "catalog of database \"{}\": nobody to log in as; set monitor_user",
                printable(database->name));
    return;
  }
  const std::chrono::milliseconds interval = config_->conf.catalog_poll_interval;
  Watched& watched = watched_[database->name];
  if (is_in_use(*config_, *database)) {
    watched.used_at = loop_->now();
  }
  if (watched.source != nullptr && watched.source->login() == *login) {
    watched.source->set_interval(interval);
    return;
  }
  if (watched.source == nullptr && watched_.size() > kMostWatched) {
    watched_.erase(database->name);
    log_limited("catalog sources", "catalogs of more than {} databases are asked for", kMostWatched);
    return;
  }
  watched.source.reset();
  watched.database = database;
  watched.source = std::make_unique<CatalogSource>(*loop_, *std::move(login), interval,
                                                   database->scope.catalog, database->scope.ddl_epoch);
}

}  // namespace sportello::proxy
