// What all sessions of one database share: its identity, what its names mean, and which writes there were.
// Any thread.
#pragma once

#include <atomic>
#include <cstdint>

#include "cache/catalog_slot.h"
#include "cache/freshness_board.h"
#include "cache/lost_fences.h"
#include "cache/table_state.h"
#include "proxy/router/default_paths.h"
#include "proxy/router/follower_status.h"
#include "proxy/router/route_counts.h"

namespace sportello::proxy {

struct DatabaseScope {
  uint64_t id = 0;
  std::atomic<uint64_t> ddl_epoch{0};  // moved on by every statement that may change the catalog

  cache::CatalogSlot catalog;  // good for ddl_epoch
  DefaultPathsSlot paths;      // from the same server as the catalog

  // A BEGIN that names no isolation level means READ COMMITTED, whoever says it
  // (default_transaction_isolation of server, database and roles).
  std::atomic<bool> begins_read_committed{false};

  // Somebody asks for what follows: it has replicas. Otherwise nothing of it is kept.
  std::atomic<bool> tracks_writes{false};
  cache::TableStates tables;
  cache::FreshnessBoard board{tables};
  // Over what lost links may still commit, until the NodeWatch has seen that their processes are gone.
  cache::LostFences lost_fences{board, tables};
  FollowerStatus follower{board};
  // The primary does not answer: what was known of its catalog last still says which reads are reads.
  std::atomic<bool> primary_lost{false};
  // It has several servers, and until each has been asked which of them is the primary, nobody gets a link to
  // any for a write.
  std::atomic<bool> primary_unknown{false};
  // When a read was last kept from a replica that has not come far enough, as TimePoint ticks.
  std::atomic<int64_t> held_at{0};
  // A write was settled, and the NodeWatch has been told so but has not looked yet.
  std::atomic<bool> nudged{false};
  RouteCounts routes;
};

}  // namespace sportello::proxy
