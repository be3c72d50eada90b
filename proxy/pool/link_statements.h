// Which prepared statements a server link holds, least recently used first to go. The names are ours
// (Statement::server_name), so numbers suffice.
//
// What the link holds can become uncertain: a statement of the client's may or may not have dropped them all
// (DISCARD ALL in a batch that failed). From then on every Parse is preceded by a Close of the same name,
// which PostgreSQL accepts for a name that does not exist, too.
//
// A Parse that we send on a client's behalf can be skipped by the server, when something before it in its
// batch (up to the next Sync) fails. Until it is answered the statement is only there for the rest of that
// batch: whoever sends the next one ahead of the answers must prepare it once more.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>

#include "proxy/session/statement_shape.h"

namespace sportello::proxy {

class LinkStatements {
 public:
  // True if the link holds it; it is then the most recently used.
  bool use(uint64_t id) {
    Held* held = find(id);
    if (held == nullptr || (held->batch != 0 && held->batch != batch_)) {
      return false;
    }
    held->used = ++clock_;
    return true;
  }

  // Sent by the client itself: it knows what an error makes of it.
  void add(uint64_t id) { held_[id] = {.used = ++clock_, .batch = 0}; }
  // Sent on its behalf.
  void add_unseen(uint64_t id) { held_[id] = {.used = ++clock_, .batch = batch_}; }
  // Its Parse has been answered.
  void confirm(uint64_t id) {
    if (Held* held = find(id); held != nullptr) {
      held->batch = 0;
    }
  }
  // What a Describe of it has said; nothing known of one that the link does not hold.
  void describe(uint64_t id, const StatementShape& shape) {
    if (Held* held = find(id); held != nullptr) {
      held->shape = shape;
    }
  }
  StatementShape shape(uint64_t id) {
    const Held* held = find(id);
    return held == nullptr ? StatementShape() : held->shape;
  }
  // A Sync is sent.
  void end_batch() { batch_++; }
  uint64_t batch() const { return batch_; }
  // A Parse of it has to be preceded by a Close.
  bool may_hold(uint64_t id) const { return uncertain_ || held_.contains(id); }

  void remove(uint64_t id) {
    last_ = nullptr;
    held_.erase(id);
  }

  // The one to drop before another is added, if `limit` are held.
  std::optional<uint64_t> to_evict(size_t limit) const {
    if (held_.size() < limit || held_.empty()) {
      return std::nullopt;
    }
    auto oldest = held_.begin();
    for (auto at = held_.begin(); at != held_.end(); ++at) {
      if (at->second.used < oldest->second.used) {
        oldest = at;
      }
    }
    return oldest->first;
  }

  // None is held, for certain.
  void clear() {
    last_ = nullptr;
    held_.clear();
    uncertain_ = false;
  }
  void make_uncertain() {
    last_ = nullptr;
    held_.clear();
    uncertain_ = true;
  }
  bool uncertain() const { return uncertain_; }
  size_t size() const { return held_.size(); }

 private:
  struct Held {
    uint64_t used;   // when, last
    uint64_t batch;  // in which its Parse was sent, unanswered; 0: it is certain, or the client's own
    StatementShape shape = {};
  };

  Held* find(uint64_t id) {
    if (last_ == nullptr || last_->first != id) {
      const auto found = held_.find(id);
      last_ = found == held_.end() ? nullptr : &*found;
    }
    return last_ == nullptr ? nullptr : &last_->second;
  }

  std::unordered_map<uint64_t, Held> held_;
  std::pair<const uint64_t, Held>* last_ = nullptr;  // looked for last, in held_
  uint64_t batch_ = 1;
  uint64_t clock_ = 0;
  bool uncertain_ = false;
};

}  // namespace sportello::proxy
