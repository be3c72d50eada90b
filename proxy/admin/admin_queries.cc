#include "proxy/admin/admin_queries.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "proxy/plain_text.h"

namespace sportello::proxy {
namespace {

// Of all calls, in percent with one decimal.
std::string hit_rate(const QueryCounts& counts) {
  const uint64_t tenths = counts.answered_by(AnsweredBy::Cache) * 1000 / std::max<uint64_t>(counts.calls, 1);
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10);
}

void add(AdminTable& table, const AdminValue& database, const AdminValue& fingerprint, std::string text,
         const QueryCounts& counts) {
  const uint64_t at_cache = counts.answered_by(AnsweredBy::Cache);
  const uint64_t at_servers = counts.calls - at_cache;
  table.add(database, fingerprint, std::move(text), counts.calls, counts.time_us,
            at_servers == 0 ? 0 : counts.time_us / at_servers, counts.longest_us, counts.rows,
            counts.answered_by(AnsweredBy::Primary), counts.answered_by(AnsweredBy::Replica), at_cache,
            hit_rate(counts), counts.errors);
}

}  // namespace

std::string fingerprint_text(uint64_t fingerprint) {
  std::array<char, 17> text{};
  std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(fingerprint));
  return text.data();
}

void show_queries(AdminTable& table, const AdminView& view) {
  for (const QuerySnapshot::Row& row : view.queries.rows) {
    const auto database = std::find_if(view.databases.begin(), view.databases.end(), [&](const auto& each) {
      return each->scope.id == row.shape.database;
    });
    if (database != view.databases.end() && row.counts.calls > 0) {
      add(table, plain_text((*database)->name),
          row.shape.fingerprint == 0 ? std::nullopt : AdminValue(fingerprint_text(row.shape.fingerprint)),
          plain_text(row.text), row.counts);
    }
  }
  const QuerySnapshot& queries = view.queries;
  if (queries.dropped_shapes > 0) {
    add(table, std::nullopt, std::nullopt,
        "(" + std::to_string(queries.dropped_shapes) + " shapes that were called least, no longer kept)",
        queries.dropped);
  }
}

}  // namespace sportello::proxy
