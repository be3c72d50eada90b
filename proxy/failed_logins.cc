#include "proxy/failed_logins.h"

#include <algorithm>
#include <cstring>

#include "protocol/xxhash.h"

namespace sportello::proxy {

std::chrono::milliseconds FailedLogins::note(const ClientAddress& from, TimePoint now,
                                             std::chrono::milliseconds auth_delay) {
  total_.fetch_add(1, std::memory_order_relaxed);
  if (from.is_local || auth_delay.count() <= 0) {
    return std::chrono::milliseconds(0);
  }
  const Source source = source_of(from);
  const std::lock_guard lock(mutex_);
  if (!has_room_for(source, now)) {
    return auth_delay;
  }
  Failures& failures = sources_[source];
  failures.forget(now);
  failures.count = std::min(failures.count + 1, kMostDoublings + 1);
  return auth_delay * (1 << (failures.count - 1));
}

int FailedLogins::Failures::left(TimePoint now) const {
  const auto forgotten = std::clamp<int64_t>((now - since) / kForgetOneAfter, 0, count);
  return count - static_cast<int>(forgotten);
}

void FailedLogins::Failures::forget(TimePoint now) {
  const int forgotten = count - left(now);
  count -= forgotten;
  since = count == 0 ? now : since + forgotten * kForgetOneAfter;
}

FailedLogins::Source FailedLogins::source_of(const ClientAddress& from) {
  Source source{};
  std::memcpy(source.data(), from.address.data(), from.is_v4() ? sizeof source : sizeof source[0]);
  return source;
}

size_t FailedLogins::SourceHash::operator()(const Source& source) const {
  return hash_bytes({reinterpret_cast<const char*>(source.data()), sizeof source});
}

// A full table is rid of those that are forgotten.
bool FailedLogins::has_room_for(const Source& source, TimePoint now) {
  if (sources_.size() < kMostSources || sources_.contains(source)) {
    return true;
  }
  std::erase_if(sources_, [now](const auto& entry) { return entry.second.left(now) == 0; });
  return sources_.size() < kMostSources;
}

}  // namespace sportello::proxy
