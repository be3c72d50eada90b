#include "cache/result_table.h"

#include <utility>

#include "cache/heap_bytes.h"
#include "protocol/invariant.h"

namespace sportello::cache {
namespace {

constexpr size_t kFirstSlots = 16;

}  // namespace

ResultTable::ResultTable() : slots_(kFirstSlots) {}

size_t ResultTable::heap_bytes_of(size_t slots) {
  return slots > kFirstSlots ? cache::heap_bytes(slots * sizeof(Slot)) : 0;
}

const CachedResult* ResultTable::find(const KeyView& key) const {
  size_t at = place_of(key.hash);
  for (; slots_[at].result != nullptr; at = next(at)) {
    if (slots_[at].hash == key.hash && slots_[at].result->key().bytes == key.bytes) break;
  }
  return slots_[at].result;
}

void ResultTable::put(const Slot& slot) {
  size_t at = place_of(slot.hash);
  while (slots_[at].result != nullptr) at = next(at);
  slots_[at] = slot;
}

void ResultTable::add(const CachedResult& result) {
  invariant(!is_full(), "a table grows before it is full");
  put({result.key().hash, &result});
  ++size_;
}

void ResultTable::remove(const CachedResult& result) {
  size_t gap = place_of(result.key().hash);
  while (slots_[gap].result != &result) {
    invariant(slots_[gap].result != nullptr, "what is removed is there");
    gap = next(gap);
  }
  // Who lies behind the gap and would be looked for at it, or before it, moves there; so no search ends too
  // early.
  for (size_t at = next(gap); slots_[at].result != nullptr; at = next(at)) {
    const size_t mask = slots_.size() - 1;
    const size_t from_its_place = (at - place_of(slots_[at].hash)) & mask;
    if (from_its_place < ((at - gap) & mask)) continue;
    slots_[gap] = slots_[at];
    gap = at;
  }
  slots_[gap] = {};
  --size_;
}

void ResultTable::grow() {
  const std::vector<Slot> smaller = std::exchange(slots_, std::vector<Slot>(2 * slots_.size()));
  for (const Slot& slot : smaller) {
    if (slot.result != nullptr) put(slot);
  }
}

}  // namespace sportello::cache
