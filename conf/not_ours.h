// PgBouncer's settings that have no equivalent here, and what is done instead: said by the loader when it
// meets one, and by the import.
#pragma once

#include <string_view>

namespace sportello::conf {

// Empty: it is none of them.
std::string_view why_not_ours(std::string_view pgbouncer_key);

}  // namespace sportello::conf
