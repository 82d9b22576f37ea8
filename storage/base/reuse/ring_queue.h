// SPDX-License-Identifier: Apache-2.0
// A queue that keeps its memory: unlike std::deque it allocates nothing while empty, and nothing in steady state.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace cordwood {

// First in, first out, over one array that doubles when full. T is default-constructible and movable; a slot that was left holds a default T.
// Bounds: the owner's; memory is at most twice the longest the queue ever was. Not thread-safe.
template <class T>
class RingQueue {
 public:
  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }
  T& front() { return slots_[first_]; }
  const T& front() const { return slots_[first_]; }
  T& back() { return (*this)[size_ - 1]; }
  const T& back() const { return (*this)[size_ - 1]; }
  T& operator[](std::size_t i) { return slots_[(first_ + i) & (slots_.size() - 1)]; }
  const T& operator[](std::size_t i) const { return slots_[(first_ + i) & (slots_.size() - 1)]; }

  void push_back(T value) {
    if (size_ == slots_.size()) Grow();
    (*this)[size_++] = std::move(value);
  }
  void push_front(T value) {
    if (size_ == slots_.size()) Grow();
    first_ = (first_ - 1) & (slots_.size() - 1);
    slots_[first_] = std::move(value);
    ++size_;
  }
  // The oldest one; the queue is not empty.
  T pop_front() {
    T value = std::exchange(slots_[first_], T());
    first_ = (first_ + 1) & (slots_.size() - 1);
    --size_;
    return value;
  }
  void clear() {
    while (!empty()) pop_front();
  }
  // Keeps, in order, those for which `keep` is true.
  template <class Keep>
  void KeepIf(Keep keep) {
    for (std::size_t left = size_; left > 0; --left) {
      T value = pop_front();
      if (keep(value)) push_back(std::move(value));
    }
  }

 private:
  void Grow() {
    std::vector<T> larger(slots_.empty() ? 2 : 2 * slots_.size());
    for (std::size_t i = 0; i < size_; ++i) larger[i] = std::move((*this)[i]);
    slots_.swap(larger);
    first_ = 0;
  }

  std::vector<T> slots_;  // as many as a power of two, or none
  std::size_t first_ = 0;
  std::size_t size_ = 0;
};

}  // namespace cordwood
