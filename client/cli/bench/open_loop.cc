// SPDX-License-Identifier: Apache-2.0
// The schedule, and a sleep to the nanosecond.
#include "client/cli/bench/open_loop.h"

#include <sys/prctl.h>
#include <time.h>

#include <algorithm>

namespace cordwood::client {
namespace {

constexpr std::int64_t kSecondNs = 1'000'000'000;
constexpr std::int64_t kSleepNsMax = kSecondNs / 10;

}  // namespace

std::int64_t OpenLoop::Next(const std::function<bool()>& stopped) {
  if (per_second_ <= 0) return now_();
  // Each from the start: rounding does not add up.
  const std::int64_t due = start_ns_ + static_cast<std::int64_t>((static_cast<double>(next_++) + offset_) * (kSecondNs / per_second_));
  while (now_() < due && !stopped()) sleep_until_(due);
  return due;
}

std::int64_t MonotonicNs() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * kSecondNs + now.tv_nsec;
}

void SleepUntilNs(std::int64_t ns) {
  // The kernel rounds this thread's sleeps up by 50 us unless told otherwise.
  thread_local const int slack = prctl(PR_SET_TIMERSLACK, 1UL);
  (void)slack;
  const std::int64_t until = std::min(ns, MonotonicNs() + kSleepNsMax);
  const timespec at{until / kSecondNs, until % kSecondNs};
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, nullptr);
}

}  // namespace cordwood::client
