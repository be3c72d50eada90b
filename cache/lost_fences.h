// Fences whose links were lost with a commit on its way: its server process may still be anywhere between
// reading the message and waiting for a standby, so the commit can happen later than the loss was seen.
// (cache/README.md, F8)
//
//   worker:   add(std::move(fence), process_id, deadline)
//   control:  process_ids() ─▶ SELECT pid FROM pg_stat_activity … ─▶ still_there(asked, there)
//             expire(now)   a primary that cannot be asked
//
// A number that the server has given to another process since keeps a fence up too long, never too short. Any
// thread. Bounded: beyond kMax the one with the earliest deadline settles.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <span>
#include <vector>

#include "cache/fence.h"

namespace sportello::cache {

class LostFences {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  static constexpr size_t kMax = 4096;

  void add(Fence fence, uint32_t process_id, TimePoint deadline);
  // To ask the primary about; sorted, each once. Empty: there is nothing to ask.
  std::vector<uint32_t> process_ids() const;
  // Of the processes that were asked about, these are there. The others' fences settle.
  void still_there(std::span<const uint32_t> asked, std::span<const uint32_t> there);
  void expire(TimePoint now);
  size_t size() const;

 private:
  struct Lost {
    Fence fence;
    uint32_t process_id;
    TimePoint deadline;
  };

  mutable std::mutex mutex_;
  std::vector<Lost> lost_;  // guarded by mutex_
};

}  // namespace sportello::cache
