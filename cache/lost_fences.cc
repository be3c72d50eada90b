#include "cache/lost_fences.h"

#include <algorithm>

namespace sportello::cache {
namespace {

bool is_in(std::span<const uint32_t> ids, uint32_t id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

}  // namespace

void LostFences::add(Fence fence, uint32_t process_id, TimePoint deadline) {
  if (!fence.is_up()) return;
  const std::scoped_lock lock(mutex_);
  if (lost_.size() == kMax) {
    lost_.erase(std::min_element(lost_.begin(), lost_.end(),
                                 [](const Lost& a, const Lost& b) { return a.deadline < b.deadline; }));
  }
  lost_.push_back({std::move(fence), process_id, deadline});
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

void LostFences::still_there(std::span<const uint32_t> asked, std::span<const uint32_t> there) {
  const std::scoped_lock lock(mutex_);
  std::erase_if(lost_, [&](const Lost& lost) {
    return is_in(asked, lost.process_id) && !is_in(there, lost.process_id);
  });
}

void LostFences::expire(TimePoint now) {
  const std::scoped_lock lock(mutex_);
  std::erase_if(lost_, [now](const Lost& lost) { return lost.deadline <= now; });
}

size_t LostFences::size() const {
  const std::scoped_lock lock(mutex_);
  return lost_.size();
}

}  // namespace sportello::cache
