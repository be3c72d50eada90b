// Which prepared statements a server link holds, least recently used first to go. The names are ours
// (Statement::server_name), so numbers suffice.
//
// What the link holds can become uncertain: a statement of the client's may or may not have dropped them all
// (DISCARD ALL in a batch that failed). From then on every Parse is preceded by a Close of the same name,
// which PostgreSQL accepts for a name that does not exist, too.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>

namespace sportello::proxy {

class LinkStatements {
 public:
  // True if the link holds it; it is then the most recently used.
  bool use(uint64_t id) {
    const auto found = held_.find(id);
    if (found == held_.end()) {
      return false;
    }
    found->second = ++clock_;
    return true;
  }

  void add(uint64_t id) { held_[id] = ++clock_; }
  void remove(uint64_t id) { held_.erase(id); }

  // The one to drop before another is added, if `limit` are held.
  std::optional<uint64_t> to_evict(size_t limit) const {
    if (held_.size() < limit || held_.empty()) {
      return std::nullopt;
    }
    auto oldest = held_.begin();
    for (auto at = held_.begin(); at != held_.end(); ++at) {
      if (at->second < oldest->second) {
        oldest = at;
      }
    }
    return oldest->first;
  }

  // None is held, for certain.
  void clear() {
    held_.clear();
    uncertain_ = false;
  }
  void make_uncertain() {
    held_.clear();
    uncertain_ = true;
  }
  bool uncertain() const { return uncertain_; }
  size_t size() const { return held_.size(); }

 private:
  std::unordered_map<uint64_t, uint64_t> held_;  // number -> when it was last used
  uint64_t clock_ = 0;
  bool uncertain_ = false;
};

}  // namespace sportello::proxy
