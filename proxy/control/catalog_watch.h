// Watches the catalogs of the databases that need it: those with several servers that may be read, or with
// cache rules. The others stay unknown. For the control loop's thread.
#pragma once

#include "proxy/control/catalog_source.h"
#include "proxy/control/database_watches.h"

namespace sportello::proxy {

// Somebody asks what the names in this database mean.
bool needs_catalog(const conf::Config& config, const conf::Database& database);

class CatalogWatch {
 public:
  CatalogWatch(EventLoop& loop, PoolDirectory& directory);

  void apply_config(const RuntimeConfigRef& config);

 private:
  bool is_wanted(DatabaseRuntime& database) const;
  std::unique_ptr<CatalogSource> renewed(std::unique_ptr<CatalogSource> source,
                                         DatabaseRuntime& database) const;

  EventLoop* loop_;
  RuntimeConfigRef config_;
  DatabaseWatches<CatalogSource> watches_;
};

}  // namespace sportello::proxy
