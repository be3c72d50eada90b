// The check for what only our own mistake can break. On in release builds: it logs and aborts, since one
// client's rows sent to another are worse than a restart. What a peer can cause is a Result, never an
// invariant.
#pragma once

namespace sportello {

[[noreturn]] void invariant_broken(const char* why, const char* file, int line);

// The place is the caller's. (clang 14 cannot compile libstdc++'s std::source_location.)
inline void invariant(bool condition, const char* why, const char* file = __builtin_FILE(),
                      int line = __builtin_LINE()) {
  if (!condition) [[unlikely]] {
    invariant_broken(why, file, line);
  }
}

}  // namespace sportello
