#include "protocol/sql/facts_cache.h"

#include "protocol/sql/fingerprint.h"
#include "protocol/sql/statement_parser.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace sportello::sql {
namespace {

constexpr size_t kMaxRemembered = 1024;           // to copy a longer one costs more than to find it again
constexpr size_t kKeptScratchBytes = 256 * 1024;  // a larger one is given back after use

}  // namespace

ShapeCache::ShapeCache(size_t limit_bytes) {
  for (auto& shard : shards_) shard = std::make_unique<Shard>(limit_bytes / kShards);
}

FactsPtr ShapeCache::find(std::string_view canonical, uint64_t fingerprint) {
  Shard& shard = shard_of(fingerprint);
  const std::lock_guard lock(shard.mutex);
  const FactsPtr* found = shard.table.find(canonical, fingerprint);
  return found == nullptr ? nullptr : *found;
}

void ShapeCache::insert(std::string_view canonical, uint64_t fingerprint, const FactsPtr& facts) {
  Shard& shard = shard_of(fingerprint);
  const std::lock_guard lock(shard.mutex);
  // Another worker may have learnt it meanwhile.
  if (shard.table.find(canonical, fingerprint) == nullptr) shard.table.insert(canonical, fingerprint, facts);
}

size_t ShapeCache::bytes() const {
  size_t bytes = 0;
  for (const auto& shard : shards_) {
    const std::lock_guard lock(shard->mutex);
    bytes += shard->table.bytes();
  }
  return bytes;
}

FactsCache::FactsCache(ShapeCache& shapes, uint64_t seed, size_t limit_bytes)
    : shapes_(shapes),
      seed_(seed),
      texts_(limit_bytes - limit_bytes / 8),
      nonconforming_texts_(limit_bytes / 8),
      patterns_(seed),
      seen_once_(kSeenOnce) {}

bool FactsCache::is_last(std::string_view text, bool standard_conforming_strings) const {
  return last_ != nullptr && standard_conforming_strings == last_conforming_ && text == last_text_;
}

const FactsPtr& FactsCache::look_up(std::string_view text, bool standard_conforming_strings) {
  // Who looks ahead asks twice.
  if (is_last(text, standard_conforming_strings)) {
    ++counters_.text_hits;
    return last_;
  }
  if (standard_conforming_strings) {
    if (const FactsPtr* found = patterns_.find(text)) {
      ++counters_.pattern_hits;
      if (text.size() > kMaxRemembered) return *found;
      remember(text, *found, true);
      return last_;
    }
  }
  const uint64_t hash = XXH3_64bits_withSeed(text.data(), text.size(), seed_);
  FactsTable& texts = standard_conforming_strings ? texts_ : nonconforming_texts_;
  if (const FactsPtr* found = texts.find(text, hash)) {
    ++counters_.text_hits;
    return *found;
  }
  return learn(texts, text, hash, standard_conforming_strings);
}

void FactsCache::remember(std::string_view text, const FactsPtr& facts, bool standard_conforming_strings) {
  if (last_ != facts) last_ = facts;
  last_text_.assign(text);
  last_conforming_ = standard_conforming_strings;
}

const FactsPtr& FactsCache::learn(FactsTable& texts, std::string_view text, uint64_t hash,
                                  bool standard_conforming_strings) {
  const Shape shape = measure_shape(text, standard_conforming_strings, scratch_);
  last_ = shapes_.find(shape.canonical, shape.fingerprint);
  if (last_ != nullptr) {
    ++counters_.shape_hits;
    if (standard_conforming_strings && !last_->literal_dependent) patterns_.note(text, last_);
  } else {
    last_ = std::make_shared<const StatementFacts>(parse_statement(text, shape, standard_conforming_strings));
    ++counters_.parses;
    if (last_->kind == StatementKind::Unknown) ++counters_.unknown;
    if (!last_->literal_dependent) shapes_.insert(shape.canonical, shape.fingerprint, last_);
  }
  if (scratch_.size() > kKeptScratchBytes) std::string().swap(scratch_);
  remember(text, last_, standard_conforming_strings);
  uint64_t& seen = seen_once_[hash % kSeenOnce];
  if (seen == hash || last_->literal_dependent) {
    texts.insert(text, hash, last_);
  } else {
    seen = hash;
  }
  return last_;
}

size_t FactsCache::bytes() const {
  return texts_.bytes() + nonconforming_texts_.bytes() + patterns_.bytes() + scratch_.size() +
         last_text_.size();
}

}  // namespace sportello::sql
