// SPDX-License-Identifier: Apache-2.0
// What the ring finds, what it forgets, and that its budget holds.
#include "broker/handlers/tail_ring.h"

#include <gtest/gtest.h>

#include <string>

namespace cordwood::broker {
namespace {

constexpr PartitionId kP{7};

PublishedBatch Batch(std::int64_t base, std::int64_t end, std::size_t size = 100) {
  return PublishedBatch{SharedBytes::CopyOf(std::string(size, 'x')), Offset(base), Offset(end)};
}

class TailRingTest : public ::testing::Test {
 protected:
  // "[base,end) …" of what is found.
  std::string Find(std::int64_t from, std::int64_t end, std::size_t bytes_max = 1'000'000) const {
    std::string text;
    const bool found = ring_.Find(kP, Offset(from), Offset(end), bytes_max, [&](const PublishedBatch& batch) {
      text += "[" + ToString(batch.base) + "," + ToString(batch.end) + ")";
      return true;
    });
    EXPECT_EQ(found, !text.empty());
    return text;
  }
  TailRing ring_{10'000};
};

TEST_F(TailRingTest, FindsTheBatchThatContainsTheOffsetAndWhatFollows) {
  ring_.Insert(kP, Batch(10, 20));
  ring_.Insert(kP, Batch(20, 21));
  ring_.Insert(kP, Batch(21, 30));
  EXPECT_EQ(Find(10, 30), "[10,20)[20,21)[21,30)");
  EXPECT_EQ(Find(15, 30), "[10,20)[20,21)[21,30)");
  EXPECT_EQ(Find(20, 30), "[20,21)[21,30)");
  EXPECT_EQ(Find(29, 30), "[21,30)");
}

TEST_F(TailRingTest, GivesNothingBelowItsOldestNorAboveTheEnd) {
  ring_.Insert(kP, Batch(10, 20));
  EXPECT_EQ(Find(9, 30), "");
  EXPECT_EQ(Find(20, 30), "");
  EXPECT_EQ(Find(10, 19), "") << "a batch is visible as a whole or not at all";
  EXPECT_EQ(Find(10, 20), "[10,20)");
}

TEST_F(TailRingTest, TheFirstBatchIsGivenWhateverItsSize) {
  ring_.Insert(kP, Batch(0, 1, 500));
  ring_.Insert(kP, Batch(1, 2, 500));
  EXPECT_EQ(Find(0, 2, 1), "[0,1)");
  EXPECT_EQ(Find(0, 2, 999), "[0,1)");
  EXPECT_EQ(Find(0, 2, 1000), "[0,1)[1,2)");
}

TEST_F(TailRingTest, ABatchThatDoesNotFollowForgetsTheOlderOnes) {
  ring_.Insert(kP, Batch(0, 10));
  ring_.Insert(kP, Batch(5, 6));
  EXPECT_EQ(Find(0, 10), "");
  EXPECT_EQ(Find(5, 10), "[5,6)");
}

TEST_F(TailRingTest, TheOldestOfAllPartitionsGoFirst) {
  for (int i = 0; i < 4; ++i) {
    ring_.Insert(kP, Batch(i, i + 1, 1000));
    ring_.Insert(PartitionId(8), Batch(i, i + 1, 1000));
  }
  EXPECT_LE(ring_.bytes(), 10'000u);
  EXPECT_EQ(Find(0, 4), "");
  EXPECT_EQ(Find(1, 4), "[1,2)[2,3)[3,4)");
}

TEST_F(TailRingTest, WhatComesAndIsForgottenLeavesNothingBehind) {
  ring_.Insert(PartitionId(1), Batch(0, 1));
  for (std::uint64_t i = 2; i < 10'000; ++i) {
    ring_.Insert(PartitionId(i + 10), Batch(0, 1, 10));
    ring_.Forget(PartitionId(i + 10));
    ring_.Insert(kP, Batch(0, 1, 10));  // does not follow itself: the same place again and again
    ASSERT_LE(ring_.ages(), 2 * 3 + TailRing::kAgesSlack);
  }
  EXPECT_EQ(ring_.EndOf(PartitionId(1)), Offset(1)) << "what is not forgotten stays";
}

TEST_F(TailRingTest, CountsToNothingWhenAllIsForgotten) {
  for (int i = 0; i < 100; ++i) ring_.Insert(PartitionId(static_cast<std::uint64_t>(i)), Batch(0, 1, 10));
  EXPECT_LE(ring_.bytes(), 10'000u);
  for (int i = 0; i < 100; ++i) ring_.Forget(PartitionId(static_cast<std::uint64_t>(i)));
  EXPECT_EQ(ring_.bytes(), 0u);
  EXPECT_EQ(ring_.partitions(), 0u);
}

}  // namespace
}  // namespace cordwood::broker
