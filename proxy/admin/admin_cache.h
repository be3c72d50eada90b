// The console's view of the result cache: SHOW CACHE, SHOW CACHE RULES, FLUSH CACHE; and in words what it
// promises. Any worker's thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cache/result_cache.h"
#include "protocol/result.h"
#include "proxy/admin/admin_command.h"
#include "proxy/admin/admin_show.h"
#include "proxy/admin/admin_table.h"

namespace sportello::proxy {

// What holds at this moment for what is kept of a database.
struct CacheGuarantee {
  bool knows_catalog = false;
  bool follows_log = false;  // invalidation = "wal"
  FollowerFacts follower;

  bool is_served() const { return knows_catalog && (!follows_log || follower.guards); }
  std::string_view words() const;
};
CacheGuarantee guarantee_of(const DatabaseRuntime& database, const conf::Config& conf);

void show_cache(AdminTable& table, const AdminView& view);
void show_cache_rules(AdminTable& table, const AdminView& view);

// What is kept of these databases, of one of their tables (with what lies behind that name), or under one
// rule is served no more, and what is under way is not kept. An error when there is no such table or rule.
Result<void> flush_cache(const AdminCommand& command, const AdminView& view, cache::ResultCache& results);

}  // namespace sportello::proxy
