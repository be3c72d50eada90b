// Text -> StatementFacts, by PostgreSQL 15's own grammar (libpg_query, used in this file's .cc alone).
//
//   text, Shape --guard--> libpg_query --JSON--> tree --walk--> facts
//        |                     | refused
//        +---- too much -------+--> words only (lexical_effects.h): kind Unknown
//
// What keeps it alive (libpg_query recurses without a check of its own):
// - The guard decides from the Shape, which a lexer without recursion has measured: at most kMaxParseBytes,
//   kMaxTokens, kMaxNesting open brackets, kMaxDeepening tokens that deepen the tree.
// - Measured with 1,000 levels of each construct of the grammar, its JSON form needs at most 400 bytes of
//   stack a level (nested subselects; 1+1+1 needs 130). A text of up to kInlineDepth levels is parsed on the
//   caller's stack, needing less than 256 kB of it; a deeper one on a thread of its own with 16 MB, which
//   costs some 30 us more.
// - JSON, not protobuf: it needs a fifth of the time, and survives depths that crash protobuf's packer.
//
// Any thread; no state. Costs 20 to 50 us for an ordinary statement and some milliseconds at the guard's
// limits, so callers keep the answer (facts_cache.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "protocol/sql/fingerprint.h"
#include "protocol/sql/statement_facts.h"

namespace sportello::sql {

inline constexpr size_t kMaxParseBytes = 64 * 1024;
inline constexpr uint32_t kMaxTokens = 10000;
inline constexpr uint32_t kMaxNesting = 250;
inline constexpr uint32_t kMaxDeepening = 2000;
inline constexpr uint32_t kInlineDepth = 250;

// `shape` is that of `text` under the same standard_conforming_strings. Never fails: what cannot be
// understood is kind Unknown.
StatementFacts parse_statement(std::string_view text, const Shape& shape,
                               bool standard_conforming_strings = true);

// The facts of a text that nobody may look into (not even its words: a wrong encoding, a text cut off).
StatementFacts unknown_facts();

}  // namespace sportello::sql
