#include "tests/portal/load/request_run.h"

#include "protocol/invariant.h"

namespace sportello::portal {
namespace {

// pg_type.h; of the types that the portal's keys and counts have.
constexpr Oid kInt8 = 20;
constexpr Oid kInt2 = 21;
constexpr Oid kInt4 = 23;

}  // namespace

const Statement* RequestRun::next() {
  while (position_ < request_->statements.size() && left_out()) ++position_;
  return position_ < request_->statements.size() ? &request_->statements[position_] : nullptr;
}

bool RequestRun::left_out() const {
  const auto& statement = request_->statements[position_];
  if (statement.for_each_row) return !has_more_rows();
  return statement.unless_rows && PQntuples(rows_.get()) > 0;
}

std::vector<Value> RequestRun::values() {
  std::vector<Value> values;
  for (const auto& parameter : request_->statements[position_].parameters) {
    values.push_back(is_row_parameter(parameter) ? value_of(parameter) : source_->value(parameter));
  }
  return values;
}

Value RequestRun::value_of(std::string_view parameter) const {
  const std::string column{parameter.substr(parameter.find('.') + 1)};
  const int number = PQfnumber(rows_.get(), ('"' + column + '"').c_str());
  invariant(number >= 0, "row parameters name columns of the statement above");
  const auto type = PQftype(rows_.get(), number);
  return {PQgetvalue(rows_.get(), row_, number), type == kInt2 || type == kInt4 || type == kInt8};
}

void RequestRun::answered(PqResult rows) {
  if (request_->statements[position_].for_each_row) {
    step_within_rows();
    return;
  }
  rows_ = std::move(rows);
  row_ = 0;
  ++position_;
}

// On to the next of the neighbours that are run for each row; after the last one, to the first with the next
// row.
void RequestRun::step_within_rows() {
  const auto is_for_each_row = [&](size_t at) {
    return at < request_->statements.size() && request_->statements[at].for_each_row;
  };
  if (is_for_each_row(position_ + 1)) {
    ++position_;
    return;
  }
  ++row_;
  if (!has_more_rows()) {
    ++position_;
    row_ = 0;
    return;
  }
  while (position_ > 0 && is_for_each_row(position_ - 1)) --position_;
}

}  // namespace sportello::portal
