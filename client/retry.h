// SPDX-License-Identifier: Apache-2.0
// Calls that ask a broker until it answers or time is up.
#pragma once

#include <algorithm>

#include "absl/time/clock.h"
#include "client/connection.h"
#include "storage/base/clock.h"

namespace cordwood::client {

// Calls `attempt` with the time that is left until it succeeds, fails for good, or request_timeout has passed.
template <class Attempt>
Status Retry(const SharedConnection& connection, Attempt attempt) {
  const auto now = [] { return Clock::System().Monotonic(); };
  const absl::Duration deadline = now() + connection.broker.options().request_timeout;
  Backoff backoff;
  while (true) {
    const Status status = attempt(std::max(deadline - now(), absl::Milliseconds(1)));
    if (!IsRetriable(status)) return status;
    const absl::Duration wait = std::max(backoff.Next(), RetryAfter(status));
    if (now() + wait >= deadline) return status;
    absl::SleepFor(wait);
  }
}

}  // namespace cordwood::client
