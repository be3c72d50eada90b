// The check for what only our own mistake can break. On in release builds: it logs and aborts, since one
// client's rows sent to another are worse than a restart. What a peer can cause is a Result, never an
// invariant.
#pragma once

#include <source_location>

namespace sportello {

[[noreturn]] void invariant_broken(const char* why, const std::source_location& where);

inline void invariant(bool condition, const char* why,
                      const std::source_location& where = std::source_location::current()) {
  if (!condition) [[unlikely]] {
    invariant_broken(why, where);
  }
}

}  // namespace sportello
