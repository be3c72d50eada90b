// One epoll loop for thousands of clients: sockets that become ready and times that come due, by client
// number.
//
// It knows nothing of clients but their numbers. A client has at most one socket and one due time. libpq may
// close a socket and open another with the same number while it connects, so watch() is called after each of
// its steps.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <queue>
#include <vector>

namespace sportello::portal {

using Clock = std::chrono::steady_clock;

class Reactor {
 public:
  struct Due {
    Clock::time_point at;
    uint32_t client;
    bool operator>(const Due& other) const { return at > other.at; }
  };

  Reactor();
  ~Reactor();
  Reactor(const Reactor&) = delete;
  Reactor& operator=(const Reactor&) = delete;

  // From now on ready(client) when `socket` can be read, or written if `also_writable`.
  void watch(int socket, uint32_t client, bool also_writable);
  // Before the socket is closed.
  void forget(int socket);

  void call_at(Clock::time_point at, uint32_t client) { due_.push({at, client}); }

  // Waits for what comes first, at most `limit`, and tells of all that has come.
  void turn(std::chrono::milliseconds limit, const std::function<void(uint32_t client)>& ready,
            const std::function<void(uint32_t client, Clock::time_point at)>& due);

 private:
  int epoll_;
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
};

}  // namespace sportello::portal
