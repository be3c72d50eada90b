// Where the catalog of a database is handed from the control thread, which replaces it, to workers, which
// read it for every statement. A catalog is good for one ddl_epoch: whoever sends DDL, or hears that it was
// done, moves the epoch on, and from then on nobody reads the catalog from before, until it was looked at
// again.
//
//   control: publish(catalog, epoch)      worker: CatalogReader::current(slot, epoch)  ─▶ Catalog, or nothing
//
// Nothing means: everything is unknown (not loaded yet, the connection is lost, DDL is under way). Who only
// wants to know what a statement may do can go by the last catalog of that epoch until has_lapsed(), and so
// can who reads while nobody can change it.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

#include "cache/catalog.h"

namespace sportello::cache {

// Any thread, all of it.
class CatalogSlot {
 public:
  struct Entry {
    CatalogRef catalog;      // nullptr: everything is unknown
    CatalogRef last;         // the newest that there was
    uint64_t ddl_epoch = 0;  // of `last`
  };

  void publish(CatalogRef catalog, uint64_t ddl_epoch);
  void withdraw();
  // What was published last is too old for anything, or known to be wrong.
  void set_lapsed(bool lapsed) { lapsed_.store(lapsed, std::memory_order_relaxed); }
  bool has_lapsed() const { return lapsed_.load(std::memory_order_relaxed); }
  Entry entry() const;
  // Moves on with every publish(): one load says that nothing is new.
  uint64_t generation() const { return generation_.load(std::memory_order_acquire); }

 private:
  mutable std::mutex mutex_;
  Entry entry_;  // guarded by mutex_
  std::atomic<uint64_t> generation_{0};
  std::atomic<bool> lapsed_{true};
};

// A worker's own view of a slot: takes no lock unless something is new.
class CatalogReader {
 public:
  // nullptr: everything is unknown. Good until the next call.
  const CatalogRef& current(const CatalogSlot& slot, uint64_t ddl_epoch);
  // The newest of that epoch, although it may have been withdrawn.
  const CatalogRef& last(const CatalogSlot& slot, uint64_t ddl_epoch);

 private:
  void look(const CatalogSlot& slot);

  CatalogSlot::Entry entry_;
  uint64_t generation_ = 0;
};

}  // namespace sportello::cache
