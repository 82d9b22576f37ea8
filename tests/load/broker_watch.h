// SPDX-License-Identifier: Apache-2.0
// What a broker process uses, seen from outside: memory, CPU time, file descriptors, and its own numbers.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "tests/support/broker_process.h"

namespace cordwood::testing {

std::int64_t ResidentBytesOf(pid_t pid);
double CpuSecondsOf(pid_t pid);  // user and system, in steps of the kernel's tick
std::int64_t OpenFilesOf(pid_t pid);

// The page of metrics at one moment; by name and labels as on the page: "cordwood_calls_open{method=\"Fetch\"}".
class Metrics {
 public:
  explicit Metrics(const BrokerProcess& broker);
  std::int64_t operator[](const std::string& series) const;  // -1: no such series
  std::int64_t Sum(const std::string& family) const;         // over all labels

 private:
  std::map<std::string, double> values_;
};

// What must be as before once clients are gone.
struct Footprint {
  std::int64_t calls = 0;
  std::int64_t sessions = 0;          // of fetches
  std::int64_t parked = 0;            // partitions of fetches that wait
  std::int64_t appends = 0;
  std::int64_t budget_bytes = 0;      // in steps of 4 MiB
  std::int64_t connections = 0;
  std::int64_t files = 0;
  std::int64_t resident_bytes = 0;

  static Footprint Of(const BrokerProcess& broker);
  // Nothing but memory and the broker's own table files is above `before`; "" or what is.
  std::string Above(const Footprint& before, std::int64_t more_files = 0) const;
};

// Memory over time.
class MemoryTrace {
 public:
  explicit MemoryTrace(const BrokerProcess& broker) : pid_(broker.pid()) {}
  void Sample();  // at most every 50 ms; call it as often as you like
  std::int64_t start_bytes() const { return samples_.empty() ? 0 : static_cast<std::int64_t>(samples_.front().bytes); }
  std::int64_t max_bytes() const;
  double seconds() const { return samples_.empty() ? 0 : samples_.back().seconds; }
  // By least squares over the last two thirds.
  double slope_bytes_per_second() const;

 private:
  struct Point {
    double seconds;
    double bytes;
  };
  const pid_t pid_;
  absl::Time began_ = absl::InfiniteFuture();
  absl::Time last_ = absl::InfinitePast();
  std::vector<Point> samples_;
};

}  // namespace cordwood::testing
