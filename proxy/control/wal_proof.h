// Until when it is proven that a follower has missed nothing: when the primary was asked how far its log is
// flushed, and all up to there has been applied since, nothing that was committed before that question is
// missing. Messages that are old when they are read prove nothing so. (cache/README.md, L4)
//
// A plain value; times are those at which questions were sent.
#pragma once

#include <deque>

#include "protocol/replication/lsn.h"
#include "proxy/net/event_loop.h"

namespace sportello::proxy {

class WalProof {
 public:
  static constexpr size_t kMost = 1024;  // more, and it is too far behind anyway
  static constexpr std::chrono::milliseconds kApart{20};

  // Asked then, the primary said it has flushed up to there.
  void answered(TimePoint asked_at, Lsn flushed) {
    if (flushed > newest_) newest_ = flushed;
    if (open_.size() < kMost && (open_.empty() || asked_at - open_.back().asked_at >= kApart)) {
      open_.push_back({asked_at, flushed});
    }
  }
  void applied(Lsn position) {
    applied_ = position;
    while (!open_.empty() && open_.front().flushed <= position) {
      proven_ = open_.front().asked_at;
      open_.pop_front();
    }
  }
  void clear() { *this = {}; }

  // Everything from before that moment is there; TimePoint(): nothing is known.
  TimePoint proven() const { return proven_; }
  // How far it is behind: since when, and by how many bytes.
  std::chrono::microseconds lag(TimePoint now) const {
    return open_.empty()
               ? std::chrono::microseconds(0)
               : std::chrono::duration_cast<std::chrono::microseconds>(now - open_.front().asked_at);
  }
  uint64_t lag_bytes() const { return newest_ > applied_ ? newest_.value - applied_.value : 0; }

 private:
  struct Open {
    TimePoint asked_at;
    Lsn flushed;
  };
  std::deque<Open> open_;  // not applied so far yet; oldest first
  TimePoint proven_{};
  Lsn newest_;
  Lsn applied_;
};

}  // namespace sportello::proxy
