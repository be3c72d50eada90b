#include "cache/catalog_slot.h"

#include <utility>

namespace sportello::cache {

void CatalogSlot::publish(CatalogRef catalog, uint64_t ddl_epoch) {
  const std::lock_guard lock(mutex_);
  entry_ = {catalog, std::move(catalog), ddl_epoch};
  generation_.fetch_add(1, std::memory_order_release);
}

void CatalogSlot::withdraw() {
  const std::lock_guard lock(mutex_);
  entry_.catalog.reset();
  generation_.fetch_add(1, std::memory_order_release);
}

CatalogSlot::Entry CatalogSlot::entry() const {
  const std::lock_guard lock(mutex_);
  return entry_;
}

const CatalogRef& CatalogReader::current(const CatalogSlot& slot, uint64_t ddl_epoch) {
  static const CatalogRef nothing;
  look(slot);
  return entry_.ddl_epoch == ddl_epoch ? entry_.catalog : nothing;
}

const CatalogRef& CatalogReader::last(const CatalogSlot& slot, uint64_t ddl_epoch) {
  static const CatalogRef nothing;
  look(slot);
  return entry_.ddl_epoch == ddl_epoch ? entry_.last : nothing;
}

void CatalogReader::look(const CatalogSlot& slot) {
  const uint64_t generation = slot.generation();
  if (generation != generation_) {
    // Taken before the entry: one that is published meanwhile is found the next time.
    generation_ = generation;
    entry_ = slot.entry();
  }
}

}  // namespace sportello::cache
