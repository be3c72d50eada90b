// How long to leave a server alone that could not be asked: longer each time, up to about a second, so that
// one that is gone for good costs little; and never the same for all, so that nobody's return is met by
// everybody at once.
#pragma once

#include <algorithm>
#include <chrono>

namespace sportello::proxy {

// After so many failures in a row, the last one among them. `random`: any number.
inline std::chrono::milliseconds retry_pause(unsigned failures, unsigned random) {
  constexpr unsigned kFirstMs = 100;
  constexpr unsigned kMostDoublings = 3;
  const unsigned least = kFirstMs << std::min(failures == 0 ? 0 : failures - 1, kMostDoublings);
  return std::chrono::milliseconds(least + random % (least / 2));
}

}  // namespace sportello::proxy
