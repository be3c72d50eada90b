#include "cache/table_state.h"

#include <algorithm>

namespace sportello::cache {

void invalidate(TableState& table) { table.epoch.fetch_add(1, std::memory_order_seq_cst); }

void raise_last_write(TableState& table, uint64_t sequence) {
  uint64_t before = table.last_write.load(std::memory_order_relaxed);
  while (before < sequence &&
         !table.last_write.compare_exchange_weak(before, sequence, std::memory_order_seq_cst)) {
  }
}

TableStates::~TableStates() {
  for (std::atomic<Node*>& bucket : buckets_) {
    for (Node* node = bucket.load(std::memory_order_relaxed); node != nullptr;) {
      delete std::exchange(node, node->next);
    }
  }
}

TableStates::Node* TableStates::find(Node* first, Oid table) {
  while (first != nullptr && first->oid != table) first = first->next;
  return first;
}

TableState& TableStates::of(Oid table) {
  std::atomic<Node*>& bucket = buckets_[bucket_of(table)];
  if (Node* const node = find(bucket.load(std::memory_order_acquire), table)) return node->state;
  const std::scoped_lock lock(growing_);
  Node* const first = bucket.load(std::memory_order_relaxed);
  if (Node* const node = find(first, table)) return node->state;
  if (size() >= max_tables_) return all_;
  Node* const node = new Node{table, first, {}};
  bucket.store(node, std::memory_order_release);
  size_.fetch_add(1, std::memory_order_relaxed);
  return node->state;
}

void TableStates::for_each(const std::function<void(Oid, const TableState&)>& visit) const {
  for (const std::atomic<Node*>& bucket : buckets_) {
    for (const Node* node = bucket.load(std::memory_order_acquire); node != nullptr; node = node->next) {
      visit(node->oid, node->state);
    }
  }
}

bool is_fenced(std::span<const TableState* const> tables, const TableState& all) {
  const auto fenced = [](const TableState* table) {
    return table->fences.load(std::memory_order_seq_cst) != 0;
  };
  return fenced(&all) || std::any_of(tables.begin(), tables.end(), fenced);
}

ReadNeeds needs_of(std::span<const TableState* const> tables, const TableState& all,
                   uint64_t session_last_write) {
  // Fences first: who sees a write's fence down sees its last_write. (F3)
  ReadNeeds needs{is_fenced(tables, all), session_last_write};
  needs.last_write = std::max(needs.last_write, all.last_write.load(std::memory_order_seq_cst));
  for (const TableState* const table : tables) {
    needs.last_write = std::max(needs.last_write, table->last_write.load(std::memory_order_seq_cst));
  }
  return needs;
}

}  // namespace sportello::cache
