// Text -> facts at two levels, so that the hot path is one hash and one look-up.
//
//   text --------> NumberPatterns: only its whole numbers are new
//                    | miss
//                    v
//        --hash--> FactsCache (each worker its own, no lock)
//                    | miss: the lexer makes the canonical text
//                    v
//                  ShapeCache (one for all workers, locked by shard)
//                    | miss: statement_parser.h
//                    v
//                  libpg_query, once a shape
//
// A text is kept in the first level from the second time on that it is met: texts whose literals change with
// every call would only push out those that come back, and cost an allocation each. (Not so if its facts cost
// a parse each time.)
//
// Facts that hang on a literal (StatementFacts::literal_dependent) are kept by exact text only. Both levels
// compare what they find in full: a collision of hashes, made on purpose, must not lend a SET the facts of a
// SELECT. Both are bounded by bytes (facts_table.h).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/sql/facts_table.h"
#include "protocol/sql/number_patterns.h"
#include "protocol/sql/statement_facts.h"

namespace sportello::sql {

inline constexpr size_t kDefaultShapeCacheBytes = 16 * 1024 * 1024;
inline constexpr size_t kDefaultFactsCacheBytes = 8 * 1024 * 1024;

// Shared by all threads.
class ShapeCache {
 public:
  explicit ShapeCache(size_t limit_bytes = kDefaultShapeCacheBytes);

  FactsPtr find(std::string_view canonical, uint64_t fingerprint);  // null if it is not here
  void insert(std::string_view canonical, uint64_t fingerprint, const FactsPtr& facts);
  size_t bytes() const;

 private:
  static constexpr size_t kShards = 16;
  struct Shard {
    explicit Shard(size_t limit_bytes) : table(limit_bytes) {}
    mutable std::mutex mutex;
    FactsTable table;  // guarded by mutex
  };
  Shard& shard_of(uint64_t fingerprint) { return *shards_[fingerprint >> 60]; }

  std::array<std::unique_ptr<Shard>, kShards> shards_;
};

// Belongs to one thread; any number of them may share a ShapeCache, which must outlive them.
class FactsCache {
 public:
  // `seed` is this process's own secret, so that nobody outside can choose texts of one hash.
  FactsCache(ShapeCache& shapes, uint64_t seed, size_t limit_bytes = kDefaultFactsCacheBytes);

  // Never null. The reference is good until the next call; copy the pointer to keep the facts.
  const FactsPtr& look_up(std::string_view text, bool standard_conforming_strings = true);

  // For SHOW and metrics; read by the owner's thread.
  struct Counters {
    uint64_t text_hits = 0;
    uint64_t pattern_hits = 0;
    uint64_t shape_hits = 0;
    uint64_t parses = 0;
    uint64_t unknown = 0;  // of those parses, the ones that were not understood
  };
  const Counters& counters() const { return counters_; }
  size_t bytes() const;

 private:
  const FactsPtr& learn(FactsTable& texts, std::string_view text, uint64_t hash,
                        bool standard_conforming_strings);

  ShapeCache& shapes_;
  static constexpr size_t kSeenOnce = 4096;

  bool is_last(std::string_view text, bool standard_conforming_strings) const;
  void remember(std::string_view text, const FactsPtr& facts, bool standard_conforming_strings);

  uint64_t seed_;
  // By standard_conforming_strings: under off, the few texts of old applications, with a smaller limit.
  FactsTable texts_;
  FactsTable nonconforming_texts_;
  NumberPatterns patterns_;
  std::string scratch_;
  // What was learnt last, as a text is often asked for twice in a row: before and after it has a link.
  FactsPtr last_;
  std::string last_text_;
  bool last_conforming_ = true;
  std::vector<uint64_t> seen_once_;  // hashes of texts met once, by their low bits
  Counters counters_;
};

}  // namespace sportello::sql
