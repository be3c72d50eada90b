// How long the answer to a failed login is withheld (auth_delay), by where the client came from: the first
// for auth_delay, each further one for twice as long, up to sixteen times; one failure is forgotten every ten
// seconds. Whose password is right never waits, whoever else failed behind the same address, so this locks
// nobody out. It holds up who waits for the answer, not who takes silence for one.
//
// A source is an IPv4 address, or the /64 of an IPv6 one, as that is what one client is given. The table is
// bounded; who does not fit into it waits like a source that failed for the first time. Any thread: a lock,
// taken when a login has failed.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <unordered_map>

#include "proxy/client_address.h"
#include "proxy/net/event_loop.h"

namespace sportello::proxy {

class FailedLogins {
 public:
  static constexpr size_t kMostSources = 4096;
  static constexpr int kMostDoublings = 4;
  static constexpr std::chrono::seconds kForgetOneAfter{10};

  // A login from there has failed: for how long its client is not told. Not at all on Unix sockets.
  std::chrono::milliseconds note(const ClientAddress& from, TimePoint now,
                                 std::chrono::milliseconds auth_delay);
  // How many have failed; any thread, without the lock.
  uint64_t total() const { return total_.load(std::memory_order_relaxed); }

 private:
  using Source = std::array<uint64_t, 2>;  // of the address, the rest zero
  struct SourceHash {
    size_t operator()(const Source& source) const;
  };
  struct Failures {
    int count = 0;      // as of `since`
    TimePoint since{};  // one is forgotten kForgetOneAfter later

    int left(TimePoint now) const;
    void forget(TimePoint now);
  };

  static Source source_of(const ClientAddress& from);
  bool has_room_for(const Source& source, TimePoint now);

  std::atomic<uint64_t> total_{0};
  std::mutex mutex_;
  std::unordered_map<Source, Failures, SourceHash> sources_;  // guarded by mutex_
};

}  // namespace sportello::proxy
