// Where the results of a shard lie, by their keys' hashes: open addressing with linear probing, where what
// leaves closes its gap (Knuth, The Art of Computer Programming 6.4, Algorithm R).
//
// The hashes lie in the table, so that to find that something is not there, and to grow, no result is
// touched: each would be a line of memory that nobody has used for long. One thread at a time.
#pragma once

#include <cstddef>
#include <vector>

#include "cache/cached_result.h"

namespace sportello::cache {

class ResultTable {
 public:
  ResultTable();

  const CachedResult* find(const KeyView& key) const;
  // Nothing else is there under its key, and there is room.
  void add(const CachedResult& result);
  void remove(const CachedResult& result);

  // It has to grow before more is added.
  bool is_full() const { return size_ >= most(slots_.size()); }
  void grow();
  // What grow() takes beyond what it gives back in the end, while both tables are there: all of the larger.
  size_t bytes_to_grow() const { return heap_bytes_of(2 * slots_.size()); }
  // What it takes on the heap beyond its first slots, which are a fixed part of the store.
  size_t heap_bytes() const { return heap_bytes_of(slots_.size()); }

  size_t size() const { return size_; }
  size_t slots() const { return slots_.size(); }
  // One of this hash is about to be looked for.
  void prefetch(uint64_t hash) const { __builtin_prefetch(&slots_[place_of(hash)]); }

 private:
  struct Slot {
    uint64_t hash = 0;
    const CachedResult* result = nullptr;  // nullptr: free
  };

  static size_t heap_bytes_of(size_t slots);
  // Four more slots are looked at then for what is not there: they mostly share a line of memory.
  static size_t most(size_t slots) { return slots / 8 * 5; }
  size_t place_of(uint64_t hash) const { return hash & (slots_.size() - 1); }
  size_t next(size_t place) const { return (place + 1) & (slots_.size() - 1); }
  void put(const Slot& slot);

  std::vector<Slot> slots_;  // a power of two
  size_t size_ = 0;
};

}  // namespace sportello::cache
