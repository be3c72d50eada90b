// The console's view of the result cache: SHOW CACHE, SHOW CACHE RULES, FLUSH CACHE. Any worker's thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cache/result_cache.h"
#include "protocol/result.h"
#include "proxy/admin/admin_command.h"
#include "proxy/admin/admin_show.h"
#include "proxy/admin/admin_table.h"

namespace sportello::proxy {

void show_cache(AdminTable& table, const AdminView& view);
void show_cache_rules(AdminTable& table, const AdminView& view);

// What is kept of these databases, of one of their tables (with what lies behind that name), or under one
// rule is served no more, and what is under way is not kept. An error when there is no such table or rule.
Result<void> flush_cache(const AdminCommand& command, const AdminView& view, cache::ResultCache& results);

}  // namespace sportello::proxy
