// The one owner of a libuv handle. Its destructor closes the handle; libuv frees the memory later, in the
// close callback, when nothing of ours can be reached from it any more: `data` is cleared first, so a late
// callback finds nobody. Moved, never copied; used on the handle's loop only. libuv's manual,
// handle.html#c.uv_close.
#pragma once

#include <uv.h>

#include <memory>
#include <utility>

namespace sportello::proxy {

template <typename T>
class UvHandle {
 public:
  UvHandle() = default;
  // Takes a handle that a uv_*_init call has made known to its loop.
  explicit UvHandle(std::unique_ptr<T> initialised) : handle_(initialised.release()) {}
  UvHandle(UvHandle&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  UvHandle& operator=(UvHandle&& other) noexcept {
    if (this != &other) {
      reset();
      handle_ = std::exchange(other.handle_, nullptr);
    }
    return *this;
  }
  UvHandle(const UvHandle&) = delete;
  UvHandle& operator=(const UvHandle&) = delete;
  ~UvHandle() { reset(); }

  void reset() {
    if (handle_ != nullptr) {
      handle_->data = nullptr;
      uv_close(reinterpret_cast<uv_handle_t*>(std::exchange(handle_, nullptr)),
               [](uv_handle_t* closed) { delete reinterpret_cast<T*>(closed); });
    }
  }

  T* get() const { return handle_; }
  T* operator->() const { return handle_; }
  explicit operator bool() const { return handle_ != nullptr; }

 private:
  T* handle_ = nullptr;
};

}  // namespace sportello::proxy
