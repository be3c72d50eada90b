// "A write to these tables is being committed right now." Raised before the message that can commit is
// sent; while it is up nothing kept of these tables is served, and their reads go to the primary.
//
//   Fence fence(board, tables);            fences up
//   … send; ReadyForQuery 'I' comes …
//   session.last_write = fence.settle();   epochs on, last_write set, then fences down (F2)
//
// A fence that goes unsettled, as its link was lost, settles itself: the commit may have happened.
// Moved, never copied; one thread at a time. The tables' states outlive it.
#pragma once

#include <cstdint>
#include <vector>

#include "cache/freshness_board.h"
#include "cache/table_state.h"

namespace sportello::cache {

class Fence {
 public:
  Fence() = default;  // none
  Fence(FreshnessBoard& board, std::vector<TableState*> tables);
  Fence(Fence&& other) noexcept;
  Fence& operator=(Fence&& other) noexcept;
  ~Fence() { settle(); }

  bool is_up() const { return board_ != nullptr; }
  // More tables, of a pipeline that goes on. Only if it is up.
  void add(TableState& table);
  // The write was acknowledged, or nobody knows. Gives its sequence number; 0 if the fence is not up.
  uint64_t settle();
  // The write was read from the log, where it ends, and the primary shows it now.
  uint64_t settle_streamed(Lsn end);
  // Surely nothing was committed (ROLLBACK was answered): nothing that was kept is invalid.
  void settle_rolled_back();

 private:
  void settle_as(uint64_t sequence);
  void lower();

  FreshnessBoard* board_ = nullptr;
  std::vector<TableState*> tables_;
};

}  // namespace sportello::cache
