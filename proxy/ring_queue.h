// A queue in one block of memory that grows by doubling and is kept: in steady state nothing is allocated,
// and an empty one that was never used holds nothing.
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>
#include <vector>

#include "protocol/invariant.h"

namespace sportello::proxy {

template <typename T>
class RingQueue {
 public:
  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }

  T& front() { return (*this)[0]; }
  const T& front() const { return (*this)[0]; }
  T& back() { return (*this)[size_ - 1]; }
  const T& back() const { return (*this)[size_ - 1]; }

  // The i-th from the front.
  T& operator[](size_t i) {
    invariant(i < size_, "only what is queued is looked at");
    return slots_[(head_ + i) & mask_];
  }
  const T& operator[](size_t i) const { return const_cast<RingQueue&>(*this)[i]; }

  // Not one that is queued: its place may move.
  void push_back(const T& value) { next_slot() = value; }
  void push_back(T&& value) { next_slot() = std::move(value); }

  // What is left in its place holds nothing.
  T take_front() {
    T taken = std::move(front());
    head_ = (head_ + 1) & mask_;
    size_--;
    return taken;
  }

  void pop_front() {
    invariant(size_ > 0, "only what is queued is taken out");
    if constexpr (!std::is_trivially_destructible_v<T>) {
      front() = T();
    }
    head_ = (head_ + 1) & mask_;
    size_--;
  }

  void pop_front(size_t count) {
    while (count-- > 0) {
      pop_front();
    }
  }

  // Takes out the i-th from the front; those behind it move up.
  void erase(size_t i) {
    for (; i + 1 < size_; i++) {
      (*this)[i] = std::move((*this)[i + 1]);
    }
    back() = T();
    size_--;
  }

  void clear() { pop_front(size_); }

 private:
  static constexpr size_t kFirstSlots = 8;

  T& next_slot() {
    if (size_ == slots_.size()) {
      grow();
    }
    return slots_[(head_ + size_++) & mask_];
  }

  void grow() {
    std::vector<T> larger(slots_.empty() ? kFirstSlots : slots_.size() * 2);
    for (size_t i = 0; i < size_; i++) {
      larger[i] = std::move((*this)[i]);
    }
    slots_ = std::move(larger);
    mask_ = slots_.size() - 1;
    head_ = 0;
  }

  std::vector<T> slots_;  // a power of two of them
  size_t mask_ = 0;       // their number less one
  size_t head_ = 0;
  size_t size_ = 0;
};

}  // namespace sportello::proxy
