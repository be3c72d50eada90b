// What a query of our own was answered with: every value as text, nothing for NULL.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace sportello::proxy {

using PqRow = std::vector<std::optional<std::string>>;

struct PqRows {
  std::vector<std::string> columns;
  std::vector<PqRow> rows;
};

}  // namespace sportello::proxy
