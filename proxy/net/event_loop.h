// A libuv loop, the sockets around it, and the one door into it from other threads, post(). Everything else
// here is for the thread that runs the loop. Tasks run in the order they were posted by one thread; those
// still queued when the loop is destroyed are dropped with what they own.
//
//   turn():  epoll_wait ─┬─▶ uv_run, once    timers, signals, wake-ups, libpq's sockets; only when one is due
//                        ├─▶ SocketWatch::Owner::on_socket()       clients, servers, listening sockets
//                        └─▶ the same, of those who asked to be told again
//            on_round_end
//
// Sockets of the data plane are not libuv's, as its uv_poll_t costs four system calls more for each
// connection; its own epoll descriptor is one of those that are waited for (libuv's manual,
// loop.html#c.uv_backend_fd).
#pragma once

#include <sys/epoll.h>

#include <uv.h>

#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "proxy/net/uv_handle.h"

namespace sportello::proxy {

using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;

class EventLoop;

// One descriptor that a loop looks at. Level-triggered, unless its events say EPOLLET: then what is not dealt
// with is told again to who asks for that.
class SocketWatch {
 public:
  class Owner {
   public:
    // `events` of epoll(7), EPOLLERR and EPOLLHUP whether asked for or not. May stop or destroy any watch.
    virtual void on_socket(uint32_t events) = 0;

   protected:
    ~Owner() = default;
  };

  SocketWatch() = default;
  SocketWatch(const SocketWatch&) = delete;
  SocketWatch& operator=(const SocketWatch&) = delete;
  ~SocketWatch() { stop(); }

  // False: the kernel has no room for it.
  bool start(EventLoop& loop, int fd, uint32_t events, Owner& owner);
  void change(uint32_t events);
  // on_socket(0) in the next round, whatever the descriptor has to say; no system call. Once, however often
  // it is asked for.
  void tell_again();
  // The descriptor must still be open. What this round of the loop still has for it is not told.
  void stop();
  // Likewise, of a descriptor that the caller closes next, which the kernel takes for its end.
  void stop_to_close();
  bool is_on() const { return loop_ != nullptr; }

 private:
  friend class EventLoop;

  EventLoop* loop_ = nullptr;
  Owner* owner_ = nullptr;
  int fd_ = -1;
  bool told_again_ = false;  // it is in the loop's list of those
};

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

  // Called at the end of each round of callbacks. Must outlive the loop's last round.
  void on_round_end(std::function<void()>* call) { round_end_ = call; }

  void run();
  // Of run() or turn(), counted.
  uint64_t round() const { return round_; }
  // One round: waits for something to do if `wait`, does what there is.
  void turn(bool wait);
  // Makes run() return once the callbacks in hand have returned.
  void stop();

  uv_loop_t* uv() { return &loop_; }
  // The time at which this round of callbacks began: cheap, and good enough for timeouts.
  TimePoint now() const { return TimePoint(std::chrono::milliseconds(uv_now(&loop_))); }

 private:
  friend class SocketWatch;
  static constexpr size_t kMostEvents = 256;  // a round; the others wait for the next

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
  bool control(int operation, int fd, uint32_t events, void* data) const;
  void tell_events();
  void tell_again();
  void forget(SocketWatch& watch);

  uv_loop_t loop_{};
  int epoll_ = -1;
  std::array<epoll_event, kMostEvents> events_{};  // of this round
  size_t events_at_ = 0;                           // the next to be told
  size_t events_end_ = 0;
  std::vector<SocketWatch*> again_;    // to be told in the next round; nullptr: stopped since
  std::vector<SocketWatch*> telling_;  // in this one
  uint64_t round_ = 0;
  bool stops_ = false;
  std::function<void()>* round_end_ = nullptr;
  UvHandle<uv_async_t> wake_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Task>> posted_;  // guarded by mutex_
};

}  // namespace sportello::proxy
