#include "cache/log_follower.h"

#include <algorithm>
#include <utility>

#include "protocol/sqlstate.h"

namespace sportello::cache {
namespace {

Error violation(const char* what) { return {sqlstate::kProtocolViolation, what}; }

}  // namespace

void LogFollower::begin(uint32_t timeline) {
  lost();
  timeline_ = timeline;
  has_begun_ = true;
}

void LogFollower::unsettle() {
  old_.reset();
  is_settled_ = false;
}

void LogFollower::lost() {
  fence_.settle();
  fenced_.clear();  // settles
  in_hand_.reset();
  touched_.clear();
  old_.reset();
  applied_ = {};
  has_begun_ = false;
  is_settled_ = false;
  board_->lose_node(*position_);
}

// ---- what is streamed ----

Result<void> LogFollower::take(const replication::LogMessage& message) {
  if (const auto* begin = std::get_if<replication::Begin>(&message)) {
    if (in_hand_) return violation("a transaction begins within another");
    in_hand_ = begin->xid;
  } else if (const auto* change = std::get_if<replication::Change>(&message)) {
    return take_change(change->relation);
  } else if (const auto* truncate = std::get_if<replication::Truncate>(&message)) {
    for (const Oid relation : truncate->relations) {
      if (Result<void> taken = take_change(relation); !taken.ok()) return taken;
    }
  } else if (const auto* commit = std::get_if<replication::Commit>(&message)) {
    return take_commit(*commit);
  }
  return {};
}

Result<void> LogFollower::take_change(Oid relation) {
  if (!in_hand_) return violation("a change outside of a transaction");
  if (touched_.empty() || touched_.back() != relation) touch(relation);
  return {};
}

void LogFollower::touch(Oid relation) {
  const auto place = std::lower_bound(touched_.begin(), touched_.end(), relation);
  if (place != touched_.end() && *place == relation) return;
  touched_.insert(place, relation);
  // It has committed, or it would not be streamed: fenced from its first row on. (L1)
  TableState& table = tables_->of(relation);
  if (fence_.is_up()) {
    fence_.add(table);
  } else {
    fence_ = Fence(*board_, {&table});
  }
}

Result<void> LogFollower::take_commit(const replication::Commit& commit) {
  if (!in_hand_) return violation("the end of a transaction that did not begin");
  if (fence_.is_up()) {
    if (fenced_.size() >= kMostFenced) return violation("too many transactions wait to be visible");
    fenced_.push_back({*in_hand_, commit.end, std::move(fence_)});
    commits_++;
  }
  in_hand_.reset();
  touched_.clear();
  reached(commit.end);
  return {};
}

void LogFollower::reached(Lsn end) {
  // A transaction in hand is not taken into account yet, wherever the server says that it is. (L2)
  if (in_hand_ || !has_begun_ || end <= applied_) return;
  applied_ = end;
  board_->replica_at(*position_, applied_, timeline_);
}

// ---- what is visible ----

void LogFollower::seen(const XidSnapshot& snapshot) {
  if (!has_begun_) return;
  lower_visible(snapshot);
  if (!is_settled_) look_at_old(snapshot);
}

void LogFollower::lower_visible(const XidSnapshot& snapshot) {
  std::deque<Streamed> waiting;
  for (Streamed& streamed : fenced_) {
    if (snapshot.is_over_in_log(streamed.xid)) {
      streamed.fence.settle_streamed(streamed.end);
    } else {
      waiting.push_back(std::move(streamed));
    }
  }
  fenced_ = std::move(waiting);
}

// Who ran when the slot existed may have committed before it did, unseen: the log does not tell. (L3)
void LogFollower::look_at_old(const XidSnapshot& snapshot) {
  if (!old_) old_ = snapshot.running();
  std::erase_if(*old_, [&](uint64_t xid) { return snapshot.is_over(xid); });
  if (!old_->empty()) return;
  Fence(*board_, {&tables_->all()}).settle();
  is_settled_ = true;
}

}  // namespace sportello::cache
