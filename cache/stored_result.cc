#include "cache/stored_result.h"

#include <algorithm>
#include <utility>

#include "cache/heap_bytes.h"

namespace sportello::cache {

StoredResult::StoredResult(const KeyView& key, Filling what, CachedResultRef of)
    : hash(key.hash), key_size(key.bytes.size()), filling(std::move(what)), result(std::move(of)) {
  std::copy(key.bytes.begin(), key.bytes.end(), reinterpret_cast<char*>(this + 1));
}

std::unique_ptr<StoredResult> StoredResult::make(const KeyView& key, Filling filling,
                                                 CachedResultRef result) {
  return std::unique_ptr<StoredResult>(new (key.bytes.size())
                                           StoredResult(key, std::move(filling), std::move(result)));
}

uint64_t StoredResult::memory_bytes() const {
  return heap_bytes(sizeof(StoredResult) + key_size) + filling.snapshot.heap_bytes() + result->memory_bytes();
}

}  // namespace sportello::cache
