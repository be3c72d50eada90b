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
  if (tables.size() > kInPlace) snapshot.rest_.reserve(tables.size() - kInPlace);
  for (const TableState* const table : tables) {
    const Tag tag{table, table->epoch.load(std::memory_order_seq_cst)};
    if (snapshot.count_ < kInPlace) {
      snapshot.first_[snapshot.count_++] = tag;
    } else {
      snapshot.rest_.push_back(tag);
    }
  }
  snapshot.states_ = std::move(states);
  return snapshot;
}

bool Snapshot::is_valid() const {
  const auto is_good = [](const Tag& tag) { return is_as_it_was(*tag.table, tag.epoch); };
  return states_ != nullptr && is_as_it_was(states_->all(), all_epoch_) &&
         std::all_of(first_.begin(), first_.begin() + count_, is_good) &&
         std::all_of(rest_.begin(), rest_.end(), is_good);
}

void Snapshot::clear() {
  states_.reset();
  rest_.clear();
  count_ = 0;
}

size_t Snapshot::heap_bytes() const { return cache::heap_bytes(rest_.capacity() * sizeof(Tag)); }

}  // namespace sportello::cache
