#include "cache/lost_fences.h"

#include <algorithm>

namespace sportello::cache {
namespace {

bool is_in(std::span<const uint32_t> ids, uint32_t id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

const LostFences::Process* find(std::span<const LostFences::Process> processes, uint32_t id) {
  const auto found = std::find_if(processes.begin(), processes.end(),
                                  [id](const LostFences::Process& process) { return process.id == id; });
  return found == processes.end() ? nullptr : &*found;
}

}  // namespace

void LostFences::add(Fence fence, uint32_t process_id) {
  if (!fence.is_up()) return;
  const std::scoped_lock lock(mutex_);
  if (lost_.size() == kMax) lost_.erase(lost_.begin());
  lost_.push_back({std::move(fence), process_id});
}

std::vector<uint32_t> LostFences::process_ids() const {
  std::vector<uint32_t> ids;
  {
    const std::scoped_lock lock(mutex_);
    for (const Lost& lost : lost_) ids.push_back(lost.process_id);
  }
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

void LostFences::still_there(std::span<const uint32_t> asked, std::span<const Process> there, TimePoint now) {
  const std::scoped_lock lock(mutex_);
  std::erase_if(lost_, [&](Lost& lost) {
    if (!is_in(asked, lost.process_id)) return false;
    const Process* const process = find(there, lost.process_id);
    if (process == nullptr) return true;
    if (!lost.was_seen) {
      lost.was_seen = true;
      lost.started = process->started;
      lost.first_seen = now;
    }
    return lost.started != process->started || now - lost.first_seen >= kMostKept;
  });
}

void LostFences::settle_all() {
  const std::scoped_lock lock(mutex_);
  lost_.clear();
}

size_t LostFences::size() const {
  const std::scoped_lock lock(mutex_);
  return lost_.size();
}

}  // namespace sportello::cache
