// SPDX-License-Identifier: Apache-2.0
// What a part of the broker counts of itself: a few atomics that its own thread writes and a scrape reads.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/time/time.h"
#include "storage/base/reason.h"

namespace cordwood {

// All of these: every operation is relaxed, since nothing is published by a count. Reading is safe from any thread; a read sees each number as it was
// at some moment of late, and several numbers not of the same moment.

// Only grows. One thread writes: a load and a store cost less than an atomic addition.
class Counter {
 public:
  void Add(std::uint64_t n = 1) { value_.store(value() + n, std::memory_order_relaxed); }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// The same, for what several threads write.
class SharedCounter {
 public:
  void Add(std::uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// Goes up and down. One thread writes.
class Gauge {
 public:
  void Set(std::int64_t value) { value_.store(value, std::memory_order_relaxed); }
  void Add(std::int64_t n) { Set(value() + n); }
  std::int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_{0};
};

// Two buckets to each power of two, from 16 µs to 16.8 s: a quantile read from it is wrong by a third at most.
struct LatencyBuckets {
  static constexpr std::size_t kBounded = 41;           // and one above the last bound
  static constexpr std::int64_t BoundMicros(std::size_t bucket) {  // inclusive
    if (bucket == 0) return kFirstMicros;
    const std::size_t power = kFirstPower + (bucket - 1) / 2;
    return (bucket - 1) % 2 == 0 ? std::int64_t{3} << (power - 1) : std::int64_t{2} << power;
  }
  static constexpr std::size_t BucketOf(std::int64_t micros) {
    if (micros <= kFirstMicros) return 0;
    const auto below = static_cast<std::uint64_t>(micros - 1);
    const auto power = static_cast<std::size_t>(std::bit_width(below)) - 1;
    const std::size_t bucket = 1 + (power - kFirstPower) * 2 + ((below >> (power - 1)) & 1);
    return bucket < kBounded ? bucket : kBounded;
  }

 private:
  static constexpr std::size_t kFirstPower = 4;
  static constexpr std::int64_t kFirstMicros = 1 << kFirstPower;
};

// How long something took, counted in LatencyBuckets. One thread writes.
class LatencyHistogram {
 public:
  void Record(absl::Duration took) {
    const std::int64_t nanos = absl::ToInt64Nanoseconds(took);
    if (nanos > 0) sum_nanos_.Add(static_cast<std::uint64_t>(nanos));
    counts_[LatencyBuckets::BucketOf(nanos / 1000 + (nanos % 1000 > 0 ? 1 : 0))].Add();
  }
  std::uint64_t count(std::size_t bucket) const { return counts_[bucket].value(); }  // in [0, kBounded]; not cumulative
  std::uint64_t sum_nanos() const { return sum_nanos_.value(); }

 private:
  std::array<Counter, LatencyBuckets::kBounded + 1> counts_;
  Counter sum_nanos_;
};

// How often each reason occurred. Any thread writes: errors are rare enough.
class ReasonCounts {
 public:
  void Count(Reason reason);
  std::uint64_t value(Reason reason) const;
  static const std::vector<Reason>& All();  // every reason but NONE

 private:
  static constexpr std::size_t kKafkas = 160;  // numbers -1 to 158
  static constexpr std::size_t kOurs = 64;     // from 1000
  static std::size_t PlaceOf(Reason reason);
  std::array<std::atomic<std::uint64_t>, kKafkas + kOurs> counts_{};
};

}  // namespace cordwood
