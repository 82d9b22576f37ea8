// SPDX-License-Identifier: Apache-2.0
// A queue between two threads that holds so many items and no more.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

// Threading: any thread.
template <class T>
class BoundedBuffer {
 public:
  explicit BoundedBuffer(std::size_t capacity) : capacity_(capacity) {}

  // Waits while it is full.
  void Push(T item) {
    std::unique_lock lock(mu_);
    changed_.wait(lock, [this] { return items_.size() < capacity_; });
    items_.push_back(std::move(item));
    fullest_ = std::max(fullest_, items_.size());
    changed_.notify_all();
  }
  // Waits while it is empty; nullopt once it is ended and empty.
  std::optional<T> Pop() {
    std::unique_lock lock(mu_);
    changed_.wait(lock, [this] { return !items_.empty() || ended_; });
    if (items_.empty()) return std::nullopt;
    T item = std::move(items_.front());
    items_.pop_front();
    changed_.notify_all();
    return item;
  }
  void End() {
    std::lock_guard lock(mu_);
    ended_ = true;
    changed_.notify_all();
  }
  std::size_t fullest() const {
    std::lock_guard lock(mu_);
    return fullest_;
  }

 private:
  const std::size_t capacity_;
  mutable std::mutex mu_;
  std::condition_variable changed_;
  std::deque<T> items_;       // guarded by mu_
  std::size_t fullest_ = 0;   // guarded by mu_
  bool ended_ = false;        // guarded by mu_
};
