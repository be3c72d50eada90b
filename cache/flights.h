// Of several sessions that miss the same result at the same time, one asks the server, the others wait for
// its answer without holding a link.
//
//   join() ─▶ nothing: ask the server, keep the result, land()            ─▶ the waiters: Landing::Result
//     │                                         land_unkept()             ─▶ Landing::Alone: each on its own
//     │                                         dropped (client, link gone) ─▶ Landing::Again: join() again
//     └────▶ Ticket: wait; leave() if the client goes
//
// Who joins could as well have been served the result (cache/README.md, C4): at that moment the flight's
// snapshot is valid, its own write is in it, and the answer will have the form it wants. Whoever finds a
// flight that is not good enough leads a new one, which takes its place for those who come later.
//
// Any thread. Waiters are called outside of the lock, on the thread that lands: they hand the news to their
// own.
#pragma once

#include <array>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "cache/cached_result.h"

namespace sportello::cache {

enum class Landing : uint8_t {
  Result,  // here it is
  Alone,   // it is not for keeping: ask the server without a flight
  Again,   // its leader is gone: look it up and join again
};

class Flights;

// What one session asks a server for, to keep the answer. The session's own, to be used again from read to
// read; others learn of it only by Flights::join(). Dropping it sends the waiters on.
class Flight {
 public:
  Flight() = default;
  Flight(const Flight&) = delete;
  Flight& operator=(const Flight&) = delete;
  ~Flight() { drop(); }

  // `filling` was noted just now. Drops what was before.
  void begin(const KeyView& key, Filling&& filling, const AnswerForm& form);
  KeyView key() const { return {key_, hash_}; }
  const Filling& filling() const { return filling_; }

  // After the result was put into the store, so that nobody misses it in between. Waiters get it even if the
  // store refused it for a write that began since. (C4)
  void land(const CachedResultRef& result) { end(Landing::Result, result); }
  void land_unkept() { end(Landing::Alone, nullptr); }
  void drop() { end(Landing::Again, nullptr); }

 private:
  friend class Flights;
  using Waiter = std::function<void(Landing, const CachedResultRef&)>;

  void end(Landing how, const CachedResultRef& result);

  std::string key_;
  uint64_t hash_ = 0;
  Filling filling_;
  AnswerForm form_;
  Flights* flights_ = nullptr;                        // nullptr: it is not in the air
  Flight* next_ = nullptr;                            // guarded by the Flights' mutex, as is the next
  std::vector<std::pair<uint64_t, Waiter>> waiters_;  // by the numbers of their Tickets
};

class Flights {
 public:
  using Waiter = Flight::Waiter;

  // A place among the waiters.
  class Ticket {
   public:
    // True: the waiter will not be called. False: it was, or is about to be.
    bool leave();

   private:
    friend class Flights;
    Flights* flights_ = nullptr;
    uint64_t hash_ = 0;
    uint64_t number_ = 0;
  };

  // Nothing: there is none to wait for, and `flight`, which has begun, is in the air from now on. A Waiter is
  // made of `waiter` only if it is needed.
  template <typename Callable>
  std::optional<Ticket> join(Flight& flight, const SessionFloor& floor, Callable&& waiter) {
    const std::scoped_lock lock(mutex_);
    Flight* const other = find(flight, floor);
    if (other == nullptr) {
      take_off(flight);
      return std::nullopt;
    }
    return add_waiter(*other, Waiter(std::forward<Callable>(waiter)));
  }

  // For SHOW CACHE.
  uint64_t flown() const { return flown_.load(std::memory_order_relaxed); }
  uint64_t joined() const { return joined_.load(std::memory_order_relaxed); }
  size_t in_the_air() const;

 private:
  friend class Flight;
  using Waiters = std::vector<std::pair<uint64_t, Waiter>>;
  static constexpr size_t kBuckets = 1024;  // for about as many as there are links

  Flight*& bucket(uint64_t hash) { return buckets_[hash % kBuckets]; }
  Flight* find(const Flight& wanted, const SessionFloor& floor);
  void take_off(Flight& flight);
  Ticket add_waiter(Flight& flight, Waiter waiter);
  Waiters take_down(Flight& flight);

  mutable std::mutex mutex_;
  std::array<Flight*, kBuckets> buckets_{};  // guarded by mutex_; each a list, the newest first
  size_t in_the_air_ = 0;                    // guarded by mutex_
  uint64_t last_number_ = 0;                 // guarded by mutex_
  std::atomic<uint64_t> flown_{0};           // written under mutex_
  std::atomic<uint64_t> joined_{0};          // written under mutex_
};

}  // namespace sportello::cache
