// Which schemas a search_path means, in order (ddl-schemas.html#DDL-SCHEMAS-PATH).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sportello::cache {

// `setting` as the GUC has it; `user` stands for "$user". pg_temp and pg_catalog come first unless they are
// named. Schemas that do not exist, or that the user may not use, are not left out. Nothing: not a list of
// names.
std::optional<std::vector<std::string>> effective_search_path(std::string_view setting,
                                                              std::string_view user);

}  // namespace sportello::cache
