#include "proxy/net/event_loop.h"

#include <unistd.h>

#include <algorithm>

#include "protocol/invariant.h"

namespace sportello::proxy {

bool SocketWatch::start(EventLoop& loop, int fd, uint32_t events, Owner& owner) {
  invariant(!is_on(), "a watch looks at one descriptor");
  if (!loop.control(EPOLL_CTL_ADD, fd, events, &owner)) {
    return false;
  }
  loop_ = &loop;
  owner_ = &owner;
  fd_ = fd;
  return true;
}

void SocketWatch::change(uint32_t events) {
  invariant(is_on() && loop_->control(EPOLL_CTL_MOD, fd_, events, owner_), "it is watched");
}

void SocketWatch::stop() {
  if (is_on()) {
    loop_->control(EPOLL_CTL_DEL, fd_, 0, nullptr);
    stop_to_close();
  }
}

void SocketWatch::stop_to_close() {
  if (is_on()) {
    loop_->forget(*this);
    loop_ = nullptr;
  }
}

void SocketWatch::tell_again() {
  if (is_on() && !told_again_) {
    told_again_ = true;
    loop_->again_.push_back(this);
  }
}

EventLoop::EventLoop() : epoll_(epoll_create1(EPOLL_CLOEXEC)) {
  invariant(uv_loop_init(&loop_) == 0 && epoll_ >= 0, "a loop needs an epoll descriptor");
  // No owner: it is libuv's.
  invariant(control(EPOLL_CTL_ADD, uv_backend_fd(&loop_), EPOLLIN, nullptr), "a loop holds another");
  auto wake = std::make_unique<uv_async_t>();
  wake->data = this;
  const int made = uv_async_init(&loop_, wake.get(), [](uv_async_t* handle) {
    if (handle->data != nullptr) {
      static_cast<EventLoop*>(handle->data)->run_posted();
    }
  });
  invariant(made == 0, "a loop needs an eventfd");
  wake_ = UvHandle<uv_async_t>(std::move(wake));
}

EventLoop::~EventLoop() {
  {
    const std::lock_guard lock(mutex_);
    posted_.clear();
  }
  wake_.reset();
  // Lets the close callbacks of all dropped handles run.
  uv_run(&loop_, UV_RUN_DEFAULT);
  close(epoll_);
  invariant(uv_loop_close(&loop_) == 0, "every handle of a loop is dropped before the loop");
}

void EventLoop::post_task(std::unique_ptr<Task> task) {
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    first = posted_.empty();
    posted_.push_back(std::move(task));
  }
  if (first) {
    uv_async_send(wake_.get());
  }
}

void EventLoop::run_posted() {
  std::vector<std::unique_ptr<Task>> tasks;
  {
    const std::lock_guard lock(mutex_);
    tasks.swap(posted_);
  }
  for (auto& task : tasks) {
    task->run();
  }
}

UvHandle<uv_timer_t> EventLoop::every(std::chrono::milliseconds period, std::function<void()>* tick) {
  auto timer = std::make_unique<uv_timer_t>();
  invariant(uv_timer_init(&loop_, timer.get()) == 0, "a timer always initialises");
  timer->data = tick;
  uv_timer_start(
      timer.get(),
      [](uv_timer_t* handle) {
        if (handle->data != nullptr) {
          (*static_cast<std::function<void()>*>(handle->data))();
        }
      },
      static_cast<uint64_t>(period.count()), static_cast<uint64_t>(period.count()));
  return UvHandle<uv_timer_t>(std::move(timer));
}

void EventLoop::run() {
  stops_ = false;
  while (!stops_) {
    turn(true);
  }
}

void EventLoop::turn(bool wait) {
  round_++;
  telling_.swap(again_);
  // 0 also when libuv has something to begin or to end.
  const int timeout = wait && telling_.empty() ? uv_backend_timeout(&loop_) : 0;
  const int count = epoll_wait(epoll_, events_.data(), kMostEvents, timeout);
  uv_update_time(&loop_);
  events_at_ = 0;
  events_end_ = static_cast<size_t>(std::max(count, 0));
  // Timers first: what comes in the round of its deadline comes too late.
  const auto is_libuvs = [](const epoll_event& event) { return event.data.ptr == nullptr; };
  if (uv_backend_timeout(&loop_) == 0 ||
      std::any_of(events_.begin(), events_.begin() + events_end_, is_libuvs)) {
    uv_run(&loop_, UV_RUN_NOWAIT);
  }
  tell_events();
  tell_again();
  if (round_end_ != nullptr) {
    (*round_end_)();
  }
}

void EventLoop::tell_events() {
  while (events_at_ < events_end_) {
    const epoll_event event = events_[events_at_++];
    if (event.data.ptr != nullptr) {
      static_cast<SocketWatch::Owner*>(event.data.ptr)->on_socket(event.events);
    }
  }
}

void EventLoop::tell_again() {
  for (size_t i = 0; i < telling_.size(); i++) {
    if (SocketWatch* watch = telling_[i]; watch != nullptr) {
      watch->told_again_ = false;
      telling_[i] = nullptr;
      watch->owner_->on_socket(0);
    }
  }
  telling_.clear();
}

void EventLoop::stop() { stops_ = true; }

bool EventLoop::control(int operation, int fd, uint32_t events, void* data) const {
  epoll_event event{};
  event.events = events;
  event.data.ptr = data;
  return epoll_ctl(epoll_, operation, fd, &event) == 0;
}

void EventLoop::forget(SocketWatch& watch) {
  for (size_t i = events_at_; i < events_end_; i++) {
    if (events_[i].data.ptr == watch.owner_) {
      events_[i] = {};
    }
  }
  if (watch.told_again_) {
    watch.told_again_ = false;
    std::replace(again_.begin(), again_.end(), &watch, static_cast<SocketWatch*>(nullptr));
    std::replace(telling_.begin(), telling_.end(), &watch, static_cast<SocketWatch*>(nullptr));
  }
}

}  // namespace sportello::proxy
