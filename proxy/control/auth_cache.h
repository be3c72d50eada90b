// The answers that one auth_query gave, for a while: what a user's secret is, and also that a user is not
// known, which is kept shorter, as somebody may be waiting for the role just made. Bounded: the entry that
// was stored longest ago goes first. Whether a secret has expired is for the reader to say, at each look.
// I/O-free; one thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <list>
#include <string>
#include <unordered_map>

#include "proxy/control/auth_record.h"

namespace sportello::proxy {

class AuthCache {
 public:
  using Milliseconds = std::chrono::milliseconds;
  using TimePoint = std::chrono::steady_clock::time_point;

  explicit AuthCache(size_t most_entries) : most_entries_(most_entries) {}

  // nullptr: unknown to the cache, or older than it may be. `ttl` is that of now, whatever it was when the
  // answer was stored. Good until the next store().
  const AuthRecord* find(const std::string& user, TimePoint now, Milliseconds ttl) const;
  void store(const std::string& user, AuthRecord record, TimePoint now);
  size_t size() const { return entries_.size(); }

  static Milliseconds ttl_of_unknown(Milliseconds ttl);

 private:
  struct Entry {
    std::string user;
    AuthRecord record;
    TimePoint stored_at;
  };

  size_t most_entries_;
  std::list<Entry> by_age_;  // oldest first
  std::unordered_map<std::string, std::list<Entry>::iterator> entries_;
};

}  // namespace sportello::proxy
