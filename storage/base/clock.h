// SPDX-License-Identifier: Apache-2.0
// Time as a dependency, so that tests move it.
#pragma once

#include <atomic>
#include <cstdint>

#include "absl/time/time.h"

namespace cordwood {

// Threading: all implementations are safe from any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual std::int64_t WallMs() const = 0;      // milliseconds since the Unix epoch; may jump either way
  virtual absl::Duration Monotonic() const = 0;  // since an arbitrary point; never goes back

  static Clock& System();
};

// Stands still until told to move. Tests only move it forward on the monotonic side; the wall may be set anywhere.
class SimulatedClock final : public Clock {
 public:
  explicit SimulatedClock(std::int64_t wall_ms = 1'700'000'000'000) : wall_ms_(wall_ms) {}
  std::int64_t WallMs() const override { return wall_ms_.load(std::memory_order_relaxed); }
  absl::Duration Monotonic() const override { return absl::Milliseconds(monotonic_ms_.load(std::memory_order_relaxed)); }

  void Advance(absl::Duration by);              // both clocks; by >= 0
  void SetWall(std::int64_t wall_ms) { wall_ms_.store(wall_ms, std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> wall_ms_;
  std::atomic<std::int64_t> monotonic_ms_{0};
};

}  // namespace cordwood
