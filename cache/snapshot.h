// The epochs of the tables that a result depends on, noted before its query was sent: the result is good as
// long as none of them moved on and none of the tables is fenced. (cache/README.md, C1)
//
// A plain value; any thread may ask is_valid(), which takes no lock. It keeps the tables' states alive.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "cache/table_state.h"

namespace sportello::cache {

class Snapshot {
 public:
  Snapshot() = default;  // of nothing: never valid
  static Snapshot take(std::shared_ptr<const TableStates> states, std::span<const TableState* const> tables);

  bool is_valid() const;
  // Of nothing again, with room kept for the next.
  void clear();
  // What it takes on the heap.
  size_t heap_bytes() const;

 private:
  struct Tag {
    const TableState* table = nullptr;
    uint64_t epoch = 0;
  };

  // Most results depend on few tables: those take no allocation.
  static constexpr size_t kInPlace = 3;

  std::shared_ptr<const TableStates> states_;
  std::vector<Tag> rest_;  // those beyond kInPlace
  uint64_t all_epoch_ = 0;
  size_t count_ = 0;
  std::array<Tag, kInPlace> first_{};
};

}  // namespace sportello::cache
