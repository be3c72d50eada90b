// Of several sessions that miss the same result at the same time, one asks the server, the others wait for
// its answer without holding a link.
//
//   join() ─▶ Lead: ask the server, keep the result, land()            ─▶ the waiters: Landing::Result
//     │                                      land_unkept()             ─▶ Landing::Alone: each on its own
//     │                                      dropped (client, link gone) ─▶ Landing::Again: join() again
//     └────▶ Ticket: wait; leave() if the client goes
//
// Who joins could as well have been served the result (cache/README.md, C4): at that moment the flight's
// snapshot is valid, its own write is in it, and the answer will have the form it wants. Whoever finds a
// flight that is not good enough leads a new one, which takes its place for those who come later.
//
// Any thread. Waiters are called outside of the lock, on the thread that lands: they hand the news to their
// own.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "cache/cached_result.h"

namespace sportello::cache {

enum class Landing : uint8_t {
  Result,  // here it is
  Alone,   // it is not for keeping: ask the server without a flight
  Again,   // its leader is gone: look it up and join again
};

class Flights {
  struct Flight;

 public:
  using Waiter = std::function<void(Landing, const CachedResultRef&)>;

  // Who asks the server for all. Moved, never copied; dropping it sends the waiters on.
  class Lead {
   public:
    Lead(Lead&&) noexcept = default;
    Lead& operator=(Lead&& other) noexcept;
    ~Lead() { end(Landing::Again, nullptr); }

    // The key stays good as long as this.
    KeyView key() const;
    const Filling& filling() const;
    // After the result was put into the store, so that nobody misses it in between. Waiters get it even if
    // the store refused it for a write that began since. (C4)
    void land(const CachedResultRef& result) { end(Landing::Result, result); }
    void land_unkept() { end(Landing::Alone, nullptr); }

   private:
    friend class Flights;
    Lead(Flights& flights, std::shared_ptr<Flight> flight) : flights_(&flights), flight_(std::move(flight)) {}
    void end(Landing how, const CachedResultRef& result);

    Flights* flights_;
    std::shared_ptr<Flight> flight_;  // nullptr: it ended
  };

  // A place among the waiters.
  class Ticket {
   public:
    // True: the waiter will not be called. False: it was, or is about to be.
    bool leave();

   private:
    friend class Flights;
    Flights* flights_ = nullptr;
    std::weak_ptr<Flight> flight_;
    uint64_t number_ = 0;
  };

  struct Joined {
    std::optional<Lead> lead;  // else `ticket`
    Ticket ticket;
  };

  // `filling` was noted just now; a Waiter is made of `waiter` only if there is a flight to wait for.
  template <typename Callable>
  Joined join(const KeyView& key, Filling&& filling, const SessionFloor& floor, const AnswerForm& form,
              Callable&& waiter) {
    return join_or_lead(key, std::move(filling), floor, form,
                        [&waiter] { return Waiter(std::forward<Callable>(waiter)); });
  }

  // For SHOW CACHE.
  uint64_t flown() const { return flown_.load(std::memory_order_relaxed); }
  uint64_t joined() const { return joined_.load(std::memory_order_relaxed); }
  size_t in_the_air() const;

 private:
  struct Flight {
    std::string key;
    uint64_t hash = 0;
    Filling filling;
    AnswerForm form;
    std::vector<std::pair<uint64_t, Waiter>> waiters;  // guarded by Flights' mutex
  };

  // By the key's hash. Of two keys with the same hash the later one flies without a place in it: nobody can
  // wait for it.
  using InTheAir = std::unordered_map<uint64_t, std::shared_ptr<Flight>>;

  Joined join_or_lead(const KeyView& key, Filling&& filling, const SessionFloor& floor,
                      const AnswerForm& form, const std::function<Waiter()>& make_waiter);
  struct Landed {
    Filling filling;  // which may be the last to hold its database
    std::vector<std::pair<uint64_t, Waiter>> waiters;
  };
  Landed take_down(Flight& flight);

  mutable std::mutex mutex_;
  InTheAir flights_;                         // guarded by mutex_
  std::vector<InTheAir::node_type> landed_;  // guarded by mutex_; to be used again, with their flights
  uint64_t next_number_ = 0;                 // guarded by mutex_
  std::atomic<uint64_t> flown_{0};
  std::atomic<uint64_t> joined_{0};
};

}  // namespace sportello::cache
