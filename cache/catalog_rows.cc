#include "cache/catalog_rows.h"

#include <charconv>
#include <string_view>

#include "protocol/sqlstate.h"
#include "protocol/xxhash.h"

namespace sportello::cache {
namespace {

// Takes a row's values in order; the first that does not fit is remembered, and all are asked for once.
class Columns {
 public:
  explicit Columns(const TextRow& row) : row_(row) {}

  Oid oid() {
    const std::string_view text = value();
    Oid oid = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), oid);
    ok_ = ok_ && error == std::errc() && end == text.data() + text.size();
    return oid;
  }
  bool boolean() {
    const std::string_view text = value();
    ok_ = ok_ && (text == "t" || text == "f");
    return text == "t";
  }
  char letter() {
    const std::string_view text = value();
    ok_ = ok_ && text.size() == 1;
    return text.empty() ? '\0' : text[0];
  }
  std::string text() { return std::string(value()); }
  std::optional<std::string> optional_text() {
    if (at_ >= row_.size()) {
      ok_ = false;
      return std::nullopt;
    }
    return row_[at_++];
  }

  // All were there, as they should be.
  Result<void> done(const char* what) const {
    if (ok_ && at_ == row_.size()) {
      return {};
    }
    return Error{sqlstate::kProtocolViolation, std::string("a row of ") + what + " is not as it should be"};
  }

 private:
  std::string_view value() {
    if (at_ >= row_.size() || !row_[at_]) {
      ok_ = false;
      ++at_;
      return {};
    }
    return *row_[at_++];
  }

  const TextRow& row_;
  size_t at_ = 0;
  bool ok_ = true;
};

// Adds what was read, unless it was not as it should be.
template <typename T>
Result<void> add(std::vector<T>& list, T read, const Columns& columns, const char* what) {
  Result<void> result = columns.done(what);
  if (result.ok()) {
    list.push_back(std::move(read));
  }
  return result;
}

}  // namespace

Result<void> add_namespace(CatalogRows& rows, const TextRow& row) {
  Columns columns(row);
  NamespaceRow read;
  read.oid = columns.oid();
  read.name = columns.text();
  read.usable_by_all = columns.boolean();
  return add(rows.namespaces, std::move(read), columns, "pg_namespace");
}

Result<void> add_relation(CatalogRows& rows, const TextRow& row) {
  Columns columns(row);
  RelationRow read;
  read.oid = columns.oid();
  read.schema = columns.oid();
  read.name = columns.text();
  read.kind = columns.letter();
  read.persistence = columns.letter();
  read.row_security = columns.boolean();
  read.row_type = columns.oid();
  read.owner = columns.oid();
  read.acl = columns.optional_text().value_or("");
  return add(rows.relations, std::move(read), columns, "pg_class");
}

Result<void> add_rule(CatalogRows& rows, const TextRow& row) {
  Columns columns(row);
  RuleRow read;
  read.relation = columns.oid();
  read.is_select = columns.boolean();
  read.action = columns.optional_text();
  return add(rows.rules, std::move(read), columns, "pg_rewrite");
}

Result<void> add_function(CatalogRows& rows, const TextRow& row) {
  Columns columns(row);
  FunctionRow read;
  read.oid = columns.oid();
  read.schema = columns.oid();
  read.name = columns.text();
  read.volatility = columns.letter();
  read.kind = columns.letter();
  read.language = columns.text();
  read.sole_argument = columns.oid();
  return add(rows.functions, std::move(read), columns, "pg_proc");
}

Result<void> add_aggregate(CatalogRows& rows, const TextRow& row) {
  Columns columns(row);
  AggregateRow read;
  read.aggregate = columns.oid();
  read.support = columns.oid();
  return add(rows.aggregates, read, columns, "pg_aggregate");
}

Result<void> add_inheritance(CatalogRows& rows, const TextRow& row) {
  Columns columns(row);
  InheritanceRow read;
  read.child = columns.oid();
  read.parent = columns.oid();
  return add(rows.inheritance, read, columns, "pg_inherits");
}

Result<void> add_foreign_key(CatalogRows& rows, const TextRow& row) {
  Columns columns(row);
  ForeignKeyRow read;
  read.table = columns.oid();
  read.referenced = columns.oid();
  read.on_delete = columns.letter();
  read.on_update = columns.letter();
  return add(rows.foreign_keys, read, columns, "pg_constraint");
}

Result<void> add_trigger(CatalogRows& rows, const TextRow& row) {
  Columns columns(row);
  TriggerRow read;
  read.relation = columns.oid();
  read.function = columns.oid();
  return add(rows.triggers, read, columns, "pg_trigger");
}

Result<void> add_expression(CatalogRows& rows, const TextRow& row) {
  Columns columns(row);
  ExpressionRow read;
  read.owner = columns.oid();
  const char of = columns.letter();
  read.is_function = columns.boolean();
  read.uses = columns.oid();
  switch (of) {
    case 'd':
      read.of = ExpressionRow::Of::Default;
      break;
    case 'c':
      read.of = ExpressionRow::Of::Check;
      break;
    case 'p':
      read.of = ExpressionRow::Of::Policy;
      break;
    case 't':
      read.of = ExpressionRow::Of::DomainCheck;
      break;
    default:
      return Error{sqlstate::kProtocolViolation, "a row of pg_depend is not as it should be"};
  }
  return add(rows.expressions, read, columns, "pg_depend");
}

Result<void> add_hidden_call(CatalogRows& rows, const TextRow& row) {
  Columns columns(row);
  HiddenCallRow read;
  read.operator_name = columns.optional_text().value_or("");
  read.cast_target = columns.oid();
  read.is_explicit_cast = columns.boolean();
  read.function = columns.oid();
  return add(rows.hidden_calls, std::move(read), columns, "pg_operator or pg_cast");
}

Result<void> add_type(CatalogRows& rows, const TextRow& row) {
  Columns columns(row);
  TypeRow read;
  read.oid = columns.oid();
  read.schema = columns.oid();
  read.name = columns.text();
  read.kind = columns.letter();
  return add(rows.types, std::move(read), columns, "pg_type");
}

Result<void> add_version(CatalogRows& rows, const TextRow& row) {
  Columns columns(row);
  const bool has_event_triggers = columns.boolean();
  const std::string text = columns.text();
  Result<void> result = columns.done("the version");
  if (result.ok()) {
    rows.has_event_triggers = has_event_triggers;
    rows.version = hash_bytes(text);
  }
  return result;
}

}  // namespace sportello::cache
