#include "cache/snapshot.h"

#include <algorithm>
#include <utility>

#include "cache/heap_bytes.h"

namespace sportello::cache {
namespace {

// Fences first. (F3)
bool is_as_it_was(const TableState& table, uint64_t epoch) {
  return table.fences.load(std::memory_order_seq_cst) == 0 &&
         table.epoch.load(std::memory_order_seq_cst) == epoch;
}

}  // namespace

Snapshot Snapshot::take(std::shared_ptr<const TableStates> states,
                        std::span<const TableState* const> tables) {
  Snapshot snapshot;
  snapshot.all_epoch_ = states->all().epoch.load(std::memory_order_seq_cst);
  snapshot.tags_.reserve(tables.size());
  for (const TableState* const table : tables) {
    snapshot.tags_.push_back({table, table->epoch.load(std::memory_order_seq_cst)});
  }
  snapshot.states_ = std::move(states);
  return snapshot;
}

bool Snapshot::is_valid() const {
  return states_ != nullptr && is_as_it_was(states_->all(), all_epoch_) &&
         std::all_of(tags_.begin(), tags_.end(),
                     [](const Tag& tag) { return is_as_it_was(*tag.table, tag.epoch); });
}

size_t Snapshot::heap_bytes() const { return cache::heap_bytes(tags_.capacity() * sizeof(Tag)); }

}  // namespace sportello::cache
