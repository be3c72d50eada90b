#include "cache/lost_fences.h"

#include <algorithm>
#include <utility>

namespace sportello::cache {
namespace {

bool by_id(const LostFences::Process& a, const LostFences::Process& b) { return a.id < b.id; }

// `processes` are sorted.
const LostFences::Process* find(std::span<const LostFences::Process> processes, uint32_t id) {
  const auto found = std::lower_bound(processes.begin(), processes.end(), LostFences::Process{id, {}}, by_id);
  return found == processes.end() || found->id != id ? nullptr : &*found;
}

}  // namespace

void LostFences::add(Fence fence, uint32_t process_id) {
  if (!fence.is_up()) return;
  const std::scoped_lock lock(mutex_);
  if (lost_.size() >= kMax) {
    add_to_all(process_id);  // before its own comes down
    return;
  }
  lost_.push_back({.fence = std::move(fence), .process_id = process_id, .serial = next_serial_++});
}

void LostFences::add_to_all(uint32_t process_id) {
  if (!all_fenced_.is_up()) all_fenced_ = Fence(*board_, {all_});
  const uint32_t id = lost_.size() < kMostProcesses ? process_id : 0;
  // One for each process will do: whoever is waited for anew is waited for no shorter.
  std::erase_if(lost_, [&](const Lost& lost) { return !lost.fence.is_up() && lost.process_id == id; });
  lost_.push_back({.fence = Fence(), .process_id = id, .serial = next_serial_++});
}

LostFences::Question LostFences::ask() const {
  Question question;
  {
    const std::scoped_lock lock(mutex_);
    question.before = next_serial_;
    for (const Lost& lost : lost_) {
      if (lost.process_id == 0) {
        question.transactions = true;
      } else {
        question.process_ids.push_back(lost.process_id);
      }
    }
  }
  std::vector<uint32_t>& ids = question.process_ids;
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return question;
}

template <typename IsOver>
void LostFences::settle_if(IsOver is_over) {
  const auto is_in_all = [](const Lost& lost) { return !lost.fence.is_up(); };
  std::erase_if(lost_, is_over);
  if (std::none_of(lost_.begin(), lost_.end(), is_in_all)) all_fenced_.settle();
}

void LostFences::still_there(const Question& question, std::vector<Process> there, TimePoint now) {
  std::sort(there.begin(), there.end(), by_id);
  const std::scoped_lock lock(mutex_);
  settle_if([&](Lost& lost) {
    if (lost.process_id == 0 || lost.serial >= question.before) return false;
    const Process* const process = find(there, lost.process_id);
    if (process == nullptr) return true;
    if (!std::exchange(lost.was_seen, true)) {
      lost.started = process->started;
      lost.first_seen = now;
    }
    return lost.started != process->started || now - lost.first_seen >= kMostKept;
  });
}

void LostFences::still_open(const Question& question, std::vector<std::string> open, TimePoint now) {
  std::sort(open.begin(), open.end());
  const std::scoped_lock lock(mutex_);
  settle_if([&](Lost& lost) {
    if (lost.process_id != 0 || lost.serial >= question.before) return false;
    if (!std::exchange(lost.was_seen, true)) {
      lost.open = open;
      lost.first_seen = now;
    }
    const bool any_left = std::any_of(lost.open.begin(), lost.open.end(), [&](const std::string& each) {
      return std::binary_search(open.begin(), open.end(), each);
    });
    return !any_left || now - lost.first_seen >= kMostKept;
  });
}

void LostFences::settle_all() {
  const std::scoped_lock lock(mutex_);
  settle_if([](const Lost&) { return true; });
}

size_t LostFences::size() const {
  const std::scoped_lock lock(mutex_);
  return lost_.size();
}

}  // namespace sportello::cache
