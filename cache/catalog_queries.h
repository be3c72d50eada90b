// What is asked of PostgreSQL to know a database's catalog (catalogs.html), and of whom each answer is read.
// The same for PostgreSQL 13 and later; no privilege is needed but to connect.
//
// All of kCatalogQueries run in one transaction, begun by kBeginCatalog, so that they see one moment. The
// connection has search_path = pg_catalog: every operator and cast below is PostgreSQL's own, and relations
// and functions are written with their schema for those who copy a query elsewhere.
//
// kCatalogChange is cheap enough to be asked twice a second: one row with the transactions that the server
// sees, and, unless these are the ones that $1 says, how many rows each catalog has and the sum of their
// transactions' numbers (xmin). Who changes a catalog's row leaves a new one with a later number, so one of
// the two differs. Temporary tables and what goes with them are left out, as VACUUM and ANALYZE are by
// themselves (they write in place).
#pragma once

#include <cstddef>
#include <span>

#include "cache/catalog_rows.h"

namespace sportello::cache {

struct CatalogQuery {
  const char* what;
  const char* sql;
  Result<void> (*add)(CatalogRows& rows, const TextRow& row);
};

// A database with more of anything is not watched: its catalog stays unknown.
inline constexpr size_t kMostCatalogRows = 1'000'000;

extern const char* const kBeginCatalog;
extern const char* const kEndCatalog;
extern const std::span<const CatalogQuery> kCatalogQueries;

// $1: what the first column said the last time, or ''. Columns: it; the sums, or nothing if it is the same;
// whether the server is a standby.
extern const char* const kCatalogChange;

}  // namespace sportello::cache
