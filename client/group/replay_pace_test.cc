// SPDX-License-Identifier: Apache-2.0
// The pace of a replay job, by a clock that stands where it is put.
#include "client/group/replay_pace.h"

#include <gtest/gtest.h>

#include <limits>

namespace cordwood::client {
namespace {

using State = MemberReplay::State;

constexpr absl::Duration At(std::int64_t ms) { return absl::Milliseconds(ms); }

MemberReplay Rate(std::int64_t bytes_per_second, State state = State::kRunning) { return {state, bytes_per_second, std::nullopt, At(0)}; }
MemberReplay Original(std::int64_t clock_ms, absl::Duration told) { return {State::kRunning, 0, clock_ms, told}; }

// Bytes that are handed out by then, `each` a record, by one that takes what it may as soon as it may.
std::uint64_t GivenBy(ReplayPace& pace, absl::Duration from, absl::Duration end, std::uint64_t each) {
  std::uint64_t given = 0;
  for (absl::Duration now = from; now < end;) {
    if (pace.holds(now)) {
      now = pace.holds_until(now);
      continue;
    }
    const std::size_t records = pace.records_max(10'000);
    pace.Gave(records, records * each, now);
    given += records * each;
  }
  return given;
}

TEST(ReplayPaceTest, AGroupThatIsNoJobIsNotHeldBack) {
  ReplayPace pace;
  EXPECT_FALSE(pace.holds(At(0)));
  EXPECT_EQ(pace.records_max(500), 500u);
  pace.Gave(500, 1'000'000'000, At(0));
  EXPECT_FALSE(pace.holds(At(0)));
  pace.Take(Rate(0), At(0));
  pace.Gave(500, 1'000'000'000, At(0));
  EXPECT_FALSE(pace.holds(At(0)));
  EXPECT_EQ(pace.due_ms(At(0)), std::nullopt);
}

TEST(ReplayPaceTest, OverTenSecondsTheRateIsKeptToAStep) {
  for (const std::uint64_t each : {1u, 100u, 10'000u, 2'000'000u}) {
    ReplayPace pace;
    pace.Take(Rate(5'000'000), At(0));
    const std::uint64_t given = GivenBy(pace, At(0), At(10'000), each);
    EXPECT_GE(given, 49'000'000u) << each;
    EXPECT_LE(given, 50'000'000u + std::max<std::uint64_t>(500'000, 10 * each)) << each;
  }
}

TEST(ReplayPaceTest, AStepIsATenthOfASecond) {
  ReplayPace pace;
  pace.Take(Rate(1'000'000), At(0));
  pace.Gave(10, 1'000, At(0));
  EXPECT_EQ(pace.records_max(10'000), 1'000u);  // of 100 bytes
  pace.Gave(1'000, 100'000, At(1));
  EXPECT_TRUE(pace.holds(At(50)));
  EXPECT_EQ(pace.holds_until(At(1)), At(101));
  EXPECT_FALSE(pace.holds(At(101)));
}

TEST(ReplayPaceTest, UntilTheSizeOfRecordsIsKnownOneIsGiven) {
  ReplayPace pace;
  pace.Take(Rate(1'000), At(0));
  EXPECT_EQ(pace.records_max(10'000), 1u);
  EXPECT_LE(GivenBy(pace, At(0), At(10'000), 4'000), 14'000u);
}

TEST(ReplayPaceTest, IdleTimeIsMadeUpForByAStepAlone) {
  ReplayPace pace;
  pace.Take(Rate(1'000'000), At(0));
  pace.Gave(1, 1, At(0));
  const std::uint64_t given = GivenBy(pace, At(60'000), At(61'000), 100);
  EXPECT_LE(given, 1'200'100u);
}

TEST(ReplayPaceTest, AnotherShareCountsFromWhereItIsTold) {
  ReplayPace pace;
  pace.Take(Rate(1'000), At(0));
  pace.Gave(10, 1'000, At(0));
  EXPECT_EQ(pace.holds_until(At(0)), At(1'000));
  pace.Take(Rate(2'000), At(500));
  EXPECT_EQ(pace.holds_until(At(500)), At(750));
}

TEST(ReplayPaceTest, PausedCancelledAndDoneHoldUntilTold) {
  ReplayPace pace;
  for (const State state : {State::kPaused, State::kCancelled, State::kDone}) {
    pace.Take(Rate(0, state), At(0));
    EXPECT_TRUE(pace.holds(At(1'000'000)));
    EXPECT_EQ(pace.holds_until(At(0)), absl::InfiniteDuration());
  }
  pace.Take(Rate(0), At(5));
  EXPECT_FALSE(pace.holds(At(5)));
}

TEST(ReplayPaceTest, TheClockOfTheOriginalPaceGoesOnFromWhereItWasTold) {
  ReplayPace pace;
  pace.Take(Original(1'700'000, At(100)), At(100));
  EXPECT_EQ(pace.due_ms(At(100)), 1'700'000);
  EXPECT_EQ(pace.due_ms(At(350)), 1'700'250);
  EXPECT_EQ(pace.due_at(1'700'250), At(350));
  EXPECT_EQ(pace.due_ms(pace.due_at(1'700'777)), 1'700'777);
  EXPECT_FALSE(pace.holds(At(100)));
  EXPECT_LE(pace.due_at(std::numeric_limits<std::int64_t>::min()), At(100));
}

}  // namespace
}  // namespace cordwood::client
