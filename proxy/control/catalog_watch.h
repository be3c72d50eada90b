// Watches the catalogs of the databases that need it: those with several servers that may be read, or with
// cache rules. Each has a CatalogSource, as long as the configuration wants it and has a login for it
// (monitor_user); the others stay unknown. Databases that only clients name ("*") are let go of when they
// have been without a client for a while, so that they can be forgotten. For the control loop's thread,
// except changed_by_ddl().
#pragma once

#include <functional>
#include <map>
#include <memory>

#include "proxy/control/catalog_source.h"
#include "proxy/net/event_loop.h"
#include "proxy/pool/pool_runtime.h"
#include "proxy/runtime_config.h"

namespace sportello::proxy {

// Somebody asks what the names in this database mean.
bool needs_catalog(const conf::Config& config, const conf::Database& database);

class CatalogWatch {
 public:
  CatalogWatch(EventLoop& loop, PoolDirectory& directory);
  CatalogWatch(const CatalogWatch&) = delete;
  CatalogWatch& operator=(const CatalogWatch&) = delete;

  void apply_config(RuntimeConfigRef config);

  // From any thread: what is known of the database is nobody's any more, until it was looked at again, which
  // is done at once. (Whoever moves scope.ddl_epoch on says the same, and is noticed at the next tick.)
  void changed_by_ddl(DatabaseRuntime& database);

 private:
  struct Watched {
    std::shared_ptr<DatabaseRuntime> database;
    TimePoint used_at{};                    // somebody was connected
    std::unique_ptr<CatalogSource> source;  // after the database, into which it publishes
  };

  void tick();
  void look_for_databases();
  bool is_wanted(DatabaseRuntime& database) const;
  void watch(const std::shared_ptr<DatabaseRuntime>& database);

  EventLoop* loop_;
  PoolDirectory* directory_;
  RuntimeConfigRef config_;
  std::map<std::string, Watched> watched_;  // by the database's name
  TimePoint look_at_{};
  std::function<void()> on_tick_;
  UvHandle<uv_timer_t> tick_;  // while a database of the configuration may need a catalog
};

}  // namespace sportello::proxy
