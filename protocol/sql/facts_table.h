// A map from bytes (a text, a canonical text) to facts that forgets what was not asked for lately: the
// bounded memory under both levels of FactsCache.
//
//   young  -- full: half of the bytes used -->  old  -- the next time --> dropped whole
//     ^                                          |
//     +---------------- found -------------------+
//
// Eviction costs nothing per look-up and no list: what is used at least once a generation stays, a flood of
// texts that come once passes through. Keys are compared in full; their hash only finds them.
//
// Not thread-safe. Memory stays below `limit_bytes`, counted with all overhead.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "protocol/sql/statement_facts.h"

namespace sportello::sql {

using FactsPtr = std::shared_ptr<const StatementFacts>;

class FactsTable {
 public:
  explicit FactsTable(size_t limit_bytes);

  // Null if it is not here. The reference is good until the next insert().
  const FactsPtr* find(std::string_view key, uint64_t hash);

  // Nothing happens if the key alone would take a large part of the table. `key` is not in the table.
  void insert(std::string_view key, uint64_t hash, FactsPtr facts);

  size_t bytes() const { return young_.bytes + old_.bytes; }
  size_t size() const { return young_.used + old_.used; }

 private:
  struct Entry {
    FactsPtr facts;
    uint32_t key_bytes;
    std::unique_ptr<char[]> key;
  };
  struct Slot {
    uint64_t hash = 0;
    std::unique_ptr<Entry> entry;  // null: free, or moved to young (its hash stays, so that probing goes on)
    bool taken = false;
  };
  struct Generation {
    std::vector<Slot> slots;  // a power of two, at most three quarters taken
    size_t taken = 0;         // slots that stop no probe
    size_t used = 0;          // those that hold an entry
    size_t bytes = 0;
  };

  static Slot* find_in(Generation& generation, std::string_view key, uint64_t hash);
  static void place(Generation& generation, uint64_t hash, std::unique_ptr<Entry> entry, size_t bytes);
  static void grow(Generation& generation);
  static size_t bytes_of(const Entry& entry);
  void make_room(size_t bytes);

  size_t limit_bytes_;
  Generation young_;
  Generation old_;
};

}  // namespace sportello::sql
