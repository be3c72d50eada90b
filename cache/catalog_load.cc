#include "cache/catalog_load.h"

#include "cache/catalog_builder.h"
#include "cache/catalog_queries.h"
#include "protocol/invariant.h"
#include "protocol/sqlstate.h"

namespace sportello::cache {
namespace {

constexpr size_t kBegin = 0;
constexpr size_t kMark = 1;
constexpr size_t kFirstQuery = 2;

size_t end_step() { return kFirstQuery + kCatalogQueries.size(); }

}  // namespace

Result<CatalogMark> read_catalog_mark(std::span<const TextRow> rows) {
  if (rows.size() != 1 || rows[0].size() != 3 || !rows[0][0] || !rows[0][2]) {
    return Error{sqlstate::kProtocolViolation, "the answer about changes is not as it should be"};
  }
  return CatalogMark{*rows[0][0], rows[0][1], rows[0][2] == "t"};
}

std::optional<CatalogLoad::Question> CatalogLoad::next() const {
  if (step_ == kBegin) {
    return Question{.sql = kBeginCatalog};
  }
  if (step_ == kMark) {
    return Question{.sql = kCatalogChange, .has_mark = true, .most_rows = 1};
  }
  if (step_ < end_step()) {
    return Question{.sql = kCatalogQueries[step_ - kFirstQuery].sql, .most_rows = kMostCatalogRows};
  }
  if (step_ == end_step()) {
    return Question{.sql = kEndCatalog};
  }
  return std::nullopt;
}

Result<void> CatalogLoad::answered(std::span<const TextRow> rows) {
  invariant(step_ <= end_step(), "an answer follows a question");
  if (step_ == kMark) {
    Result<CatalogMark> mark = read_catalog_mark(rows);
    if (!mark.ok()) {
      return std::move(mark).error();
    }
    if (!mark->sums) {
      return Error{sqlstate::kProtocolViolation, "the answer about changes lacks them"};
    }
    mark_ = std::move(mark).value();
  } else if (step_ >= kFirstQuery && step_ < end_step()) {
    for (const TextRow& row : rows) {
      Result<void> added = kCatalogQueries[step_ - kFirstQuery].add(rows_, row);
      if (!added.ok()) {
        return added;
      }
    }
  }
  ++step_;
  return {};
}

CatalogRef CatalogLoad::build() && {
  invariant(!next(), "a catalog is built when all was answered");
  return build_catalog(std::move(rows_));
}

}  // namespace sportello::cache
