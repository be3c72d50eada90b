// What a followed log means for tables: who was changed, whether the primary shows it yet, and up to where
// all of that was taken into account. (cache/README.md, L1 to L4)
//
//   begin()      a slot exists: what commits from now on will be streamed
//   take()       Begin ─▶ changes: their tables are fenced ─▶ Commit: the position is told
//   seen()       the primary's snapshot: fences of what it shows come down, each with an epoch moved on
//   lost()       the stream ended
//
// A transaction can be streamed before the primary shows it (synchronous replication makes that long), so a
// reader could still store what was there before: the tables are fenced until it is visible.
//
// It asks nobody and reads no clock: what the server says is passed in, and wants_snapshot() says when an
// answer is needed. For one thread. Who serves nothing while the stream is lost, and only begins to when
// is_settled(), is proxy/control/wal_follower.h.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "cache/fence.h"
#include "cache/freshness_board.h"
#include "cache/table_state.h"
#include "cache/xid_snapshot.h"
#include "protocol/replication/pgoutput.h"

namespace sportello::cache {

class LogFollower {
 public:
  // More commits that the primary does not show are a stream that went wrong.
  static constexpr size_t kMostFenced = 100'000;

  LogFollower(TableStates& tables, FreshnessBoard& board, NodePosition& position)
      : tables_(&tables), board_(&board), position_(&position) {}
  ~LogFollower() { lost(); }
  LogFollower(const LogFollower&) = delete;
  LogFollower& operator=(const LogFollower&) = delete;

  // On this timeline; snapshots of before are not to be passed in.
  void begin(uint32_t timeline);
  // An error is the server's violation of the protocol, or kMostFenced: the stream is of no use any more.
  Result<void> take(const replication::LogMessage& message);
  // All that was committed up to `end` has been passed in.
  void reached(Lsn end);
  // `snapshot` was taken on the primary after begin().
  void seen(const XidSnapshot& snapshot);
  // Something committed meanwhile may be missing in the stream: as after begin(), but the stream goes on.
  void unsettle();
  // Fences come down, as commits may be visible or not, and the position is nobody's. Nothing that this log
  // guards may be served from before this call until is_settled() again.
  void lost();

  // Everything from before begin() is over, and all that was kept then is invalid.
  bool is_settled() const { return is_settled_; }
  // Something waits to be visible.
  bool wants_snapshot() const { return has_begun_ && (!is_settled_ || !fenced_.empty()); }
  Lsn applied() const { return applied_; }
  uint64_t commits() const { return commits_; }
  size_t fences() const { return fenced_.size(); }

 private:
  struct Streamed {
    uint32_t xid;
    Lsn end;
    Fence fence;
  };

  Result<void> take_change(Oid relation);
  Result<void> take_commit(const replication::Commit& commit);
  void touch(Oid relation);
  void lower_visible(const XidSnapshot& snapshot);
  void look_at_old(const XidSnapshot& snapshot);

  TableStates* tables_;
  FreshnessBoard* board_;
  NodePosition* position_;
  uint32_t timeline_ = 0;
  bool has_begun_ = false;
  bool is_settled_ = false;
  std::optional<std::vector<uint64_t>> old_;  // ran when the first snapshot was taken, and still do

  std::optional<uint32_t> in_hand_;  // the transaction that is being received
  std::vector<Oid> touched_;         // by it; sorted
  Fence fence_;                      // over these
  std::deque<Streamed> fenced_;
  Lsn applied_;
  uint64_t commits_ = 0;
};

}  // namespace sportello::cache
