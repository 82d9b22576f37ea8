// SPDX-License-Identifier: Apache-2.0
// Positions against what a log holds.
#include "client/consumer_offsets.h"

#include <gtest/gtest.h>

namespace cordwood::client {
namespace {

constexpr PartitionOffsets kLog{100, 250};

std::int64_t At(const cordwood::Position& position, OffsetReset reset = OffsetReset::kError, std::int64_t by_time = -1) {
  return OffsetOf(position, kLog, reset, by_time).value_or(Offset(-1)).value();
}

using P = cordwood::Position;

TEST(OffsetOfTest, BothEndsArePositions) {
  EXPECT_EQ(At(P::Start()), 100);
  EXPECT_EQ(At(P::End()), 250);
  EXPECT_EQ(At(P::At(100)), 100);
  EXPECT_EQ(At(P::At(250)), 250);
}

TEST(OffsetOfTest, LastCountsFromTheEndAndStopsAtTheStart) {
  EXPECT_EQ(At(P::Last(0)), 250);
  EXPECT_EQ(At(P::Last(150)), 100);
  EXPECT_EQ(At(P::Last(151)), 100);
  EXPECT_EQ(At(P::Last(INT64_MAX)), 100);
  EXPECT_EQ(ReasonOf(OffsetOf(P::Last(-1), kLog, OffsetReset::kStart, 0).status()), Reason::kInvalidRequest);
}

TEST(OffsetOfTest, OutsideTheLogThePolicyDecides) {
  for (const std::int64_t outside : {std::int64_t{-1}, std::int64_t{99}, std::int64_t{251}, INT64_MAX, INT64_MIN}) {
    EXPECT_EQ(ReasonOf(OffsetOf(P::At(outside), kLog, OffsetReset::kError, 0).status()), Reason::kOffsetOutOfRange) << outside;
    EXPECT_EQ(At(P::At(outside), OffsetReset::kStart), 100);
    EXPECT_EQ(At(P::At(outside), OffsetReset::kEnd), 250);
  }
  EXPECT_EQ(MessageOf(OffsetOf(P::At(99), kLog, OffsetReset::kError, 0).status()),
            "offset 99 is below the log start: the log starts at 100 and ends at 250");
}

TEST(OffsetOfTest, ATimeIsWhereTheBrokerSaysButInTheLog) {
  EXPECT_EQ(At(P::From(Timestamp()), OffsetReset::kError, 170), 170);
  EXPECT_EQ(At(P::From(Timestamp()), OffsetReset::kError, 7), 100);
  EXPECT_EQ(At(P::From(Timestamp()), OffsetReset::kError, 300), 250);
}

}  // namespace
}  // namespace cordwood::client
