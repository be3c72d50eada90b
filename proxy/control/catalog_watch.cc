#include "proxy/control/catalog_watch.h"

#include <algorithm>

#include "proxy/pool/node_plan.h"

namespace sportello::proxy {
namespace {

constexpr size_t kMostWatched = 64;
constexpr std::chrono::seconds kLook{1};

}  // namespace

bool needs_catalog(const conf::Config& config, const conf::Database& database) {
  const bool routes =
      database.routing != conf::Routing::Off && (!database.replicas.empty() || !database.candidates.empty());
  const bool caches = config.cache.max_memory > 0 && !config.cache.rules.empty();
  return routes || caches;
}

CatalogWatch::CatalogWatch(EventLoop& loop, PoolDirectory& directory)
    : loop_(&loop),
      watches_(
          loop, directory,
          {.what = "catalog",
           .most = kMostWatched,
           .look = kLook,
           .is_named = [this](
                           const std::string& /*name*/,
                           const conf::Database& database) { return needs_catalog(config_->conf, database); },
           .is_wanted = [this](DatabaseRuntime& database) { return is_wanted(database); },
           .renewed = [this](std::unique_ptr<CatalogSource> source,
                             DatabaseRuntime& database) { return renewed(std::move(source), database); }}) {}

void CatalogWatch::apply_config(const RuntimeConfigRef& config) {
  config_ = config;
  const auto& databases = config_->conf.databases;
  watches_.apply_config(config, std::any_of(databases.begin(), databases.end(), [&](const auto& entry) {
                          return needs_catalog(config_->conf, entry.second) || may_have_several(entry.second);
                        }));
}

bool CatalogWatch::is_wanted(DatabaseRuntime& database) const {
  const conf::Database* settings = config_->database(database.name);
  const NodeSetRef nodes = database.current_nodes();
  const bool routes = nodes != nullptr && nodes->routing != conf::Routing::Off;
  return settings != nullptr && (routes || needs_catalog(config_->conf, *settings));
}

std::unique_ptr<CatalogSource> CatalogWatch::renewed(std::unique_ptr<CatalogSource> source,
                                                     DatabaseRuntime& database) const {
  std::optional<OwnLogin> login = monitor_login_at_primary(*config_, database);
  const std::chrono::milliseconds interval = config_->conf.catalog_poll_interval;
  if (source != nullptr && login && source->login() == *login) {
    source->set_interval(interval);
    return source;
  }
  source.reset();  // what it knows is taken back before another one begins
  return login ? std::make_unique<CatalogSource>(*loop_, *std::move(login), interval, database.scope.catalog,
                                                 database.scope.ddl_epoch)
               : nullptr;
}

}  // namespace sportello::proxy
