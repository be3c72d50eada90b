#include "cache/stored_result.h"

#include "cache/heap_bytes.h"

namespace sportello::cache {

uint64_t StoredResult::memory_bytes() const {
  return heap_bytes(sizeof(StoredResult)) + heap_bytes(key_bytes.capacity() + 1) +
         filling.snapshot.heap_bytes() + result->memory_bytes();
}

}  // namespace sportello::cache
