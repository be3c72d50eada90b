#include "cache/freshness_board.h"

#include <algorithm>

namespace sportello::cache {

FreshnessBoard::FreshnessBoard(TableStates& tables) : tables_(tables) {
  raise_last_write(tables_.all(), note_write());
}

void FreshnessBoard::question_answered(const Question& question, Lsn inserted, uint32_t timeline) {
  const std::scoped_lock lock(mutex_);
  if (timeline_ == 0) timeline_ = timeline;
  if (timeline > timeline_) start_timeline(timeline);
  if (timeline < timeline_) return;
  positions_.add(question.sequence, replay_end_of(inserted, layout_));
  look_at_all_again();
}

uint64_t FreshnessBoard::commit_streamed(Lsn end) {
  const std::scoped_lock lock(mutex_);
  const uint64_t sequence = note_write();
  // Its own position says nothing of writes before it that still wait for theirs. (F6)
  if (positions_.newest() + 1 == sequence) {
    positions_.add(sequence, end);
    look_at_all_again();
  }
  return sequence;
}

void FreshnessBoard::primary_is(uint32_t timeline) {
  const std::scoped_lock lock(mutex_);
  if (timeline_ == 0) timeline_ = timeline;
  if (timeline != timeline_) start_timeline(timeline);
}

// Everything is pending first, and nothing reached then: no reader can take an old position for a new write.
void FreshnessBoard::start_timeline(uint32_t timeline) {
  timeline_ = timeline;
  positions_.clear();
  raise_last_write(tables_.all(), note_write());
  look_at_all_again();
}

void FreshnessBoard::set_wal_layout(WalLayout layout) {
  const std::scoped_lock lock(mutex_);
  layout_ = layout;
}

std::shared_ptr<NodePosition> FreshnessBoard::add_node() {
  auto node = std::make_shared<NodePosition>();
  const std::scoped_lock lock(mutex_);
  nodes_.push_back(node);
  return node;
}

void FreshnessBoard::replica_at(NodePosition& node, Lsn replayed, uint32_t timeline) {
  const std::scoped_lock lock(mutex_);
  node.in_use_ = true;
  node.replayed_ = replayed;
  node.timeline_ = timeline;
  look_again(node);
}

void FreshnessBoard::lose_node(NodePosition& node) {
  const std::scoped_lock lock(mutex_);
  node.in_use_ = false;
  look_again(node);
}

bool FreshnessBoard::question_pending() const {
  const std::scoped_lock lock(mutex_);
  return positions_.newest() < sequence();
}

bool FreshnessBoard::pending() const {
  const std::scoped_lock lock(mutex_);
  const uint64_t newest = sequence();
  return positions_.newest() < newest ||
         std::any_of(nodes_.begin(), nodes_.end(), [newest](const std::weak_ptr<NodePosition>& held) {
           const std::shared_ptr<NodePosition> node = held.lock();
           return node != nullptr && node->in_use_ && node->reached() < newest;
         });
}

std::optional<Lsn> FreshnessBoard::position_of(uint64_t sequence) const {
  const std::scoped_lock lock(mutex_);
  return positions_.position_of(sequence);
}

uint64_t FreshnessBoard::sequence_at(Lsn position) {
  const std::scoped_lock lock(mutex_);
  const std::optional<uint64_t> known = positions_.sequence_at(position);
  return known ? *known : note_write();
}

void FreshnessBoard::look_again(NodePosition& node) const {
  const bool counts = node.in_use_ && timeline_ != 0 && node.timeline_ == timeline_;
  node.reached_.store(counts ? positions_.reached_at(node.replayed_) : 0, std::memory_order_seq_cst);
}

void FreshnessBoard::look_at_all_again() {
  std::erase_if(nodes_, [](const std::weak_ptr<NodePosition>& held) { return held.expired(); });
  for (const std::weak_ptr<NodePosition>& held : nodes_) {
    if (const std::shared_ptr<NodePosition> node = held.lock()) look_again(*node);
  }
}

}  // namespace sportello::cache
