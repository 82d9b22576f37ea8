// SPDX-License-Identifier: Apache-2.0
// All deadlines of one network thread, armed and cancelled in constant time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>

#include "absl/time/time.h"

namespace cordwood::broker {

class TimerWheel;

// One deadline. Lives in its owner; cancels itself when destroyed.
class Timer {
 public:
  explicit Timer(std::function<void()> fire) : fire_(std::move(fire)) {}
  ~Timer() { Cancel(); }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  bool armed() const { return next_ != this; }
  void Cancel();

 private:
  friend class TimerWheel;
  void LinkBefore(Timer* head);

  const std::function<void()> fire_;
  TimerWheel* wheel_ = nullptr;  // while armed
  std::int64_t tick_ = 0;
  Timer* next_ = this;
  Timer* previous_ = this;
};

// 1024 slots of 4 ms; deadlines beyond 4 s stay in their slot for further rounds. Fires at most one tick late, never early.
// Not thread-safe. All timers must be gone before the wheel.
class TimerWheel {
 public:
  explicit TimerWheel(absl::Duration now);

  void Arm(Timer& timer, absl::Duration due);  // by Clock::Monotonic(); an armed timer is moved
  // Fires what is due, in order of ticks. Callbacks may arm and cancel any timer, and destroy their own.
  void Advance(absl::Duration now);
  // No timer fires before this; infinite if none is armed.
  absl::Duration NextWake() const;
  std::size_t armed() const { return armed_; }

 private:
  friend class Timer;
  static constexpr std::int64_t kSlots = 1024;
  static constexpr absl::Duration kTick = absl::Milliseconds(4);

  std::array<Timer, kSlots> slots_;  // list heads
  std::int64_t now_tick_;            // everything up to here has fired
  std::size_t armed_ = 0;
};

}  // namespace cordwood::broker
