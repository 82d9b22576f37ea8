// SPDX-License-Identifier: Apache-2.0
// What may go, by time and by size.
#include "storage/log/retention_plan.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace cordwood {
namespace {

// Batches below offset 10 were appended at 1000 ms or before, and so on; 100 bytes per ten offsets.
const std::vector<IndexEntry> kEntries = {{Offset(10), 0, 1000, 100}, {Offset(20), 0, 2000, 200}, {Offset(30), 0, 3000, 300}};

Offset Plan(std::int64_t retention_ms, std::int64_t retention_bytes, std::int64_t now_ms, std::uint64_t total_bytes = 300) {
  const auto plan = PlanRetention(kEntries, {retention_ms, retention_bytes}, now_ms, total_bytes);
  return plan.has_value() ? plan->offset : Offset(-1);
}

TEST(RetentionPlanTest, TimeLimitIsExclusive) {
  EXPECT_EQ(Plan(500, -1, 1500), Offset(-1));
  EXPECT_EQ(Plan(500, -1, 1501), Offset(10));
  EXPECT_EQ(Plan(500, -1, 2501), Offset(20));
  EXPECT_EQ(Plan(500, -1, 99'999), Offset(30));
}

TEST(RetentionPlanTest, WhatIsLeftIsNeverBelowTheSizeLimit) {
  EXPECT_EQ(Plan(-1, 300, 0), Offset(-1));
  EXPECT_EQ(Plan(-1, 201, 0), Offset(-1));
  EXPECT_EQ(Plan(-1, 200, 0), Offset(10));
  EXPECT_EQ(Plan(-1, 101, 0), Offset(10));
  EXPECT_EQ(Plan(-1, 100, 0), Offset(20));
  EXPECT_EQ(Plan(-1, 0, 0), Offset(30));
  EXPECT_EQ(Plan(-1, 100, 0, 420), Offset(30));
}

TEST(RetentionPlanTest, TheStricterLimitWins) {
  EXPECT_EQ(Plan(500, 200, 2501), Offset(20));
  EXPECT_EQ(Plan(500, 100, 1501), Offset(20));
}

TEST(RetentionPlanTest, WithoutLimitsNothingGoes) { EXPECT_EQ(Plan(-1, -1, INT64_MAX), Offset(-1)); }

TEST(RetentionPlanTest, WithoutEntriesNothingGoes) { EXPECT_FALSE(PlanRetention({}, {0, 0}, INT64_MAX, 1 << 20).has_value()); }

TEST(RetentionPlanTest, ClockSetBackExpiresNothing) {
  EXPECT_EQ(Plan(0, -1, 500), Offset(-1));
  EXPECT_EQ(Plan(500, -1, INT64_MIN), Offset(-1));
}

TEST(RetentionPlanTest, ExtremeLimitsDoNotOverflow) {
  EXPECT_EQ(Plan(INT64_MAX, INT64_MAX, INT64_MAX), Offset(-1));
  EXPECT_EQ(Plan(INT64_MAX, -1, INT64_MIN), Offset(-1));
}

TEST(RetentionPlanTest, EntryWithMoreBytesThanTheLogIsLeftAlone) { EXPECT_EQ(Plan(-1, 0, 0, 150), Offset(10)); }

TEST(RetentionPlanTest, AgreesWithALinearScan) {
  std::mt19937 random(1);
  for (int round = 0; round < 500; ++round) {
    std::vector<IndexEntry> entries;
    IndexEntry entry;
    for (int i = static_cast<int>(random() % 8); i > 0; --i) {
      entry.offset = entry.offset + 1;
      entry.append_ms = std::max<std::int64_t>(entry.append_ms, 0) + static_cast<int>(random() % 3);
      entry.bytes_before += 1 + random() % 3;
      entries.push_back(entry);
    }
    const RetentionLimits limits{static_cast<std::int64_t>(random() % 12) - 1, static_cast<std::int64_t>(random() % 12) - 1};
    const std::int64_t now_ms = random() % 20;
    const std::uint64_t total = entry.bytes_before + random() % 3;
    Offset expected(-1);
    for (const IndexEntry& e : entries) {
      const bool old = limits.retention_ms >= 0 && now_ms - e.append_ms > limits.retention_ms;
      const bool large = limits.retention_bytes >= 0 && total - e.bytes_before >= static_cast<std::uint64_t>(limits.retention_bytes);
      if (old || large) expected = e.offset;
    }
    const auto plan = PlanRetention(entries, limits, now_ms, total);
    EXPECT_EQ(plan.has_value() ? plan->offset : Offset(-1), expected) << "round " << round;
  }
}

TEST(RetentionCheckIntervalTest, IsATenthWithinTenSecondsAndFiveMinutes) {
  EXPECT_EQ(RetentionCheckInterval({60'000, -1}), absl::Seconds(10));
  EXPECT_EQ(RetentionCheckInterval({0, -1}), absl::Seconds(10));
  EXPECT_EQ(RetentionCheckInterval({600'000, -1}), absl::Minutes(1));
  EXPECT_EQ(RetentionCheckInterval({}), absl::Minutes(5));
  EXPECT_EQ(RetentionCheckInterval({-1, 1 << 20}), absl::Minutes(5));
}

}  // namespace
}  // namespace cordwood
