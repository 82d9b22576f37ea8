// SPDX-License-Identifier: Apache-2.0
// Waiting for a condition with a deadline: what tests have instead of sleeps.
#pragma once

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace cordwood::testing {

inline constexpr absl::Duration kPatience = absl::Seconds(30);  // for what takes milliseconds on an idle machine

// Asks every 2 ms; false if `condition` did not hold within `patience`.
template <class Condition>
bool WaitUntil(Condition condition, absl::Duration patience = kPatience) {
  const absl::Time deadline = absl::Now() + patience;
  while (!condition()) {
    if (absl::Now() > deadline) return false;
    absl::SleepFor(absl::Milliseconds(2));
  }
  return true;
}

}  // namespace cordwood::testing
