// SPDX-License-Identifier: Apache-2.0
// A duration's bucket: which power of two, and the seven bits after its first.
#include "client/cli/bench/latency_histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <map>

namespace cordwood::client {
namespace {

constexpr int kSubBits = 7;
constexpr std::int64_t kSubBuckets = 1 << kSubBits;
constexpr std::int64_t kLinear = 2 * kSubBuckets;  // below it a bucket is 1 ns wide
constexpr int kBarCells = 40;

std::size_t IndexOf(std::int64_t ns) {
  if (ns < kLinear) return static_cast<std::size_t>(ns);
  const int shift = std::bit_width(static_cast<std::uint64_t>(ns)) - kSubBits - 1;
  return static_cast<std::size_t>(kSubBuckets * shift + (ns >> shift));
}

std::int64_t LowOf(std::size_t index) {
  const auto i = static_cast<std::int64_t>(index);
  if (i < kLinear) return i;
  const std::int64_t shift = i / kSubBuckets - 1;
  return (i - kSubBuckets * shift) << shift;
}

std::string Micros(double ns) {
  char text[32];
  std::snprintf(text, sizeof text, ns < 10'000 ? "%.1f" : "%.0f", ns / 1000);
  return text;
}

}  // namespace

LatencyHistogram::LatencyHistogram() : counts_(IndexOf(kLongestNs) + 1) {}

void LatencyHistogram::Add(std::int64_t ns) {
  ns = std::max<std::int64_t>(ns, 0);
  ++counts_[IndexOf(std::min(ns, kLongestNs))];
  ++count_;
  sum_ += static_cast<double>(ns);
  min_ = std::min(min_, ns);
  max_ = std::max(max_, ns);
}

void LatencyHistogram::Add(const LatencyHistogram& other) {
  for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
  count_ += other.count_;
  sum_ += other.sum_;
  min_ = std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
}

std::int64_t LatencyHistogram::Percentile(double fraction) const {
  if (count_ == 0) return 0;
  const auto wanted = std::max<std::uint64_t>(static_cast<std::uint64_t>(std::ceil(fraction * static_cast<double>(count_))), 1);
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    seen += counts_[i];
    if (seen >= wanted) return i + 1 == counts_.size() ? max_ : std::min(LowOf(i + 1) - 1, max_);
  }
  return max_;
}

std::vector<LatencyHistogram::Bucket> LatencyHistogram::Buckets() const {
  std::vector<Bucket> buckets;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    if (counts_[i] == 0) continue;
    buckets.push_back({LowOf(i), i + 1 == counts_.size() ? std::max(max_, kLongestNs) + 1 : LowOf(i + 1), counts_[i]});
  }
  return buckets;
}

std::string LatencyHistogram::Text() const {
  std::map<int, std::uint64_t> doublings;  // by bit width
  for (const Bucket& bucket : Buckets()) doublings[std::bit_width(static_cast<std::uint64_t>(bucket.low))] += bucket.count;
  if (doublings.empty()) return "";
  std::uint64_t most = 0;
  for (const auto& [width, count] : doublings) most = std::max(most, count);
  std::string text;
  for (int width = doublings.begin()->first; width <= doublings.rbegin()->first; ++width) {
    const std::uint64_t count = doublings.contains(width) ? doublings[width] : 0;
    const auto cells = static_cast<std::size_t>(std::ceil(static_cast<double>(count) * kBarCells / static_cast<double>(most)));
    const std::string bar(cells, '#');
    char line[160];
    std::snprintf(line, sizeof line, "  < %9s us  %-*s %8.4f %%  %llu\n", Micros(std::ldexp(1.0, width)).c_str(), kBarCells, bar.c_str(),
                  static_cast<double>(count) * 100 / static_cast<double>(count_), static_cast<unsigned long long>(count));
    text += line;
  }
  return text;
}

}  // namespace cordwood::client
