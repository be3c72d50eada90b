// What readers must know of each table of a database: how often it was invalidated (epoch), whether a write
// to it is being committed right now (fences), and its newest acknowledged write (last_write, a sequence
// number of FreshnessBoard).
//
// Any thread, all of it: reading is a few atomic loads; a lock is taken when a table is met for the first
// time, and no other time. The order of these loads and stores is what freshness hangs on: cache/README.md,
// F1 to F9.
//
// Results that are kept hold on to the states of their tables: where there is a store, TableStates is a
// shared_ptr.
//
// Who raises fences: fence.h. Where sequence numbers come from: freshness_board.h.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "cache/catalog_rows.h"

namespace sportello::cache {

// A cache line of its own, as tables are written by many threads.
struct alignas(64) TableState {
  std::atomic<uint64_t> epoch{0};       // moves on with every invalidation
  std::atomic<uint64_t> last_write{0};  // the newest acknowledged write; never goes back
  std::atomic<uint32_t> fences{0};      // writes being committed
};

// Makes what was kept of the table invalid, without a write of ours: a change seen in the log, DDL, FLUSH
// CACHE.
void invalidate(TableState& table);
// Raises last_write; an older `sequence` changes nothing.
void raise_last_write(TableState& table, uint64_t sequence);

class TableStates {
 public:
  static constexpr size_t kDefaultMaxTables = 100'000;

  explicit TableStates(size_t max_tables = kDefaultMaxTables) : max_tables_(max_tables) {}
  TableStates(const TableStates&) = delete;
  TableStates& operator=(const TableStates&) = delete;
  ~TableStates();

  // The table's state, made if need be, good as long as this object. Beyond max_tables it is all()'s: such a
  // table's writes count for every table, which is safe.
  TableState& of(Oid table);
  // Stands for every table at once: writes to tables that are not known. Every reader looks at it, too.
  TableState& all() { return all_; }
  const TableState& all() const { return all_; }

  size_t size() const { return size_.load(std::memory_order_relaxed); }
  // For SHOW TABLES; in no order.
  void for_each(const std::function<void(Oid, const TableState&)>& visit) const;

 private:
  struct Node {
    Oid oid;
    Node* next;  // never changes
    TableState state;
  };
  static constexpr size_t kBuckets = 1024;

  static size_t bucket_of(Oid table) { return (table * 2654435769U) >> 22; }
  static Node* find(Node* first, Oid table);

  const size_t max_tables_;
  TableState all_;
  std::array<std::atomic<Node*>, kBuckets> buckets_{};  // lists that only grow, at their front
  std::mutex growing_;
  std::atomic<size_t> size_{0};
};

// What a read must have seen, at the moment it was asked for.
struct ReadNeeds {
  bool fenced = false;      // a table it reads is being written: the primary alone may answer
  uint64_t last_write = 0;  // the newest write that must be in its answer

  bool operator==(const ReadNeeds&) const = default;
};

// Of a read of `tables` by a session whose own newest write is `session_last_write`. (F3)
ReadNeeds needs_of(std::span<const TableState* const> tables, const TableState& all,
                   uint64_t session_last_write);
// Some write to these tables is being committed.
bool is_fenced(std::span<const TableState* const> tables, const TableState& all);

}  // namespace sportello::cache
