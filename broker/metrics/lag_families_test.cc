// SPDX-License-Identifier: Apache-2.0
// Series of groups, and what becomes of those beyond the limits.
#include "broker/metrics/lag_families.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cordwood::broker {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

GroupMeasure Measure(const std::string& name, std::int64_t lag, std::size_t partitions = 1) {
  GroupMeasure group;
  group.group = name;
  group.members = 2;
  group.problems = 1;
  group.lag.records = lag;
  group.lag.ms = 10 * lag;
  group.findings[static_cast<std::size_t>(FindingKind::kPaused)] = 1;
  for (std::size_t i = 0; i < partitions; ++i) group.partitions.push_back({"t", PartitionIndex(static_cast<std::int32_t>(i)), lag, std::nullopt});
  return group;
}

std::string Scrape(const GroupRound& round, const GroupSeriesLimits& limits = {}) {
  Families families;
  AddLagFamilies(families, round, limits);
  return families.Text();
}

TEST(LagFamiliesTest, AGroupHasMembersLagAndProblems) {
  const std::string text = Scrape({{Measure("g", 150)}, 3});
  EXPECT_THAT(text, HasSubstr("cordwood_group_size{group=\"g\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("cordwood_group_lag_records{group=\"g\"} 150\n"));
  EXPECT_THAT(text, HasSubstr("cordwood_group_lag_seconds{group=\"g\"} 1.5\n"));
  EXPECT_THAT(text, HasSubstr("cordwood_group_problems{group=\"g\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("cordwood_group_partition_lag_records{group=\"g\",topic=\"t\",partition=\"0\"} 150\n"));
  EXPECT_THAT(text, Not(HasSubstr("cordwood_group_partition_lag_seconds{")));
  EXPECT_THAT(text, HasSubstr("cordwood_groups_unmeasured 3\n"));
}

TEST(LagFamiliesTest, FindingsAreCountedOverAllGroupsWithAZeroForThoseThatAreNot) {
  const std::string text = Scrape({{Measure("g", 1), Measure("h", 1)}, 0}, {1, 100});
  EXPECT_THAT(text, HasSubstr("cordwood_group_findings{code=\"paused\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("cordwood_group_findings{code=\"no_member\"} 0\n"));
}

TEST(LagFamiliesTest, GroupsBeyondTheLimitAreOne) {
  const std::string text = Scrape({{Measure("g", 1), Measure("h", 20), Measure("i", 300)}, 0}, {1, 100});
  EXPECT_THAT(text, HasSubstr("cordwood_group_lag_records{group=\"g\"} 1\n"));
  EXPECT_THAT(text, Not(HasSubstr("group=\"h\"")));
  EXPECT_THAT(text, HasSubstr("cordwood_group_lag_records{group=\"(other)\"} 320\n"));
  EXPECT_THAT(text, HasSubstr("cordwood_group_lag_seconds{group=\"(other)\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("cordwood_group_size{group=\"(other)\"} 4\n"));
}

TEST(LagFamiliesTest, AGroupHasAllOfItsPartitionsOrNone) {
  const std::string text = Scrape({{Measure("g", 1, 3), Measure("h", 1, 1)}, 0}, {10, 2});
  EXPECT_THAT(text, Not(HasSubstr("partition_lag_records{group=\"g\"")));
  EXPECT_THAT(text, HasSubstr("partition_lag_records{group=\"h\""));
  EXPECT_THAT(text, HasSubstr("cordwood_group_lag_records{group=\"g\"} 1\n"));
}

}  // namespace
}  // namespace cordwood::broker
