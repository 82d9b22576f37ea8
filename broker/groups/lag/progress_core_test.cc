// SPDX-License-Identifier: Apache-2.0
// Rates over the last minute, positions that stand still, owners that run ahead of what they commit.
#include "broker/groups/lag/progress_core.h"

#include <gtest/gtest.h>

#include "broker/groups/lag/lag_fixture.h"

namespace cordwood::broker {
namespace {

class ProgressCoreTest : public ::testing::Test {
 protected:
  void Note(std::int64_t seconds, const PartitionSnapshot& partition) { core_.Note(GroupOf({}, {partition}), seconds * 1000); }
  PartitionSnapshot Fill(std::int64_t seconds, const PartitionSnapshot& partition) {
    GroupSnapshot group = GroupOf({}, {partition});
    core_.Fill(group, seconds * 1000);
    return group.partitions[0];
  }
  static PartitionSnapshot Read(std::int64_t committed, std::int64_t position, std::int64_t end = 1000) {
    PartitionSnapshot partition = PartitionOf(0, committed, 0, end, "a");
    partition.position = Offset(position);
    return partition;
  }

  ProgressCore core_{3};
};

TEST_F(ProgressCoreTest, RatesAreBetweenTheOldestPointAndNow) {
  Note(0, PartitionOf(0, 0, 0, 100));
  Note(10, PartitionOf(0, 50, 0, 300));
  const PartitionProgress progress = Fill(20, PartitionOf(0, 100, 0, 500)).progress;
  EXPECT_EQ(progress.consume_rate, 5.0);
  EXPECT_EQ(progress.produce_rate, 20.0);
}

TEST_F(ProgressCoreTest, WhatWasLongAgoDoesNotCount) {
  for (int i = 0; i <= 20; ++i) Note(10 * i, PartitionOf(0, i < 10 ? 0 : 100 * (i - 10), 0, 1000));
  EXPECT_EQ(Fill(201, PartitionOf(0, 1000, 0, 1000)).progress.consume_rate, 700.0 / 71) << "the last eight points";
}

TEST_F(ProgressCoreTest, OnePointIsARateOnceASecondHasPassed) {
  EXPECT_EQ(Fill(0, PartitionOf(0, 0, 0, 0)).progress.consume_rate, std::nullopt);
  Note(0, PartitionOf(0, 0, 0, 100));
  EXPECT_EQ(Fill(0, PartitionOf(0, 9, 0, 100)).progress.consume_rate, std::nullopt);
  EXPECT_EQ(Fill(3, PartitionOf(0, 9, 0, 100)).progress.consume_rate, 3.0);
}

TEST_F(ProgressCoreTest, AResetIsNoConsumption) {
  Note(0, PartitionOf(0, 0, 0, 100));
  PartitionSnapshot reset = PartitionOf(0, 90, 0, 100);
  reset.position_epoch = PositionEpoch(1);
  EXPECT_EQ(Fill(10, reset).progress.consume_rate, std::nullopt);
  Note(10, reset);
  EXPECT_EQ(Fill(20, reset).progress.consume_rate, 0.0);
}

TEST_F(ProgressCoreTest, AnOffsetThatWentBackBeginsAnew) {
  Note(0, PartitionOf(0, 50, 0, 100));
  EXPECT_EQ(Fill(10, PartitionOf(0, 10, 0, 100)).progress.consume_rate, std::nullopt);
  Note(10, PartitionOf(0, 10, 0, 100));
  EXPECT_EQ(Fill(20, PartitionOf(0, 30, 0, 100)).progress.consume_rate, 2.0);
}

TEST_F(ProgressCoreTest, APositionStandsStillSinceItWasFirstSeenThere) {
  Note(0, Read(5, 5));
  Note(10, Read(5, 7));
  Note(20, Read(5, 7));
  EXPECT_EQ(Fill(35, Read(5, 7)).progress.still_ms, 25'000);
  EXPECT_EQ(Fill(35, Read(5, 8)).progress.still_ms, 0);
}

TEST_F(ProgressCoreTest, AnOwnerThatTellsNoPositionStandsWhereItHasCommitted) {
  Note(0, PartitionOf(0, 5, 0, 100, "a"));
  EXPECT_EQ(Fill(40, PartitionOf(0, 5, 0, 100, "a")).progress.still_ms, 40'000);
  EXPECT_EQ(Fill(40, PartitionOf(0, 6, 0, 100, "a")).progress.still_ms, 0);
}

TEST_F(ProgressCoreTest, AtTheEndNobodyStandsStill) {
  Note(0, Read(5, 100, 100));
  Note(50, Read(5, 100, 100));
  EXPECT_EQ(Fill(55, Read(5, 100, 100)).progress.still_ms, 0);
  EXPECT_EQ(Fill(55, Read(5, 100, 101)).progress.still_ms, 5'000) << "since records may wait";
}

TEST_F(ProgressCoreTest, AnotherOwnerHasNotStoodStill) {
  Note(0, Read(5, 5));
  PartitionSnapshot moved = Read(5, 5);
  moved.owner = "b";
  EXPECT_EQ(Fill(60, moved).progress.still_ms, 0);
  moved.owner = "";
  Note(60, moved);
  EXPECT_EQ(Fill(90, moved).progress.still_ms, 0) << "nobody's";
}

TEST_F(ProgressCoreTest, AnOwnerIsAheadAsLongAsItCommitsNothing) {
  Note(0, Read(5, 5));
  Note(10, Read(5, 20));
  Note(20, Read(5, 30));
  const PartitionProgress progress = Fill(30, Read(5, 40)).progress;
  EXPECT_EQ(progress.ahead, 35);
  EXPECT_EQ(progress.ahead_ms, 20'000);
  EXPECT_EQ(Fill(30, Read(6, 40)).progress.ahead_ms, 0) << "it has committed";
  Note(30, Read(6, 40));
  EXPECT_EQ(Fill(40, Read(6, 40)).progress.ahead_ms, 10'000);
}

TEST_F(ProgressCoreTest, WithoutACommitAnOwnerIsAheadOfWhereItWasFirstSeen) {
  PartitionSnapshot fresh = PartitionOf(0, std::nullopt, 0, 1000, "a");
  fresh.position = Offset(900);
  Note(0, fresh);
  EXPECT_EQ(Fill(90, fresh).progress.ahead, 0);
  fresh.position = Offset(910);
  Note(90, fresh);
  EXPECT_EQ(Fill(100, fresh).progress.ahead, 10);
  EXPECT_EQ(Fill(100, fresh).progress.ahead_ms, 10'000);
}

TEST_F(ProgressCoreTest, TheTimeOfTheFirstWaitingRecordIsRememberedAsLongAsItIsTheFirst) {
  PartitionSnapshot waiting = PartitionOf(0, 5, 0, 10);
  waiting.first_waiting_ms = 123;
  Note(0, waiting);
  EXPECT_EQ(Fill(5, PartitionOf(0, 5, 0, 99)).first_waiting_ms, 123);
  EXPECT_EQ(Fill(5, PartitionOf(0, 6, 0, 99)).first_waiting_ms, std::nullopt);
  EXPECT_EQ(Fill(5, PartitionOf(0, 5, 7, 99)).first_waiting_ms, std::nullopt) << "the log begins above it";
}

TEST_F(ProgressCoreTest, OnlySoManyPartitionsAreRememberedAndThoseGoneAreForgotten) {
  GroupSnapshot group = GroupOf({}, {PartitionOf(0, 0, 0, 1), PartitionOf(1, 0, 0, 1), PartitionOf(2, 0, 0, 1), PartitionOf(3, 0, 0, 1)});
  core_.Note(group, 0);
  EXPECT_EQ(core_.partitions(), 3u);
  group.partitions.resize(1);
  core_.Note(group, 1);
  EXPECT_EQ(core_.partitions(), 1u);
  group.group = "other";
  core_.Note(group, 5);
  core_.ForgetOlderThan(5);
  EXPECT_EQ(core_.partitions(), 1u);
  core_.ForgetOlderThan(6);
  EXPECT_EQ(core_.partitions(), 0u);
}

}  // namespace
}  // namespace cordwood::broker
