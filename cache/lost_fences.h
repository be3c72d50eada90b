// Fences whose links were lost with a commit on its way: its server process may still be anywhere between
// reading the message and waiting for a standby, so the commit can happen later than the loss was seen.
// (cache/README.md, F8)
//
//   worker:   add(std::move(fence), process_id)
//   control:  ask() ─▶ SELECT pid … FROM pg_stat_activity … ─▶ still_there(question, there, now)
//                   ─▶ SELECT virtualtransaction … FROM pg_locks … ─▶ still_open(question, open, now)
//             settle_all()   another server is the primary, or there is nobody who could ask
//
// While the primary does not answer nothing settles: its processes may live on without us. A number that the
// server has given to another process since keeps a fence up too long, never too short: until that one is
// gone, or kMostKept after it was seen first. Of a process whose number is not known all transactions are
// waited for that were open when the primary was first asked.
//
// Any thread. Bounded: beyond kMax no more tables are remembered, but all of the database are fenced until
// everybody is gone who came after that; and beyond kMostProcesses nobody's number, as if it were not known.
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
  static constexpr size_t kMostProcesses = 16'384;
  // A process that is there for longer has most likely got its number from another.
  static constexpr std::chrono::hours kMostKept{1};

  // Of the server.
  struct Process {
    uint32_t id = 0;
    std::string started;  // when, in the server's words; empty: it does not tell
  };

  // What to ask the primary. Its answer says nothing of who is added later.
  struct Question {
    uint64_t before = 0;                // of serial numbers of those that it is about
    std::vector<uint32_t> process_ids;  // sorted, each once; empty: there is nothing to ask
    bool transactions = false;          // ask which are open
  };

  LostFences(FreshnessBoard& board, TableStates& tables) : board_(&board), all_(&tables.all()) {}

  // `process_id`: 0 if it is not known.
  void add(Fence fence, uint32_t process_id);
  Question ask() const;
  // Of the processes that were asked about, these are there. The others' fences settle, and so do those whose
  // number belongs to another process than when it was seen first.
  void still_there(const Question& question, std::vector<Process> there, TimePoint now);
  // These transactions are open, in the server's words.
  void still_open(const Question& question, std::vector<std::string> open, TimePoint now);
  void settle_all();
  size_t size() const;

 private:
  struct Lost {
    Fence fence;  // none: all_fenced_ is for it
    uint32_t process_id;
    uint64_t serial;
    bool was_seen = false;
    TimePoint first_seen{};         // and as is:
    std::string started;            // the process
    std::vector<std::string> open;  // or what was open then; sorted
  };

  void add_to_all(uint32_t process_id);
  template <typename IsOver>
  void settle_if(IsOver is_over);

  FreshnessBoard* const board_;
  TableState* const all_;
  mutable std::mutex mutex_;  // guards what follows
  uint64_t next_serial_ = 1;
  std::vector<Lost> lost_;
  Fence all_fenced_;  // up while any of lost_ has none of its own
};

}  // namespace sportello::cache
