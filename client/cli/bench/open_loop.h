// SPDX-License-Identifier: Apache-2.0
// When each record is to be sent, whatever became of the ones before it.
#pragma once

#include <cstdint>
#include <functional>

namespace cordwood::client {

// A source that does not wait for answers: record n is due at start + (n + offset) / rate. If the sender is late, the records it missed are
// due in the past and go out at once, and their latency counts from when they were due: a broker that stalls cannot hide the records that
// would have met the stall (no coordinated omission). Without a rate every record is due when it is asked for.
// Threading: one thread.
class OpenLoop {
 public:
  // `now`: monotonic nanoseconds. `sleep_until` returns at that time or earlier.
  using Now = std::function<std::int64_t()>;
  using SleepUntil = std::function<void(std::int64_t ns)>;

  // per_second: 0 is without a rate. offset: in records, so that several senders at the same rate take turns.
  OpenLoop(double per_second, double offset, std::int64_t start_ns, Now now, SleepUntil sleep_until)
      : per_second_(per_second), offset_(offset), start_ns_(start_ns), now_(std::move(now)), sleep_until_(std::move(sleep_until)) {}

  // Waits until the next record is due: the time its latency counts from. Also returns once `stopped` says so.
  std::int64_t Next(const std::function<bool()>& stopped);

 private:
  const double per_second_;
  const double offset_;
  const std::int64_t start_ns_;
  const Now now_;
  const SleepUntil sleep_until_;
  std::uint64_t next_ = 0;
};

// This machine's monotonic clock, and a sleep that wakes within a few microseconds of the time and at least every 100 ms.
std::int64_t MonotonicNs();
void SleepUntilNs(std::int64_t ns);

}  // namespace cordwood::client
