#include "cache/heap_ahead.h"

#include <cstdlib>

namespace sportello::cache {
namespace {

// Below M_MMAP_THRESHOLD, so it comes from the heap, and M_TRIM_THRESHOLD, so the heap keeps it.
constexpr size_t kPiece = 96 * 1024;

}  // namespace

void grow_heap_ahead(size_t taken) {
  thread_local size_t left = 0;
  if (taken <= left) {
    left -= taken;
    return;
  }
  void* piece = std::malloc(kPiece);
  asm volatile("" : "+r"(piece));  // nobody uses it, which is no reason to leave it out
  std::free(piece);
  left = kPiece;
}

}  // namespace sportello::cache
