// A result of the admin console: typed columns and rows, and how they look on the wire in the format that the
// client asked for (text, or binary as drivers do for the types they know). Values are kept as PostgreSQL
// would print them.
//
// protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-ROWDESCRIPTION.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace sportello::proxy {

enum class AdminType : uint8_t { Text, Bool, Int4, Int8, Numeric };

// As in pg_type.
uint32_t type_oid(AdminType type);

struct AdminColumn {
  std::string name;
  AdminType type = AdminType::Text;
};

using AdminColumns = std::vector<AdminColumn>;
using AdminValue = std::optional<std::string>;  // empty: NULL
using AdminRow = std::vector<AdminValue>;

struct AdminTable {
  AdminColumns columns;
  std::vector<AdminRow> rows;

  // A row of texts, numbers and NULLs (std::nullopt), one a column.
  template <typename... Values>
  void add(Values&&... values) {
    AdminRow row;
    row.reserve(sizeof...(values));
    (row.push_back(admin_value(std::forward<Values>(values))), ...);
    rows.push_back(std::move(row));
  }

  template <typename Value>
  static AdminValue admin_value(Value&& value) {
    using Plain = std::decay_t<Value>;
    if constexpr (std::is_same_v<Plain, AdminValue> || std::is_same_v<Plain, std::nullopt_t>) {
      return std::forward<Value>(value);
    } else if constexpr (std::is_same_v<Plain, std::optional<int>>) {
      return value ? AdminValue(std::to_string(*value)) : std::nullopt;
    } else if constexpr (std::is_same_v<Plain, bool>) {
      return value ? "1" : "0";
    } else if constexpr (std::is_integral_v<Plain>) {
      return std::to_string(value);
    } else {
      return std::string(std::forward<Value>(value));
    }
  }
};

// Which columns a Bind wants in binary: none, all, or one answer a column.
class ResultFormats {
 public:
  ResultFormats() = default;
  explicit ResultFormats(std::vector<bool> binary) : binary_(std::move(binary)) {}

  bool is_binary(size_t column) const {
    return binary_.size() == 1 ? binary_[0] : column < binary_.size() && binary_[column];
  }
  // Whether they are meant for that many columns.
  bool fit(size_t columns) const { return binary_.size() <= 1 || binary_.size() == columns; }

 private:
  std::vector<bool> binary_;
};

void append_row_description(std::string& out, const AdminColumns& columns, const ResultFormats& formats);
void append_data_row(std::string& out, const AdminColumns& columns, const AdminRow& row,
                     const ResultFormats& formats);

}  // namespace sportello::proxy
