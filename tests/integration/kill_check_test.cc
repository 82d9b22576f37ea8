// SPDX-License-Identifier: Apache-2.0
// The campaign can fail: each kind of damage is counted as what it is.
#include "tests/integration/kill_check.h"

#include <gtest/gtest.h>

namespace cordwood::testing {
namespace {

// Producer "p" made 5 records in batches of 1 at offsets 0 to 4; the first 4 were acknowledged.
class KillCheckTest : public ::testing::Test {
 protected:
  KillCheckTest() {
    KillProducer::Lane& lane = promises_["p"];
    lane.made = 5;
    lane.acknowledged = 4;
    for (int i = 0; i < 4; ++i) lane.offsets[i] = i;
  }
  // "lost reordered doubled" of a log with these counters.
  std::string Check(const std::vector<int>& counters, bool exact = false) {
    std::vector<v1::Record> records;
    for (const int counter : counters) {
      v1::Record& record = records.emplace_back();
      record.set_offset(static_cast<std::int64_t>(records.size()) - 1);
      record.set_value(NumberedValue("p", counter, 3));
    }
    const KillCounts counts = CheckPartition(records, promises_, exact);
    return std::to_string(counts.lost) + " " + std::to_string(counts.reordered) + " " + std::to_string(counts.doubled);
  }
  Promises promises_;
};

TEST_F(KillCheckTest, WhatWasAcknowledgedIsEnough) {
  EXPECT_EQ(Check({0, 1, 2, 3}), "0 0 0");
  EXPECT_EQ(Check({0, 1, 2, 3, 4}), "0 0 0");
}

TEST_F(KillCheckTest, WithNothingInFlightAllMustBeThere) {
  EXPECT_EQ(Check({0, 1, 2, 3}, true), "1 0 0");
  EXPECT_EQ(Check({0, 1, 2, 3, 4}, true), "0 0 0");
}

TEST_F(KillCheckTest, ALostTailIsLost) { EXPECT_EQ(Check({0, 1, 2}), "1 0 0"); }

TEST_F(KillCheckTest, AHoleIsLostAndOutOfPlace) { EXPECT_EQ(Check({0, 2, 3}), "3 1 0"); }

TEST_F(KillCheckTest, ASwapIsReordered) { EXPECT_EQ(Check({0, 2, 1, 3}), "2 3 0"); }

TEST_F(KillCheckTest, ARepetitionIsDoubled) { EXPECT_EQ(Check({0, 1, 2, 3, 3}), "0 0 1"); }

TEST_F(KillCheckTest, ARecordThatNobodyMadeIsDoubled) { EXPECT_EQ(Check({0, 1, 2, 3, 4, 5}), "0 0 1"); }

TEST_F(KillCheckTest, AStrangersRecordIsDoubled) {
  v1::Record stranger;
  stranger.set_value("who knows");
  EXPECT_EQ(CheckPartition({stranger}, Promises(), false).doubled, 1);
}

TEST(KillPlanTest, ASeedRepeatsItsSchedule) {
  const KillPlan one = PlanRound(7, 3), same = PlanRound(7, 3), other = PlanRound(7, 4);
  EXPECT_EQ(one.seed, same.seed);
  EXPECT_EQ(one.producers[4].seed, same.producers[4].seed);
  EXPECT_NE(one.seed, other.seed);
}

}  // namespace
}  // namespace cordwood::testing
