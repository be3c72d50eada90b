// What one session must find in what it reads, and what others must be kept from while it writes: the tables
// that its open transaction has written, the fence over them while a commit is under way, and its own newest
// write. What the rules are for is in cache/README.md, F1 to F9.
//
//   wrote(meaning) … wrote(meaning) ─▶ raise() ─ the message that can commit is sent ─▶ settle()
//
// A commit whose answer was lost may still happen: its fence goes into the Limbo.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cache/fence.h"
#include "cache/write_set.h"
#include "proxy/net/event_loop.h"
#include "proxy/router/database_names.h"

namespace sportello::proxy {

// Fences of commits that nobody knows the end of (F8): kept for kKept, as the number of the server's process
// may be another pooler's, which says nothing; from then on LostFences has them until the primary says that
// it is over. One worker's, its own thread.
class Limbo {
 public:
  static constexpr std::chrono::seconds kKept{3};

  // `process_id`: of the server's process; 0: it has not said.
  void add(cache::Fence fence, std::shared_ptr<DatabaseScope> scope, uint32_t process_id) {
    kept_.push_back({std::move(scope), std::move(fence), process_id, TimePoint()});
  }
  void tick(TimePoint now);
  bool is_empty() const { return kept_.empty(); }

 private:
  struct Kept {
    std::shared_ptr<DatabaseScope> scope;  // outlives its fence
    cache::Fence fence;
    uint32_t process_id;
    TimePoint until;  // TimePoint(): from the next tick on
  };
  std::vector<Kept> kept_;
};

class SessionFreshness {
 public:
  SessionFreshness(std::shared_ptr<DatabaseNames> names, uint64_t user_id, std::string role);

  DatabaseNames& names() { return *names_; }
  const Meaning* meaning_of(const sql::FactsPtr& facts, const SettingsValues& settings) {
    return names_->meaning_of(facts, settings, {user_id_, &role_});
  }
  const Meaning* meaning_lately(const sql::FactsPtr& facts, const SettingsValues& settings) {
    return names_->meaning_lately(facts, settings, {user_id_, &role_});
  }
  NameOwner owner() const { return {user_id_, &role_}; }
  uint64_t last_write() const { return last_write_; }
  void must_see(uint64_t sequence) { last_write_ = std::max(last_write_, sequence); }

  // A statement is about to be sent that writes; nullptr: nobody knows what.
  void wrote(const Meaning* meaning);
  // What is sent next to that process of the server can commit.
  void raise(uint32_t process_id);
  bool has_written() const { return fence_.is_up() || !writes_.is_empty(); }
  // No transaction is open, and nothing that may write is owed: whatever was sent has happened, or has not.
  void settle();
  // The link went with a commit under way, perhaps.
  void lose(Limbo& limbo);

 private:
  void raise_over_written();

  std::shared_ptr<DatabaseNames> names_;
  const uint64_t user_id_;
  const std::string role_;
  uint64_t last_write_ = 0;
  cache::WriteSet writes_;  // since the last settle
  cache::Fence fence_;
  uint32_t process_id_ = 0;  // whose commit it is for
  size_t fenced_ = 0;        // how many of the tables written it covers
  bool fenced_all_ = false;
};

}  // namespace sportello::proxy
