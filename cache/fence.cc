#include "cache/fence.h"

#include <utility>

#include "protocol/invariant.h"

namespace sportello::cache {

Fence::Fence(FreshnessBoard& board, std::vector<TableState*> tables)
    : board_(&board), tables_(std::move(tables)) {
  for (TableState* const table : tables_) table->fences.fetch_add(1, std::memory_order_seq_cst);
}

Fence::Fence(Fence&& other) noexcept
    : board_(std::exchange(other.board_, nullptr)), tables_(std::exchange(other.tables_, {})) {}

Fence& Fence::operator=(Fence&& other) noexcept {
  if (this != &other) {
    settle();
    board_ = std::exchange(other.board_, nullptr);
    tables_ = std::exchange(other.tables_, {});
  }
  return *this;
}

void Fence::add(TableState& table) {
  invariant(is_up(), "a table is added to a fence that is up");
  tables_.push_back(&table);
  table.fences.fetch_add(1, std::memory_order_seq_cst);
}

uint64_t Fence::settle() {
  if (!is_up()) return 0;
  const uint64_t sequence = board_->note_write();
  settle_as(sequence);
  return sequence;
}

uint64_t Fence::settle_streamed(Lsn end) {
  if (!is_up()) return 0;
  const uint64_t sequence = board_->commit_streamed(end);
  settle_as(sequence);
  return sequence;
}

void Fence::settle_as(uint64_t sequence) {
  for (TableState* const table : tables_) {
    invalidate(*table);
    raise_last_write(*table, sequence);
  }
  lower();
}

void Fence::settle_rolled_back() {
  if (is_up()) lower();
}

void Fence::lower() {
  for (TableState* const table : tables_) table->fences.fetch_sub(1, std::memory_order_seq_cst);
  board_ = nullptr;
  tables_.clear();
}

}  // namespace sportello::cache
