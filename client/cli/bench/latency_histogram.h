// SPDX-License-Identifier: Apache-2.0
// Counts of durations in log-linear buckets: percentiles within 1 % from a few KiB, however many samples.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace cordwood::client {

// Nanoseconds below 256 have a bucket each; above, every power of two is cut into 128, so that a bucket is at most 1/128 of its values wide.
// What is longer than kLongestNs counts in the last bucket; max() is exact all the same. Negative durations count as 0.
// Threading: none of its own; threads count in histograms of their own, which are added up.
class LatencyHistogram {
 public:
  static constexpr std::int64_t kLongestNs = std::int64_t{1} << 42;  // 73 minutes

  LatencyHistogram();

  void Add(std::int64_t ns);
  void Add(const LatencyHistogram& other);

  std::uint64_t count() const { return count_; }
  std::int64_t min() const { return count_ == 0 ? 0 : min_; }  // exact
  std::int64_t max() const { return max_; }                    // exact
  double mean() const { return count_ == 0 ? 0 : sum_ / static_cast<double>(count_); }
  // The least duration that at least `fraction` (0 to 1) of the samples do not exceed, rounded up to the end of its bucket but never above
  // max(). 0 without samples.
  std::int64_t Percentile(double fraction) const;

  struct Bucket {
    std::int64_t low = 0;   // inclusive
    std::int64_t high = 0;  // exclusive
    std::uint64_t count = 0;
  };
  std::vector<Bucket> Buckets() const;  // those with samples, ascending

  // Lines of a range, a bar and a share, for people: one line for each doubling, from the first with samples to the last. Empty without any.
  std::string Text() const;

 private:
  std::vector<std::uint64_t> counts_;
  std::uint64_t count_ = 0;
  std::int64_t min_ = kLongestNs;
  std::int64_t max_ = 0;
  double sum_ = 0;
};

}  // namespace cordwood::client
