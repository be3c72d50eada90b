// A libuv loop and the one door into it from other threads, post(). Everything else here is for the thread
// that runs the loop. Tasks run in the order they were posted by one thread; those still queued when the loop
// is destroyed are dropped with what they own.
#pragma once

#include <uv.h>

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "proxy/net/uv_handle.h"

namespace sportello::proxy {

using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;

class EventLoop {
 public:
  EventLoop();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // From any thread. A move-only callable may own what it hands over.
  template <typename F>
  void post(F&& task) {
    post_task(std::make_unique<Callable<std::decay_t<F>>>(std::forward<F>(task)));
  }

  // Calls `tick` every `period` until the returned handle is dropped.
  UvHandle<uv_timer_t> every(std::chrono::milliseconds period, std::function<void()>* tick);

  void run();
  // Makes run() return once the callbacks in hand have returned.
  void stop();

  uv_loop_t* uv() { return &loop_; }
  // The time at which this round of callbacks began: cheap, and good enough for timeouts.
  TimePoint now() const { return TimePoint(std::chrono::milliseconds(uv_now(&loop_))); }

 private:
  struct Task {
    virtual ~Task() = default;
    virtual void run() = 0;
  };
  template <typename F>
  struct Callable final : Task {
    explicit Callable(F f) : call(std::move(f)) {}
    void run() override { call(); }
    F call;
  };

  void post_task(std::unique_ptr<Task> task);
  void run_posted();

  uv_loop_t loop_{};
  UvHandle<uv_async_t> wake_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Task>> posted_;  // guarded by mutex_
};

}  // namespace sportello::proxy
