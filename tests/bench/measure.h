// SPDX-License-Identifier: Apache-2.0
// What benchmarks read off the machine: time, CPU, memory, bytes that reached the device; and one JSON line to say it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cordwood::testing {

double WallSeconds();        // monotonic
double CpuSeconds();         // user and system, of all threads of this process
std::uint64_t ResidentBytes();
// Written to the block device under `path` since boot, by everybody; 0 if it has none (tmpfs, overlay).
std::uint64_t DeviceBytesWritten(const std::string& path);
// Asks the kernel to forget cached pages of every file under `directory` (written back first).
void DropPageCache(const std::string& directory);

// A span of work: what it took, from construction on.
class Span {
 public:
  Span() : wall_(WallSeconds()), cpu_(CpuSeconds()) {}
  double seconds() const { return WallSeconds() - wall_; }
  double cpu_seconds() const { return CpuSeconds() - cpu_; }

 private:
  double wall_;
  double cpu_;
};

// The value below which `fraction` of the samples lie; sorts. 0 if there are none.
double Percentile(std::vector<double>& samples, double fraction);

// One line on stdout: {"bench":NAME,"key":value,…}. Numbers with six significant digits.
class JsonLine {
 public:
  explicit JsonLine(std::string_view bench);
  JsonLine& Add(std::string_view key, double value);
  void Print() const;

 private:
  std::string text_;
};

}  // namespace cordwood::testing
