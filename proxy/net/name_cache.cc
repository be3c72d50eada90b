#include "proxy/net/name_cache.h"

#include <algorithm>
#include <utility>

namespace sportello::proxy {

void NameCache::set_ttls(Milliseconds good, Milliseconds bad) {
  good_ = good;
  bad_ = bad;
}

NameCache::Found NameCache::find(const std::string& host, Time now) {
  Entry& entry = entries_[host];
  entry.used_at = now;
  Found found;
  if (!entry.addresses.empty()) {
    found.standing = now < entry.good_until ? Standing::Fresh : Standing::Stale;
    found.addresses = entry.addresses;
    const auto first = static_cast<AddressList::difference_type>(entry.turn++ % found.addresses.size());
    std::rotate(found.addresses.begin(), found.addresses.begin() + first, found.addresses.end());
  } else if (entry.answered && now < entry.good_until) {
    found.standing = Standing::Refused;
    found.why = entry.why;
  }
  return found;
}

bool NameCache::begin(const std::string& host) { return !std::exchange(entries_[host].asking, true); }

bool NameCache::answered(const std::string& host, NameAnswer answer, Time now) {
  Entry& entry = entries_[host];
  entry.asking = false;
  entry.answered = true;
  entry.why = std::move(answer.why);
  if (answer.addresses.empty()) {
    entry.good_until = now + bad_;
    if (answer.is_final) {
      entry.addresses.clear();
    }
    return false;
  }
  entry.good_until = now + good_;
  AddressList before = entry.addresses;
  AddressList after = answer.addresses;
  std::sort(before.begin(), before.end());
  std::sort(after.begin(), after.end());
  if (before == after) {
    return false;  // a resolver that shuffles has not changed its mind
  }
  entry.addresses = std::move(answer.addresses);
  return !before.empty();
}

std::vector<std::string> NameCache::due(const std::set<std::string>& in_use, Time now) {
  std::vector<std::string> names;
  for (auto at = entries_.begin(); at != entries_.end();) {
    const auto& [host, entry] = *at;
    const bool is_wanted = in_use.contains(host);
    if (!is_wanted && !entry.asking && now - entry.used_at >= kKept) {
      at = entries_.erase(at);
      continue;
    }
    if (is_wanted && !entry.asking && entry.answered && now >= entry.good_until) {
      names.push_back(host);
    }
    ++at;
  }
  return names;
}

std::vector<NameCache::Known> NameCache::known(Time now) const {
  std::vector<Known> names;
  for (const auto& [host, entry] : entries_) {
    const auto left = std::chrono::duration_cast<Milliseconds>(entry.good_until - now);
    names.push_back(
        {host, entry.answered ? std::max(left, Milliseconds(0)) : Milliseconds(0), entry.addresses});
  }
  return names;
}

}  // namespace sportello::proxy
