// Were these reads and writes strictly serializable? Commits have numbers, in the order in which the database
// made them; a read tells, per table, the newest commit that it saw. A read can stand anywhere from the
// newest commit that it saw up to the first that it missed, and no earlier than any operation that ended
// before it began. Taking the earliest such place for each in turn finds an order if there is one.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <vector>

namespace sportello::cache {

class History {
 public:
  using Seen = std::map<int, uint64_t>;  // table -> commit

  // Where an operation that begins now cannot stand before.
  uint64_t begins() const { return ended_; }
  void committed(int table, uint64_t commit) { commits_[table].push_back(commit); }
  void write_ends(uint64_t began_after, uint64_t commit) {
    broken_ += commit < began_after;
    ended_ = std::max(ended_, commit);
  }
  void read_ends(uint64_t began_after, const Seen& seen) {
    uint64_t place = began_after;
    for (const auto& [table, commit] : seen) place = std::max(place, commit);
    reads_.push_back({place, seen});
    ended_ = std::max(ended_, place);
  }
  // At the end: how many operations no order allows.
  int violations() const {
    return broken_ + static_cast<int>(std::count_if(reads_.begin(), reads_.end(), [this](const Read& read) {
             return std::any_of(read.seen.begin(), read.seen.end(), [this, &read](const auto& saw) {
               return next_commit(saw.first, saw.second) <= read.place;
             });
           }));
  }
  size_t reads() const { return reads_.size(); }

 private:
  struct Read {
    uint64_t place;
    Seen seen;
  };

  uint64_t next_commit(int table, uint64_t after) const {
    const auto found = commits_.find(table);
    if (found == commits_.end()) return UINT64_MAX;
    const auto next = std::upper_bound(found->second.begin(), found->second.end(), after);
    return next == found->second.end() ? UINT64_MAX : *next;
  }

  std::map<int, std::vector<uint64_t>> commits_;
  std::vector<Read> reads_;
  uint64_t ended_ = 0;
  int broken_ = 0;
};

}  // namespace sportello::cache
