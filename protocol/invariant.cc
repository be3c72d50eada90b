#include "protocol/invariant.h"

#include <cstdio>
#include <cstdlib>

namespace sportello {

void invariant_broken(const char* why, const std::source_location& where) {
  std::fprintf(stderr, "sportello: invariant broken at %s:%u: %s\n", where.file_name(), where.line(), why);
  std::abort();
}

}  // namespace sportello
