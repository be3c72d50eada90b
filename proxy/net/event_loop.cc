#include "proxy/net/event_loop.h"

#include "protocol/invariant.h"

namespace sportello::proxy {

EventLoop::EventLoop() {
  invariant(uv_loop_init(&loop_) == 0, "a loop needs an epoll descriptor");
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

void EventLoop::run() { uv_run(&loop_, UV_RUN_DEFAULT); }

void EventLoop::stop() { uv_stop(&loop_); }

}  // namespace sportello::proxy
