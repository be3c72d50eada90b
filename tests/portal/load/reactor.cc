#include "tests/portal/load/reactor.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "protocol/invariant.h"

namespace sportello::portal {

Reactor::Reactor() : epoll_(epoll_create1(EPOLL_CLOEXEC)) {
  invariant(epoll_ >= 0, "the process has descriptors left");
}

Reactor::~Reactor() { close(epoll_); }

void Reactor::watch(int socket, uint32_t client, bool also_writable) {
  epoll_event event{};
  event.events = EPOLLIN | (also_writable ? EPOLLOUT : 0U);
  event.data.u32 = client;
  if (epoll_ctl(epoll_, EPOLL_CTL_MOD, socket, &event) == 0) return;
  invariant(errno == ENOENT && epoll_ctl(epoll_, EPOLL_CTL_ADD, socket, &event) == 0,
            "libpq's socket is open");
}

void Reactor::forget(int socket) { epoll_ctl(epoll_, EPOLL_CTL_DEL, socket, nullptr); }

void Reactor::turn(std::chrono::milliseconds limit, const std::function<void(uint32_t)>& ready,
                   const std::function<void(uint32_t, Clock::time_point)>& due) {
  using std::chrono::ceil;
  using std::chrono::milliseconds;
  if (!due_.empty()) limit = std::min(limit, ceil<milliseconds>(due_.top().at - Clock::now()));
  std::array<epoll_event, 256> events;
  const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()),
                               static_cast<int>(std::max<int64_t>(limit.count(), 0)));
  for (int at = 0; at < count; ++at) ready(events[static_cast<size_t>(at)].data.u32);
  const auto now = Clock::now();
  while (!due_.empty() && due_.top().at <= now) {
    const auto next = due_.top();
    due_.pop();
    due(next.client, next.at);
  }
}

}  // namespace sportello::portal
