// How many of the reads that sportello's cache rules take were answered from memory: SHOW CACHE RULES, summed
// up.
#pragma once

#include <cstdint>
#include <string>

#include "protocol/result.h"

namespace sportello::portal {

struct CacheFigures {
  uint64_t hits = 0;    // answered from memory, or with the answer that another one asked for
  uint64_t misses = 0;  // asked of a server

  CacheFigures since(const CacheFigures& before) const {
    return {hits - before.hits, misses - before.misses};
  }
  double hit_percent() const {
    const uint64_t all = hits + misses;
    return all == 0 ? 0 : 100.0 * static_cast<double>(hits) / static_cast<double>(all);
  }
};

// `console`: conninfo of the admin console.
Result<CacheFigures> read_cache_figures(const std::string& console);

}  // namespace sportello::portal
