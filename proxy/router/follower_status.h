// What sessions and the console may know of the follower of a database's log: whether what it guards may be
// served, which tables it sees the changes of, and how far it is. The WalFollower writes, anybody reads.
//
// guards() does not trust that somebody takes it back in time: what was proven last proves something until
// good_until, and when nobody renews that, since the server is silent or our own control thread stands still,
// it becomes false by itself. It is asked before the epochs of a result are looked at, like position()
// (cache/README.md, C3): whoever takes it back does so before it lets go of fences.
//
// Any thread. guards(), position() and covered_version() are a load or two; the rest takes a short lock or is
// for people.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cache/freshness_board.h"

namespace sportello::proxy {

enum class FollowerState : uint8_t {
  Off,         // nobody follows: no rule here is guarded by the log, or nobody to log in as
  Connecting,  // or waits for its next attempt
  Preparing,   // a slot is being made: the server waits for transactions that write now
  Settling,    // it follows; what was committed before it began is not all visible yet
  Following,
};
constexpr std::string_view follower_state_name(FollowerState state) {
  constexpr std::string_view kNames[] = {"off", "connecting", "preparing", "settling", "following"};
  return kNames[static_cast<size_t>(state)];
}

// OIDs of tables, sorted: of these every change comes with the log. Partitioned tables, which have no rows of
// their own, are among them; their partitions count each for itself.
using CoveredTables = std::vector<uint32_t>;
using CoveredTablesRef = std::shared_ptr<const CoveredTables>;

// For SHOW CACHE; -1: not known.
struct FollowerFacts {
  FollowerState state = FollowerState::Off;
  bool guards = false;
  Lsn applied;              // everything that was committed up to there has been taken into account
  int64_t lag_bytes = -1;   // from there to the end of what the primary had flushed when it was asked last
  int64_t lag_us = -1;      // 0: at that end; else since when it is not
  uint64_t commits = 0;     // read from the log that touched covered tables
  uint64_t fences = 0;      // of these, not visible on the primary yet
  uint64_t reconnects = 0;  // how often everything was flushed since the log could not be followed on
  std::string last_error;   // why it was lost last, or why it is not there
};

class FollowerStatus {
 public:
  using Clock = std::chrono::steady_clock;

  explicit FollowerStatus(cache::FreshnessBoard& board) : position_(board.add_node()) {}

  // What was stored under the guard of the log may be served now.
  bool guards(Clock::time_point now = Clock::now()) const {
    return now.time_since_epoch().count() < good_until_.load(std::memory_order_seq_cst);
  }
  // The write up to which every change has moved epochs on, or has fenced its tables. The same object for
  // ever.
  const std::shared_ptr<cache::NodePosition>& position() const { return position_; }

  // Moves on with every change of covered().
  uint64_t covered_version() const { return covered_version_.load(std::memory_order_acquire); }
  CoveredTablesRef covered() const {
    const std::scoped_lock lock(mutex_);
    return covered_;
  }
  bool covers(uint32_t table) const {
    const CoveredTablesRef tables = covered();
    return std::binary_search(tables->begin(), tables->end(), table);
  }

  FollowerFacts facts() const {
    const std::scoped_lock lock(mutex_);
    FollowerFacts facts = facts_;
    facts.guards = guards();
    return facts;
  }

  // ---- for the follower ----

  void set_good_until(Clock::time_point moment) {
    good_until_.store(moment.time_since_epoch().count(), std::memory_order_seq_cst);
  }
  void set_not_good() { set_good_until(Clock::time_point::min()); }
  void set_covered(CoveredTables sorted) {
    const std::scoped_lock lock(mutex_);
    covered_ = std::make_shared<const CoveredTables>(std::move(sorted));
    covered_version_.fetch_add(1, std::memory_order_release);
  }
  void set_facts(FollowerFacts facts) {
    const std::scoped_lock lock(mutex_);
    facts_ = std::move(facts);
  }

 private:
  const std::shared_ptr<cache::NodePosition> position_;
  std::atomic<Clock::rep> good_until_{Clock::time_point::min().time_since_epoch().count()};
  std::atomic<uint64_t> covered_version_{1};
  mutable std::mutex mutex_;                                            // guards what follows
  CoveredTablesRef covered_ = std::make_shared<const CoveredTables>();  // never nullptr
  FollowerFacts facts_;
};

}  // namespace sportello::proxy
