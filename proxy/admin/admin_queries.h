// SHOW QUERIES: what statements cost, by shape (stats/query_table.h says what the numbers mean). Any thread.
#pragma once

#include <cstdint>
#include <string>

#include "proxy/admin/admin_show.h"
#include "proxy/admin/admin_table.h"

namespace sportello::proxy {

// Of view.queries: a row a shape, and at the end one without database and fingerprint for those that are no
// longer kept, if there are any.
void show_queries(AdminTable& table, const AdminView& view);

// As SHOW QUERIES and EXPLAIN have it, and a cache rule: 16 hexadecimal digits.
std::string fingerprint_text(uint64_t fingerprint);

}  // namespace sportello::proxy
