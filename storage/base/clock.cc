// SPDX-License-Identifier: Apache-2.0
// The machine's own clocks, and the simulated one's only move.
#include "storage/base/clock.h"

#include <chrono>

#include "storage/base/check.h"

namespace cordwood {
namespace {

class SystemClock final : public Clock {
 public:
  std::int64_t WallMs() const override {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  }
  absl::Duration Monotonic() const override { return absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch()); }
};

}  // namespace

Clock& Clock::System() {
  static SystemClock* const clock = new SystemClock;  // never destroyed: threads may outlive main's statics
  return *clock;
}

void SimulatedClock::Advance(absl::Duration by) {
  CORDWOOD_CHECK(by >= absl::ZeroDuration());
  wall_ms_.fetch_add(absl::ToInt64Milliseconds(by), std::memory_order_relaxed);
  monotonic_ms_.fetch_add(absl::ToInt64Milliseconds(by), std::memory_order_relaxed);
}

}  // namespace cordwood
