// What statements cost, by shape: for SHOW QUERIES. One worker's own table, so that counting takes no lock
// and no atomic; its thread copies it for whoever shows it. In steady state nothing is allocated.
//
// What the numbers mean:
//   call        one Query of the simple protocol (all its statements together), or one Execute, that was
//               answered: with its result or with an error. An error of a batch of the extended protocol
//               counts for the first Execute that it made the server skip; the others were not called. What
//               the proxy runs again unseen counts once, and what it answers without a server or a cached
//               result (BEGIN, …) does not count.
//   shape       a database and a fingerprint (protocol/sql/fingerprint.h). An Execute's is that of the last
//               Bind before it. Fingerprint 0: not looked into, as the text is too long.
//   time        from the moment the server was asked, or gave the answer before this one, to the end of the
//               round of callbacks in which its own ended; answers that end in one round share it. Waiting
//               for a link is not in it, and what is answered from memory takes none.
//   rows        rows that were sent, or what the command's tag counts
//
// It holds kMost shapes. When there is no room, the quarter of them that was asked least goes, and counts
// together from then on (dropped()), as does what is answered only then.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace sportello::proxy {

// A shape in its worker's table. It may be dropped while the answer is under way.
struct QueryRef {
  static constexpr uint32_t kNone = ~0U;
  uint32_t slot = kNone;
  uint32_t generation = 0;

  explicit operator bool() const { return slot != kNone; }
};

enum class AnsweredBy : uint8_t { Primary, Replica, Cache };

struct QueryCounts {
  uint64_t calls = 0;
  uint64_t time_us = 0;
  uint64_t longest_us = 0;
  uint64_t rows = 0;
  uint64_t errors = 0;
  std::array<uint64_t, 3> by{};  // of calls, per AnsweredBy

  uint64_t answered_by(AnsweredBy whom) const { return by[static_cast<size_t>(whom)]; }
  void add(const QueryCounts& other);
};

struct QueryShape {
  uint64_t database = 0;  // DatabaseScope::id
  uint64_t fingerprint = 0;

  bool operator==(const QueryShape&) const = default;
};

struct QueryShapeHash {
  size_t operator()(const QueryShape& shape) const {
    constexpr uint64_t kSpread = 0x9e3779b97f4a7c15;
    return shape.fingerprint ^ (shape.database * kSpread);
  }
};

// One worker's table at one moment.
struct QuerySnapshot {
  struct Row {
    QueryShape shape;
    std::string text;
    QueryCounts counts;
  };
  std::vector<Row> rows;
  QueryCounts dropped;
  uint64_t dropped_shapes = 0;
};

class QueryTable {
 public:
  static constexpr size_t kMost = 1000;
  static constexpr size_t kLongestText = 1000;

  // The shape of a statement that is asked for; its text is kept, as it may be shown, if it is new.
  QueryRef find(QueryShape shape, std::string_view text, bool standard_conforming_strings);

  // Its answer has ended; count() follows before the round is over.
  void answered(QueryRef query, uint64_t rows, bool failed);
  bool has_answers() const { return !answers_.empty(); }
  void count(AnsweredBy whom, std::chrono::microseconds time);
  void count_cached(QueryRef query, uint64_t rows);

  size_t size() const { return index_.size(); }
  uint64_t dropped_shapes() const { return dropped_shapes_; }
  QuerySnapshot snapshot() const;

 private:
  struct Entry {
    QueryShape shape;
    uint32_t generation = 0;
    uint64_t asked = 0;  // answers may be far behind, in a pipeline
    QueryCounts counts;
    std::string text;
  };
  struct Answer {
    QueryRef query;
    uint64_t rows;
    bool failed;
  };

  QueryCounts& counts_of(QueryRef query);
  void make_room();

  std::vector<Entry> entries_;
  std::vector<uint32_t> free_;  // of entries_
  std::unordered_map<QueryShape, uint32_t, QueryShapeHash> index_;
  std::vector<Answer> answers_;  // not counted yet
  QueryShape last_shape_;        // found last, as it often comes again
  QueryRef last_;
  QueryCounts dropped_;
  uint64_t dropped_shapes_ = 0;
};

// Of all workers: each shape once, the costliest first.
QuerySnapshot sum_of(std::vector<QuerySnapshot> workers);

}  // namespace sportello::proxy
