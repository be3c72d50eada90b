#include "proxy/control/wal_questions.h"

#include <algorithm>
#include <charconv>

#include "protocol/sqlstate.h"

namespace sportello::proxy {

const char* const kWalServerQuestion =
    "SELECT pg_is_in_recovery(), current_setting('wal_level'), (SELECT system_identifier FROM "
    "pg_control_system()),"
    " (SELECT setting FROM pg_settings WHERE name = 'wal_block_size'),"
    " (SELECT setting FROM pg_settings WHERE name = 'wal_segment_size')";

// Every transaction that changes a catalog's row leaves one with its own number.
const char* const kWalClockQuestion =
    "SELECT pg_current_snapshot(), pg_current_wal_insert_lsn(), pg_current_wal_flush_lsn(),"
    " pg_walfile_name(pg_current_wal_insert_lsn()),"
    " (SELECT concat_ws(',', p.oid, p.xmin, (SELECT concat_ws(',', count(*), sum(r.xmin::text::bigint))"
    " FROM pg_publication_rel r WHERE r.prpubid = p.oid)) FROM pg_publication p WHERE p.pubname = $1)";

// Not those whose changes are told in part, or under a partitioned table's name. Partitioned tables have no
// rows of their own.
const char* const kWalCoverageQuestion =
    "SELECT c.oid FROM pg_publication p JOIN pg_publication_tables t ON t.pubname = p.pubname"
    " JOIN pg_namespace n ON n.nspname = t.schemaname"
    " JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = t.tablename"
    " WHERE p.pubname = $1 AND p.pubinsert AND p.pubupdate AND p.pubdelete AND p.pubtruncate AND NOT "
    "p.pubviaroot"
    " AND (to_jsonb(t) ->> 'rowfilter') IS NULL"
    " UNION SELECT c.oid FROM pg_class c WHERE c.relkind = 'p'";

namespace {

Error unexpected() { return {sqlstate::kProtocolViolation, "an answer of another shape"}; }

template <typename Number>
bool read_number(std::string_view text, Number& number, int base = 10) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  return error == std::errc() && end == text.data() + text.size();
}

// One row of so many values; NULL is allowed in none but the last.
const PqRow* one_row(const PqRows& rows, size_t columns) {
  if (rows.rows.size() != 1 || rows.rows[0].size() < columns) return nullptr;
  const PqRow& row = rows.rows[0];
  const bool has_all = std::all_of(row.begin(), row.begin() + static_cast<std::ptrdiff_t>(columns) - 1,
                                   [](const auto& value) { return value.has_value(); });
  return has_all ? &row : nullptr;
}

}  // namespace

Result<WalServer> read_wal_server(const PqRows& rows) {
  const PqRow* row = one_row(rows, 5);
  WalServer server;
  if (row == nullptr || !(*row)[4] || !read_number(*(*row)[3], server.layout.page_bytes) ||
      !read_number(*(*row)[4], server.layout.segment_bytes)) {
    return unexpected();
  }
  if ((*row)[0] == "t") {
    return Error{sqlstate::kConnectionException, "the server is a standby"};
  }
  if ((*row)[1] != "logical") {
    return Error{sqlstate::kConnectionException, "wal_level of the server is \"" + *(*row)[1] +
                                                     "\", not \"logical\" (see \"sportello setup-sql\")"};
  }
  server.system = *(*row)[2];
  return server;
}

Result<WalClock> read_wal_clock(const PqRows& rows) {
  const PqRow* row = one_row(rows, 5);
  if (row == nullptr) return unexpected();
  auto snapshot = cache::XidSnapshot::parse(*(*row)[0]);
  const auto inserted = parse_lsn(*(*row)[1]);
  const auto flushed = parse_lsn(*(*row)[2]);
  uint32_t timeline = 0;
  if (!snapshot || !inserted || !flushed ||
      !read_number(std::string_view(*(*row)[3]).substr(0, 8), timeline, 16)) {
    return unexpected();
  }
  return WalClock{*std::move(snapshot), *inserted, *flushed, timeline, (*row)[4].value_or("")};
}

Result<CoveredTables> read_wal_coverage(const PqRows& rows) {
  CoveredTables tables;
  tables.reserve(rows.rows.size());
  for (const PqRow& row : rows.rows) {
    uint32_t table = 0;
    if (row.size() != 1 || !row[0] || !read_number(*row[0], table)) return unexpected();
    tables.push_back(table);
  }
  std::sort(tables.begin(), tables.end());
  return tables;
}

Result<WalIdentity> read_wal_identity(const PqRows& rows) {
  const PqRow* row = one_row(rows, 3);
  WalIdentity identity;
  if (row == nullptr || !read_number(*(*row)[1], identity.timeline)) return unexpected();
  identity.system = *(*row)[0];
  return identity;
}

}  // namespace sportello::proxy
