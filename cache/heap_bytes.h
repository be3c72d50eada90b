// What an allocation of so many bytes takes in truth, as glibc's malloc does it on 64 bits: eight bytes of
// its own, rounded up to 16, at least 32; from 128 kB on whole pages. So that max_memory bounds what the
// process really holds.
#pragma once

#include <cstddef>

namespace sportello::cache {

constexpr size_t heap_bytes(size_t asked) {
  if (asked == 0) return 0;
  if (asked >= 128U * 1024U) return (asked + 16U + 4095U) / 4096U * 4096U;
  const size_t bytes = (asked + 8U + 15U) / 16U * 16U;
  return bytes < 32U ? 32U : bytes;
}

}  // namespace sportello::cache
