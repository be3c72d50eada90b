#include "proxy/control/auth_cache.h"

#include <algorithm>
#include <utility>

namespace sportello::proxy {

AuthCache::Milliseconds AuthCache::ttl_of_unknown(Milliseconds ttl) {
  constexpr Milliseconds kMost{2'000};
  return std::min(ttl, kMost);
}

const AuthRecord* AuthCache::find(const std::string& user, TimePoint now, Milliseconds ttl) const {
  const auto found = entries_.find(user);
  if (found == entries_.end()) {
    return nullptr;
  }
  const Entry& entry = *found->second;
  const Milliseconds limit = entry.record.known ? ttl : ttl_of_unknown(ttl);
  return now - entry.stored_at < limit ? &entry.record : nullptr;
}

void AuthCache::store(const std::string& user, AuthRecord record, TimePoint now) {
  const auto known = entries_.find(user);
  if (known != entries_.end()) {
    by_age_.erase(known->second);
    entries_.erase(known);
  }
  while (entries_.size() >= most_entries_ && !by_age_.empty()) {
    entries_.erase(by_age_.front().user);
    by_age_.pop_front();
  }
  by_age_.push_back({user, std::move(record), now});
  entries_.emplace(user, std::prev(by_age_.end()));
}

}  // namespace sportello::proxy
