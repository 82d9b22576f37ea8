// SPDX-License-Identifier: Apache-2.0
// Which write-ahead log records may be replayed.
#include "storage/log/sequence_gate.h"

#include <gtest/gtest.h>

namespace cordwood {
namespace {

TEST(SequenceGateTest, GaplessRecordsAllPass) {
  SequenceGate gate(10);
  EXPECT_TRUE(gate.Admit(11, 3));
  EXPECT_TRUE(gate.Admit(14, 1));
  EXPECT_TRUE(gate.Admit(15, 100));
  EXPECT_EQ(gate.last(), 114u);
  EXPECT_FALSE(gate.stopped());
}

TEST(SequenceGateTest, AHoleStopsForGood) {
  SequenceGate gate(10);
  EXPECT_TRUE(gate.Admit(11, 3));
  EXPECT_FALSE(gate.Admit(15, 1));
  EXPECT_TRUE(gate.stopped());
  EXPECT_FALSE(gate.Admit(14, 1));  // the missing one, too late
  EXPECT_EQ(gate.last(), 13u);
}

TEST(SequenceGateTest, AHoleRightBehindTheTableFilesStops) {
  SequenceGate gate(10);
  EXPECT_FALSE(gate.Admit(12, 1));
  EXPECT_EQ(gate.last(), 10u);
}

TEST(SequenceGateTest, HolesBelowTheTableFilesDoNotMatter) {
  SequenceGate gate(100);
  EXPECT_TRUE(gate.Admit(5, 2));
  EXPECT_TRUE(gate.Admit(50, 51));
  EXPECT_EQ(gate.last(), 100u);
  EXPECT_TRUE(gate.Admit(101, 1));
  EXPECT_EQ(gate.last(), 101u);
}

TEST(SequenceGateTest, FirstRecordMayBeginInsideTheTableFiles) {
  SequenceGate gate(100);
  EXPECT_TRUE(gate.Admit(99, 5));
  EXPECT_EQ(gate.last(), 103u);
  EXPECT_TRUE(gate.Admit(104, 1));
}

TEST(SequenceGateTest, GoingBackBehindAnAdmittedRecordStops) {
  SequenceGate gate(10);
  EXPECT_TRUE(gate.Admit(11, 5));
  EXPECT_FALSE(gate.Admit(13, 3));
  EXPECT_EQ(gate.last(), 15u);
}

TEST(SequenceGateTest, RecordsInsideTheTableFilesPassEvenAfterNewerOnes) {
  SequenceGate gate(10);
  EXPECT_TRUE(gate.Admit(11, 5));
  EXPECT_TRUE(gate.Admit(9, 2));
  EXPECT_EQ(gate.last(), 15u);
}

TEST(SequenceGateTest, EmptyRecordUsesNoNumber) {
  SequenceGate gate(10);
  EXPECT_TRUE(gate.Admit(11, 0));
  EXPECT_TRUE(gate.Admit(11, 2));
  EXPECT_TRUE(gate.Admit(13, 0));
  EXPECT_EQ(gate.last(), 12u);
  EXPECT_FALSE(gate.Admit(14, 0));
}

TEST(SequenceGateTest, EmptyStoreStartsAtOne) {
  SequenceGate gate(0);
  EXPECT_TRUE(gate.Admit(1, 1));
  EXPECT_EQ(gate.last(), 1u);
}

TEST(SequenceGateTest, WrappingNumbersStop) {
  SequenceGate gate(10);
  EXPECT_FALSE(gate.Admit(11, UINT64_MAX));
  EXPECT_EQ(gate.last(), 10u);
}

// A torn write-ahead log: drop each record in turn, everything before it survives and nothing after it.
TEST(SequenceGateTest, AnyMissingRecordEndsTheLogThere) {
  for (std::uint64_t missing = 1; missing <= 50; ++missing) {
    SequenceGate gate(0);
    for (std::uint64_t i = 1; i <= 50; ++i) {
      if (i != missing) {
        EXPECT_EQ(gate.Admit(3 * i - 2, 3), i < missing);
      }
    }
    EXPECT_EQ(gate.last(), 3 * (missing - 1));
  }
}

}  // namespace
}  // namespace cordwood
