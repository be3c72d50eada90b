#include "cache/result_memory.h"

#include <array>
#include <new>
#include <utility>

#include "cache/heap_bytes.h"

namespace sportello::cache {
namespace {

// By each thread, beyond max_memory.
constexpr size_t kMostKept = 4;
constexpr size_t kLargestKept = 32UL * 1024;
#ifdef __SANITIZE_ADDRESS__
constexpr bool kKeeps = false;  // whoever uses freed memory is to be caught
#else
constexpr bool kKeeps = true;
#endif

bool is_kept(size_t bytes) { return kKeeps && bytes <= kLargestKept; }

struct Kept {
  Kept() = default;
  Kept(const Kept&) = delete;
  Kept& operator=(const Kept&) = delete;
  ~Kept() {
    for (const Block& block : blocks) ::operator delete(block.memory);
  }

  struct Block {
    void* memory = nullptr;
    size_t bytes = 0;  // that malloc made of it
  };
  std::array<Block, kMostKept> blocks;
  size_t next = 0;  // the one that is given back to malloc first
};

thread_local Kept kept;

}  // namespace

void* allocate_result(size_t bytes) {
  if (!is_kept(bytes)) return ::operator new(bytes);
  const size_t wanted = heap_bytes(bytes);
  for (Kept::Block& block : kept.blocks) {
    if (block.bytes == wanted) return std::exchange(block, {}).memory;
  }
  return ::operator new(wanted - sizeof(size_t));  // so that it does for all that malloc gives as much for
}

void free_result(void* memory, size_t bytes) noexcept {
  if (is_kept(bytes)) {
    Kept::Block& block = kept.blocks[kept.next];
    kept.next = (kept.next + 1) % kMostKept;
    memory = std::exchange(block, {memory, heap_bytes(bytes)}).memory;
  }
  ::operator delete(memory);
}

}  // namespace sportello::cache
