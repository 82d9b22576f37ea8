// SPDX-License-Identifier: Apache-2.0
#include "broker/handlers/limits/catchup_limit.h"

#include <gtest/gtest.h>

namespace cordwood::broker {
namespace {

constexpr std::size_t kMiB = 1024 * 1024;
constexpr std::int64_t kRate = 100 * kMiB;

// Reads of 1 MiB as fast as the limit allows, beside a producer of so many bytes a millisecond.
std::size_t ReadIn(CatchupLimit& limit, absl::Duration time, std::size_t produced_per_ms) {
  std::size_t bytes = 0;
  for (absl::Duration now = absl::Seconds(100); now < absl::Seconds(100) + time; now += absl::Milliseconds(1)) {
    if (produced_per_ms > 0) limit.OnProduced(produced_per_ms, now);
    for (int reads = 0; reads < 10 && limit.HasTokens(now); ++reads) {
      limit.Take(kMiB, now);
      bytes += kMiB;
    }
  }
  return bytes;
}

TEST(CatchupLimitTest, WithoutProducersThereIsNoLimit) {
  CatchupLimit limit(kRate);
  EXPECT_EQ(ReadIn(limit, absl::Seconds(1), 0), 10'000 * kMiB);
}

TEST(CatchupLimitTest, ZeroIsNoLimit) {
  CatchupLimit limit(0);
  EXPECT_EQ(ReadIn(limit, absl::Seconds(1), 1000), 10'000 * kMiB);
  EXPECT_FALSE(limit.InForce(absl::Seconds(101)));
}

TEST(CatchupLimitTest, WhileSomebodyProducesItsRateIsKept) {
  CatchupLimit limit(kRate);
  const std::size_t bytes = ReadIn(limit, absl::Seconds(10), 1);
  EXPECT_GE(bytes, 995 * kMiB);
  EXPECT_LE(bytes, 1010 * kMiB);
}

TEST(CatchupLimitTest, EachByteProducedAllowsFourToBeRead) {
  CatchupLimit limit(kRate);
  const std::size_t bytes = ReadIn(limit, absl::Seconds(10), 150 * kMiB / 1000);
  EXPECT_GE(bytes, (1000 + 4 * 1495) * kMiB);
  EXPECT_LE(bytes, (1000 + 4 * 1515) * kMiB);
}

TEST(CatchupLimitTest, ItIsInForceUntilTheProducersHaveBeenQuiet) {
  CatchupLimit limit(kRate);
  const absl::Duration now = absl::Seconds(100);
  limit.OnProduced(1, now);
  limit.Take(50 * kMiB, now);
  EXPECT_FALSE(limit.HasTokens(now));
  EXPECT_EQ(limit.NextAt(now), now + CatchupLimit::kQuietAfter) << "before the debt is paid";
  EXPECT_FALSE(limit.HasTokens(now + absl::Milliseconds(99)));
  EXPECT_TRUE(limit.HasTokens(now + absl::Milliseconds(100)));
  limit.OnProduced(1, now + absl::Milliseconds(200));
  EXPECT_TRUE(limit.HasTokens(now + absl::Milliseconds(200))) << "no debt from before";
}

TEST(CatchupLimitTest, WhatAReadBroughtBeyondWhatItAskedForIsADebtToo) {
  CatchupLimit limit(kRate);
  const absl::Duration now = absl::Seconds(100);
  limit.OnProduced(0, now);
  limit.Take(kMiB, now);  // a full bucket holds 2
  limit.Correct(kMiB, 8 * kMiB, now);
  EXPECT_FALSE(limit.HasTokens(now + absl::Milliseconds(59)));
  EXPECT_TRUE(limit.HasTokens(now + absl::Milliseconds(61)));
}

TEST(CatchupLimitTest, ADebtIsPaidBeforeTheNextReadAndWhatWasNotReadIsGivenBack) {
  CatchupLimit limit(kRate);
  const absl::Duration now = absl::Seconds(100);
  limit.OnProduced(0, now);
  limit.Take(3 * kMiB, now);  // a full bucket holds 2
  const absl::Duration next = limit.NextAt(now);
  EXPECT_GE(next, now + absl::Milliseconds(10));
  EXPECT_LE(next, now + absl::Milliseconds(11));
  EXPECT_FALSE(limit.HasTokens(now + absl::Milliseconds(9)));
  limit.Correct(3 * kMiB, 5 * kMiB / 2, now);
  EXPECT_TRUE(limit.HasTokens(now + absl::Milliseconds(9)));
}

}  // namespace
}  // namespace cordwood::broker
