// SPDX-License-Identifier: Apache-2.0
// The process's byte budget for requests, and each network thread's lease on it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>

namespace cordwood::broker {

inline constexpr std::int64_t kLeaseStepBytes = 4 * 1024 * 1024;

// Threading: safe from any thread.
class ByteBudget {
 public:
  explicit ByteBudget(std::int64_t total = 128 * 1024 * 1024) : total_(total), free_(total) {}

  bool TryTake(std::int64_t bytes);  // false: fewer than `bytes` are free, nothing was taken
  void TakeAnyway(std::int64_t bytes) { free_.fetch_sub(bytes, std::memory_order_relaxed); }  // may go below zero
  void Give(std::int64_t bytes) { free_.fetch_add(bytes, std::memory_order_relaxed); }
  std::int64_t free_bytes() const { return free_.load(std::memory_order_relaxed); }
  std::int64_t total() const { return total_; }

 private:
  const std::int64_t total_;
  std::atomic<std::int64_t> free_;  // relaxed: a count, nothing is published by it
};

// Plain integers of one thread; the budget is touched once per 4 MiB.
//
// A thread may always hold messages of one step, so that a spent budget slows a thread down and never stops it.
class ByteLease {
 public:
  explicit ByteLease(ByteBudget& budget) : budget_(budget) {}
  ~ByteLease() { budget_.Give(granted_); }
  ByteLease(const ByteLease&) = delete;
  ByteLease& operator=(const ByteLease&) = delete;

  bool HasRoom();  // for a message more
  void Take(std::int64_t bytes);  // what has arrived is counted, room or not: then the budget is overdrawn, and nobody has room until it no longer is
  void Give(std::int64_t bytes);  // calls on_room
  std::int64_t used() const { return used_; }
  void OnRoom(std::function<void()> on_room) { on_room_ = std::move(on_room); }

 private:
  ByteBudget& budget_;
  std::int64_t granted_ = 0;  // a multiple of the step
  std::int64_t used_ = 0;
  std::function<void()> on_room_;
};

// Bytes that are held in memory, given back to the lease when this dies. Of the lease's thread.
class ByteCharge {
 public:
  ByteCharge() = default;
  ByteCharge(ByteLease& lease, std::size_t bytes) : lease_(&lease), bytes_(bytes) { lease.Take(static_cast<std::int64_t>(bytes)); }
  ByteCharge(ByteCharge&& other) noexcept : lease_(std::exchange(other.lease_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  ByteCharge& operator=(ByteCharge&& other) noexcept {
    std::swap(lease_, other.lease_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~ByteCharge() {
    if (lease_ != nullptr) lease_->Give(static_cast<std::int64_t>(bytes_));
  }
  std::size_t bytes() const { return bytes_; }

 private:
  ByteLease* lease_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace cordwood::broker
