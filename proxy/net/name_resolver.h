// The addresses of servers' names, for any thread: from NameCache, or asked of the system by threads of its
// own, one a name and kMostAtOnce together, so that a name whose resolver hangs holds up nobody but those who
// wait for that name. (libuv's own pool has four threads for everybody.) Who asks is told on its own loop,
// unless it drops the ticket before.
//
//   resolve ─▶ known? ── yes ─▶ answer on the loop, asked again behind its back if it is old
//                 └─ no ─▶ wait ─▶ a thread asks ─▶ answer to all who wait ─▶ on_change, if it is another one
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>

#include "proxy/net/event_loop.h"
#include "proxy/net/name_cache.h"

namespace sportello::proxy {

class NameResolver {
 public:
  static constexpr size_t kMostAtOnce = 16;

  // Asks, and blocks as long as that takes; runs on a thread of the resolver.
  using LookUp = std::function<NameAnswer(const std::string& host)>;
  using Answer = std::function<void(const NameAnswer&)>;
  using Change = std::function<void(const std::string& host, const AddressList& addresses)>;

  explicit NameResolver(LookUp look_up);
  NameResolver(const NameResolver&) = delete;
  NameResolver& operator=(const NameResolver&) = delete;

  // The one that asks the system (getaddrinfo).
  static NameResolver& system();

  // The right to one answer: used, and dropped, on the thread of the loop it is for.
  class Ticket {
   public:
    Ticket() = default;
    Ticket(Ticket&&) noexcept = default;
    Ticket& operator=(Ticket&& other) noexcept;
    ~Ticket();

   private:
    friend class NameResolver;
    struct Waiter;
    std::shared_ptr<Waiter> waiter_;
  };

  // The answer comes later, on `loop`, never before this has returned.
  [[nodiscard]] Ticket resolve(EventLoop& loop, const std::string& host, Answer answer);

  void set_ttls(std::chrono::milliseconds good, std::chrono::milliseconds bad);
  // Told on a thread of the resolver when a name has got other addresses; nullptr ends it.
  void set_on_change(Change change);
  // Asks again for those of these names whose answer is old.
  void refresh(const std::set<std::string>& in_use);
  std::vector<NameCache::Known> known() const;

 private:
  struct State;  // shared with threads that are at it still when the program ends

  std::shared_ptr<State> state_;
};

// Is `host` an address and no name?
bool is_numeric_address(const std::string& host);

}  // namespace sportello::proxy
