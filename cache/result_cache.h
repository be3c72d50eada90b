// The result cache of a process: what is kept, who is asking for what is missing, and how it went. Shared by
// all workers. Any thread.
#pragma once

#include "cache/flights.h"
#include "cache/result_store.h"

namespace sportello::cache {

struct ResultCache {
  explicit ResultCache(uint64_t max_bytes) : store(max_bytes) {}

  ResultStore store;
  Flights flights;  // after the store: a flight that ends at the end of the program lands nowhere
};

}  // namespace sportello::cache
