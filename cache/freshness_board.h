// Which writes each node of a database has seen. A write, once acknowledged, gets the next sequence number;
// where it lies in the log is learned later, by one question for many writes; a replica has reached a write
// when it has replayed up to there.
//
//   worker:   note_write() ─▶ S                       (S is pending: no replica has reached it)
//   control:  question_begins() ─▶ Q ── SELECT pg_current_wal_insert_lsn() ──▶ question_answered(Q, L,
//   timeline)
//             replica_at(node, pg_last_wal_replay_lsn(), timeline) ─▶ node.reached
//   worker:   node.may_answer(needs_of(tables, …))?   (two loads)
//
// What was written before the board began, or before a promotion, counts as one write to every table, so
// at first no replica has reached anything.
//
// Any thread. note_write(), sequence() and NodePosition take no lock; the rest takes a short one and is meant
// for the control thread. It asks nobody and knows no time: cache/README.md, F1 to F9.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "cache/table_state.h"
#include "cache/write_positions.h"
#include "protocol/replication/lsn.h"

namespace sportello::cache {

// One place that has seen the log up to some position: a replica, or the follower that keeps the cache true.
class NodePosition {
 public:
  // The newest write that, like all before it, is visible there.
  uint64_t reached() const { return reached_.load(std::memory_order_seq_cst); }
  bool may_answer(const ReadNeeds& needs) const { return !needs.fenced && reached() >= needs.last_write; }

 private:
  friend class FreshnessBoard;
  std::atomic<uint64_t> reached_{0};
  // Guarded by the board's mutex.
  bool in_use_ = false;  // it told where it is, and was not lost since
  Lsn replayed_;
  uint32_t timeline_ = 0;
};

class FreshnessBoard {
 public:
  explicit FreshnessBoard(TableStates& tables);

  // A write was acknowledged, or may have been (a lost link). Fence::settle() calls this.
  uint64_t note_write() { return sequence_.fetch_add(1, std::memory_order_seq_cst) + 1; }
  // The newest write.
  uint64_t sequence() const { return sequence_.load(std::memory_order_seq_cst); }

  // Before the primary is asked; the answer goes with what this gave. One that began before the timeline
  // changed makes nobody reach anything: the change itself is a later write.
  struct Question {
    uint64_t sequence = 0;
  };
  Question question_begins() const { return {sequence()}; }
  // `inserted`: pg_current_wal_insert_lsn(); `timeline`: the primary's. A newer timeline than ours is as
  // primary_is(), an older one is dropped.
  void question_answered(const Question& question, Lsn inserted, uint32_t timeline);
  // A commit that was read from the log ends there. Gives its sequence number.
  uint64_t commit_streamed(Lsn end);

  // The primary is on this timeline. If that is news, no position from before counts, and everything written
  // so far is pending again.
  void primary_is(uint32_t timeline);
  void set_wal_layout(WalLayout layout);

  // A place whose positions count; it is forgotten when the caller lets go of it.
  std::shared_ptr<NodePosition> add_node();
  // `timeline`: the one that the replica follows; unless it is the primary's, the replica has reached
  // nothing.
  void replica_at(NodePosition& node, Lsn replayed, uint32_t timeline);
  // Nothing is known of it: it has reached nothing, and nobody waits for it.
  void lose_node(NodePosition& node);

  // Some write has no position yet: the primary should be asked.
  bool question_pending() const;
  // Or a node that is in use has not reached the newest write: ask often.
  bool pending() const;

  // For SHOW sportello.floor; nothing: not known yet.
  std::optional<Lsn> position_of(uint64_t sequence) const;
  // For SET sportello.floor: a write that is reached only by who has replayed up to there. A position that
  // is still to come counts as the newest there is when the primary is asked next.
  uint64_t sequence_at(Lsn position);

 private:
  void look_again(NodePosition& node) const;
  void look_at_all_again();
  void start_timeline(uint32_t timeline);

  TableStates& tables_;
  std::atomic<uint64_t> sequence_{0};
  mutable std::mutex mutex_;  // guards what follows
  WritePositions positions_;
  WalLayout layout_;
  uint32_t timeline_ = 0;  // 0: not known yet
  mutable std::vector<std::weak_ptr<NodePosition>> nodes_;
};

}  // namespace sportello::cache
