// SPDX-License-Identifier: Apache-2.0
// Snapshots on the wire.
#include "broker/handlers/control/group_answers.h"

#include <gtest/gtest.h>

#include "broker/groups/lag/lag_fixture.h"

namespace cordwood::broker {
namespace {

GroupSnapshot Snapshot() {
  GroupSnapshot group = GroupOf({MemberOf("a"), MemberOf("b")}, {PartitionOf(0, 4, 0, 10, "a"), PartitionOf(1, 10, 0, 10, "a"), PartitionOf(2, std::nullopt, 0, 5)});
  group.members[0].client = "billing-a";
  group.partitions[0].first_waiting_ms = kWallMs - 2100;
  group.partitions[0].position = Offset(6);
  group.partitions[0].progress.consume_rate = 3;
  group.partitions[0].progress.produce_rate = 1;
  return group;
}

TEST(GroupAnswersTest, ADescriptionHasLagInRecordsAndInTimeOfPartitionsMembersAndTheGroup) {
  const auto group = DescribeSnapshot(Snapshot(), BrokerId(3));
  EXPECT_EQ(group.coordinator(), 3);
  EXPECT_EQ(group.state(), "stable");
  EXPECT_EQ(group.lag(), 6);
  EXPECT_EQ(group.lag_ms(), 2100);
  ASSERT_EQ(group.members_size(), 2);
  EXPECT_EQ(group.members(0).lag(), 6);
  EXPECT_EQ(group.members(0).lag_ms(), 2100);
  EXPECT_FALSE(group.members(1).has_lag());
  ASSERT_EQ(group.partitions_size(), 3);
  EXPECT_EQ(group.partitions(0).client(), "billing-a");
  EXPECT_EQ(group.partitions(0).lag(), 6);
  EXPECT_EQ(group.partitions(0).drain_ms(), 3000);
  EXPECT_EQ(group.partitions(0).position(), 6);
  EXPECT_EQ(group.partitions(1).lag_ms(), 0);
}

TEST(GroupAnswersTest, WhatIsUnknownIsAbsent) {
  const auto group = DescribeSnapshot(Snapshot(), BrokerId(3));
  EXPECT_FALSE(group.partitions(2).has_committed());
  EXPECT_FALSE(group.partitions(2).has_lag());
  EXPECT_FALSE(group.partitions(2).has_position());
  EXPECT_FALSE(group.partitions(2).has_drain_ms());
}

TEST(GroupAnswersTest, PartitionsOfATopicStandTogetherUnderItsName) {
  const auto group = DescribeSnapshot(Snapshot(), BrokerId(3));
  ASSERT_EQ(group.members(0).assigned().topics_size(), 1);
  EXPECT_EQ(group.members(0).assigned().topics(0).topic(), "orders");
  EXPECT_EQ(group.members(0).assigned().topics(0).partitions_size(), 2);
}

TEST(GroupAnswersTest, AnExplanationHasCodeSeverityAndPlace) {
  GroupSnapshot snapshot = Snapshot();
  snapshot.partitions[0].paused = true;
  const auto answer = ExplainSnapshot(snapshot);
  ASSERT_EQ(answer.findings_size(), 2);
  const auto& paused = answer.findings(0);
  EXPECT_EQ(paused.code() + " " + paused.severity() + " " + paused.member_id() + " " + paused.topic(), "paused problem a orders");
  EXPECT_EQ(paused.partitions(0), 0);
  EXPECT_EQ(answer.findings(1).code(), "idle_member");
}

}  // namespace
}  // namespace cordwood::broker
