// Where requests went, and why not to a replica: the reasons, their words, and a counter each.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sportello::proxy {

enum class RouteReason : uint8_t {
  Replica,          // to a replica (or would have gone, with routing = "shadow")
  NotALoneRead,     // in a transaction, not whole yet, pinned, several statements, …
  NotARead,         // its text may write, lock, or leave something in the session
  NamesUnknown,     // the catalog is not loaded, or does not know a name
  MayWrite,         // behind its names something may write, or is VOLATILE
  NotOnReplicas,    // temporary, unlogged or foreign tables, system catalogs
  ShapeRefused,     // a replica has refused this shape before
  HintPrimary,      // a comment asks for the primary
  Fenced,           // a table of it is being written
  FloorNotReached,  // no replica has come far enough
  NoReplica,        // none is in service
};
inline constexpr size_t kRouteReasons = static_cast<size_t>(RouteReason::NoReplica) + 1;

// For people: the end of "it goes to the primary: …".
std::string_view route_reason_words(RouteReason reason);

struct RouteCounts {
  std::array<std::atomic<uint64_t>, kRouteReasons> counts{};

  void add(RouteReason reason) {
    counts[static_cast<size_t>(reason)].fetch_add(1, std::memory_order_relaxed);
  }
  uint64_t of(RouteReason reason) const {
    return counts[static_cast<size_t>(reason)].load(std::memory_order_relaxed);
  }
};

}  // namespace sportello::proxy
