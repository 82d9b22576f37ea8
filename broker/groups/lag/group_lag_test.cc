// SPDX-License-Identifier: Apache-2.0
// Lag in records, in seconds, until when; the states of a group.
#include "broker/groups/lag/group_lag.h"

#include <gtest/gtest.h>

#include <limits>

#include "broker/groups/lag/lag_fixture.h"

namespace cordwood::broker {
namespace {

TEST(GroupLagTest, LagIsFromTheCommittedOffsetToTheHighWatermark) {
  EXPECT_EQ(LagOf(PartitionOf(0, 4, 0, 10)), 6);
  EXPECT_EQ(LagOf(PartitionOf(0, 10, 0, 10)), 0);
  EXPECT_EQ(LagOf(PartitionOf(0, 12, 0, 10)), 0);
}

TEST(GroupLagTest, RecordsBelowTheLogStartWaitForNobody) { EXPECT_EQ(LagOf(PartitionOf(0, 4, 7, 10)), 3); }

TEST(GroupLagTest, WithoutACommitOrALogThereIsNoLag) {
  EXPECT_EQ(LagOf(PartitionOf(0, std::nullopt, 0, 10)), std::nullopt);
  PartitionSnapshot unknown = PartitionOf(0, 4, 0, 10);
  unknown.ends.reset();
  EXPECT_EQ(LagOf(unknown), std::nullopt);
  EXPECT_EQ(LagMsOf(unknown, kWallMs), std::nullopt);
  EXPECT_EQ(DrainMsOf(unknown), std::nullopt);
}

TEST(GroupLagTest, LagInTimeIsTheAgeOfTheFirstRecordThatWaits) {
  PartitionSnapshot partition = PartitionOf(0, 4, 0, 10);
  EXPECT_EQ(LagMsOf(partition, kWallMs), std::nullopt);
  partition.first_waiting_ms = kWallMs - 2100;
  EXPECT_EQ(LagMsOf(partition, kWallMs), 2100);
  partition.first_waiting_ms = kWallMs + 5;
  EXPECT_EQ(LagMsOf(partition, kWallMs), 0);
  partition.first_waiting_ms = std::numeric_limits<std::int64_t>::min();  // within a compressed batch a producer may say that
  EXPECT_EQ(LagMsOf(partition, kWallMs), kWallMs);
}

TEST(GroupLagTest, ARecordIsDueWhenTheClockOfTheOriginalPaceIsThere) {
  GroupSnapshot group;
  PartitionSnapshot partition = PartitionOf(0, 4, 0, 10);
  partition.first_waiting_ms = 5'000;
  EXPECT_EQ(NextDueMsOf(group, partition), std::nullopt);
  group.replay.emplace();
  EXPECT_EQ(NextDueMsOf(group, partition), std::nullopt);
  group.replay->clock = ReplayClock{1'000, 500, -1};
  EXPECT_EQ(NextDueMsOf(group, partition), 3'500);
  group.replay->clock->since_ms = 0;
  group.wall_ms = 3'500;
  EXPECT_EQ(NextDueMsOf(group, partition), 0);
  partition.first_waiting_ms = std::numeric_limits<std::int64_t>::min();
  EXPECT_EQ(NextDueMsOf(group, partition), 0);
  partition.first_waiting_ms.reset();
  EXPECT_EQ(NextDueMsOf(group, partition), std::nullopt);
}

TEST(GroupLagTest, NothingThatWaitsIsNoTime) { EXPECT_EQ(LagMsOf(PartitionOf(0, 10, 0, 10), kWallMs), 0); }

TEST(GroupLagTest, TheLagDrainsByWhatIsConsumedMoreThanProduced) {
  PartitionSnapshot partition = PartitionOf(0, 0, 0, 100);
  EXPECT_EQ(DrainMsOf(partition), std::nullopt);
  partition.progress.consume_rate = 30;
  partition.progress.produce_rate = 10;
  EXPECT_EQ(DrainMsOf(partition), 5000);
  partition.progress.produce_rate = 30;
  EXPECT_EQ(DrainMsOf(partition), std::nullopt);
  partition.progress.consume_rate = 30.0000000001;
  EXPECT_EQ(DrainMsOf(partition), std::nullopt) << "ten years are never";
}

TEST(GroupLagTest, WhatIsDrainedNeedsNoTime) { EXPECT_EQ(DrainMsOf(PartitionOf(0, 10, 0, 10)), 0); }

TEST(GroupLagTest, TotalsAreTheSumAndTheLongest) {
  LagTotals totals;
  totals.Add(PartitionOf(0, std::nullopt, 0, 9), kWallMs);
  EXPECT_EQ(totals.records, std::nullopt);
  PartitionSnapshot late = PartitionOf(1, 4, 0, 10);
  late.first_waiting_ms = kWallMs - 50;
  totals.Add(late, kWallMs);
  late.first_waiting_ms = kWallMs - 70;
  totals.Add(late, kWallMs);
  totals.Add(PartitionOf(2, 3, 0, 3), kWallMs);
  EXPECT_EQ(totals.records, 12);
  EXPECT_EQ(totals.ms, 70);
}

TEST(GroupLagTest, AGroupIsStableWhenEachMemberHasWhatItShallHave) {
  EXPECT_EQ(GroupStateName(GroupOf({}, {})), "empty");
  GroupSnapshot group = GroupOf({MemberOf("a")}, {PartitionOf(0, 0, 0, 1, "a")});
  EXPECT_EQ(GroupStateName(group), "stable");
  group.members[0].target.push_back(PlaceAt(1));
  EXPECT_EQ(GroupStateName(group), "reconciling");
  group.members[0].held = group.members[0].target;
  EXPECT_EQ(GroupStateName(group), "stable");
  group.members[0].revoking.push_back(PlaceAt(2));
  EXPECT_EQ(GroupStateName(group), "reconciling");
}

TEST(GroupLagTest, AGroupWhoseTargetIsYetToBeComputedReconciles) {
  GroupSnapshot group = GroupOf({MemberOf("a")}, {});
  group.group_epoch = MemberEpoch(3);
  group.assignment_epoch = MemberEpoch(2);
  EXPECT_EQ(GroupStateName(group), "reconciling");
}

}  // namespace
}  // namespace cordwood::broker
