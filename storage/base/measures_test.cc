// SPDX-License-Identifier: Apache-2.0
// Where the buckets lie, and that no reason is without a place.
#include "storage/base/measures.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <sstream>

namespace cordwood {
namespace {

TEST(LatencyBucketsTest, BoundsGrowByAHalfOrAThird) {
  EXPECT_EQ(LatencyBuckets::BoundMicros(0), 16);
  EXPECT_EQ(LatencyBuckets::BoundMicros(1), 24);
  EXPECT_EQ(LatencyBuckets::BoundMicros(2), 32);
  EXPECT_EQ(LatencyBuckets::BoundMicros(LatencyBuckets::kBounded - 1), 1 << 24);
}

TEST(LatencyBucketsTest, ABoundBelongsToItsBucketAndTheNextMicrosecondToTheNext) {
  for (std::size_t bucket = 0; bucket < LatencyBuckets::kBounded; ++bucket) {
    EXPECT_EQ(LatencyBuckets::BucketOf(LatencyBuckets::BoundMicros(bucket)), bucket);
    EXPECT_EQ(LatencyBuckets::BucketOf(LatencyBuckets::BoundMicros(bucket) + 1), bucket + 1);
  }
  EXPECT_EQ(LatencyBuckets::BucketOf(INT64_MAX), LatencyBuckets::kBounded);
  EXPECT_EQ(LatencyBuckets::BucketOf(-1), 0u);
}

TEST(LatencyHistogramTest, APartOfAMicrosecondCountsUpwardsInTheBucketAndExactlyInTheSum) {
  LatencyHistogram histogram;
  histogram.Record(absl::Nanoseconds(16'001));
  histogram.Record(absl::Microseconds(16));
  EXPECT_EQ(histogram.count(0), 1u);
  EXPECT_EQ(histogram.count(1), 1u);
  EXPECT_EQ(histogram.sum_nanos(), 32'001u);
}

TEST(LatencyHistogramTest, AClockThatStoodStillCountsAndAddsNothing) {
  LatencyHistogram histogram;
  histogram.Record(absl::ZeroDuration());
  histogram.Record(absl::Microseconds(-1));
  EXPECT_EQ(histogram.count(0), 2u);
  EXPECT_EQ(histogram.sum_nanos(), 0u);
}

TEST(LatencyHistogramTest, WhatNeverEndsIsAboveTheLastBound) {
  LatencyHistogram histogram;
  histogram.Record(absl::InfiniteDuration());
  EXPECT_EQ(histogram.count(LatencyBuckets::kBounded), 1u);
}

TEST(ReasonCountsTest, EveryReasonIsCountedByItself) {
  ReasonCounts counts;
  for (const Reason reason : ReasonCounts::All()) counts.Count(reason);
  for (const Reason reason : ReasonCounts::All()) EXPECT_EQ(counts.value(reason), 1u) << ReasonName(reason);
}

TEST(ReasonCountsTest, AllAreAllThatTheHeaderNames) {
  std::ifstream file(CORDWOOD_SOURCE_DIR "/storage/base/reason.h");
  std::stringstream text;
  text << file.rdbuf();
  const std::string header = text.str();
  const std::regex enumerator(R"(\n  k\w+ = -?\d+,)");
  const auto named = std::distance(std::sregex_iterator(header.begin(), header.end(), enumerator), std::sregex_iterator());
  EXPECT_EQ(static_cast<std::ptrdiff_t>(ReasonCounts::All().size()), named - 1);
}

}  // namespace
}  // namespace cordwood
