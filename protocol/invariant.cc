#include "protocol/invariant.h"

#include <cstdio>
#include <cstdlib>

namespace sportello {

void invariant_broken(const char* why, const char* file, int line) {
  std::fprintf(stderr, "sportello: invariant broken at %s:%d: %s\n", file, line, why);
  std::abort();
}

}  // namespace sportello
