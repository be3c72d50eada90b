// Fences whose links were lost with a commit on its way: its server process may still be anywhere between
// reading the message and waiting for a standby, so the commit can happen later than the loss was seen.
// (cache/README.md, F8)
//
//   worker:   add(std::move(fence), process_id)
//   control:  process_ids() ─▶ SELECT pid … FROM pg_stat_activity … ─▶ still_there(asked, there, now)
//             settle_all()   another server is the primary, or there is nobody who could ask
//
// While the primary does not answer nothing settles: its processes may live on without us. A number that the
// server has given to another process since keeps a fence up too long, never too short: until that one is
// gone, or kMostKept after it was seen first. Any thread. Bounded: beyond kMax the first that was added
// settles.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "cache/fence.h"

namespace sportello::cache {

class LostFences {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  static constexpr size_t kMax = 4096;
  // A process that is there for longer has most likely got its number from another.
  static constexpr std::chrono::hours kMostKept{1};

  // Of the server.
  struct Process {
    uint32_t id = 0;
    std::string started;  // when, in the server's words; empty: it does not tell
  };

  void add(Fence fence, uint32_t process_id);
  // To ask the primary about; sorted, each once. Empty: there is nothing to ask.
  std::vector<uint32_t> process_ids() const;
  // Of the processes that were asked about, these are there. The others' fences settle, and so do those whose
  // number belongs to another process than when it was seen first.
  void still_there(std::span<const uint32_t> asked, std::span<const Process> there, TimePoint now);
  void settle_all();
  size_t size() const;

 private:
  struct Lost {
    Fence fence;
    uint32_t process_id;
    bool was_seen = false;
    std::string started;     // once it was seen, as is
    TimePoint first_seen{};  // this
  };

  mutable std::mutex mutex_;
  std::vector<Lost> lost_;  // guarded by mutex_
};

}  // namespace sportello::cache
