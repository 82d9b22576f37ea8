// SPDX-License-Identifier: Apache-2.0
#include "client/cli/bench/latency_histogram.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

namespace cordwood::client {
namespace {

TEST(LatencyHistogramTest, AnEmptyHistogramSaysZero) {
  const LatencyHistogram histogram;
  EXPECT_EQ(histogram.count(), 0U);
  EXPECT_EQ(histogram.min(), 0);
  EXPECT_EQ(histogram.max(), 0);
  EXPECT_EQ(histogram.mean(), 0);
  EXPECT_EQ(histogram.Percentile(0.99), 0);
  EXPECT_EQ(histogram.Text(), "");
}

TEST(LatencyHistogramTest, EverySampleLiesInItsBucketAndBucketsAreNarrow) {
  for (std::int64_t ns = 1; ns < LatencyHistogram::kLongestNs; ns += 1 + ns / 37) {
    LatencyHistogram histogram;
    histogram.Add(ns);
    const auto buckets = histogram.Buckets();
    ASSERT_EQ(buckets.size(), 1U);
    ASSERT_LE(buckets[0].low, ns);
    ASSERT_GT(buckets[0].high, ns);
    ASSERT_LE(buckets[0].high - buckets[0].low, std::max<std::int64_t>(1, ns / 100)) << ns;
  }
}

TEST(LatencyHistogramTest, BucketsTouchAndDoNotOverlap) {
  LatencyHistogram histogram;
  for (std::int64_t ns = 0; ns < 100'000; ++ns) histogram.Add(ns);
  std::int64_t end = 0;
  for (const auto& bucket : histogram.Buckets()) {
    ASSERT_EQ(bucket.low, end);
    end = bucket.high;
    if (end <= 99'999) {
      ASSERT_EQ(bucket.count, static_cast<std::uint64_t>(bucket.high - bucket.low));
    }
  }
}

TEST(LatencyHistogramTest, PercentilesAreWithinOnePercentOfTheExactOnes) {
  std::mt19937_64 random(7);
  std::lognormal_distribution<double> latencies(13, 2);
  LatencyHistogram histogram;
  std::vector<std::int64_t> exact;
  for (int i = 0; i < 200'000; ++i) {
    exact.push_back(static_cast<std::int64_t>(latencies(random)));
    histogram.Add(exact.back());
  }
  std::sort(exact.begin(), exact.end());
  for (const double fraction : {0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 1.0}) {
    const auto rank = std::max<std::size_t>(static_cast<std::size_t>(std::ceil(fraction * static_cast<double>(exact.size()))), 1);
    const auto right = static_cast<double>(exact[rank - 1]);
    EXPECT_GE(static_cast<double>(histogram.Percentile(fraction)), right) << fraction;
    EXPECT_LE(static_cast<double>(histogram.Percentile(fraction)), right * 1.01 + 1) << fraction;
  }
  EXPECT_EQ(histogram.min(), exact.front());
  EXPECT_EQ(histogram.max(), exact.back());
}

TEST(LatencyHistogramTest, APercentileIsNeverAboveTheLongest) {
  LatencyHistogram histogram;
  histogram.Add(1'000'001);
  EXPECT_EQ(histogram.Percentile(0.5), 1'000'001);
}

TEST(LatencyHistogramTest, OneSlowRecordInAThousandShowsAtP999AndNotAtP99) {
  LatencyHistogram histogram;
  for (int i = 0; i < 998; ++i) histogram.Add(100);
  histogram.Add(5'000'000);
  histogram.Add(5'000'000);
  EXPECT_EQ(histogram.Percentile(0.99), 100);
  EXPECT_EQ(histogram.Percentile(0.999), 5'000'000);
}

TEST(LatencyHistogramTest, WhatIsTooLongOrNegativeStillCounts) {
  LatencyHistogram histogram;
  histogram.Add(-5);
  histogram.Add(std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(histogram.count(), 2U);
  EXPECT_EQ(histogram.min(), 0);
  EXPECT_EQ(histogram.Percentile(0.5), 0);
  EXPECT_EQ(histogram.Percentile(1), std::numeric_limits<std::int64_t>::max());
}

TEST(LatencyHistogramTest, HistogramsAddUp) {
  LatencyHistogram one;
  LatencyHistogram other;
  LatencyHistogram both;
  for (std::int64_t ns = 10; ns < 1'000'000; ns *= 3) {
    (ns % 2 == 0 ? one : other).Add(ns);
    both.Add(ns);
    one.Add(ns + 1);
    both.Add(ns + 1);
  }
  one.Add(other);
  EXPECT_EQ(one.count(), both.count());
  EXPECT_EQ(one.min(), both.min());
  EXPECT_EQ(one.max(), both.max());
  EXPECT_DOUBLE_EQ(one.mean(), both.mean());
  EXPECT_EQ(one.Text(), both.Text());
}

TEST(LatencyHistogramTest, TheTextHasALineForEachDoublingBetweenTheFirstAndTheLast) {
  LatencyHistogram histogram;
  for (int i = 0; i < 3; ++i) histogram.Add(1'500);
  histogram.Add(6'000);
  const std::string text = histogram.Text();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3);
  EXPECT_THAT(text, testing::HasSubstr("  <       2.0 us  ######################################## " " 75.0000 %  3\n"));
  EXPECT_THAT(text, testing::HasSubstr("  <       4.1 us "));
  EXPECT_THAT(text, testing::HasSubstr(" 25.0000 %  1\n"));
}

}  // namespace
}  // namespace cordwood::client
