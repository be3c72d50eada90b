// The conversation that loads a catalog, without the connection: says what to ask next and takes the answers.
//
//   BEGIN ─▶ kCatalogChange ─▶ kCatalogQueries, one after the other ─▶ COMMIT ─▶ build()
#pragma once

#include <optional>
#include <span>
#include <string>

#include "cache/catalog.h"
#include "cache/catalog_rows.h"

namespace sportello::cache {

// An answer to kCatalogChange.
struct CatalogMark {
  std::string seen;                 // the transactions that the server sees
  std::optional<std::string> sums;  // nothing: what was seen is the same
  bool is_standby = false;
};

Result<CatalogMark> read_catalog_mark(std::span<const TextRow> rows);

class CatalogLoad {
 public:
  struct Question {
    const char* sql = nullptr;
    bool has_mark = false;  // $1 is '': the sums are wanted
    size_t most_rows = 0;
  };

  // Nothing: all was answered.
  std::optional<Question> next() const;
  // To the question that next() gives; an error ends it all.
  Result<void> answered(std::span<const TextRow> rows);

  // When all was answered.
  CatalogRef build() &&;
  // Of the moment that the catalog is of; from the second answer on.
  const CatalogMark& mark() const { return mark_; }

 private:
  size_t step_ = 0;
  CatalogMark mark_;
  CatalogRows rows_;
};

}  // namespace sportello::cache
