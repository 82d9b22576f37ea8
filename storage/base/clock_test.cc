// SPDX-License-Identifier: Apache-2.0
// Facts about both clocks.
#include "storage/base/clock.h"

#include <gtest/gtest.h>

#include <thread>

#include "storage/base/thread_name.h"

namespace cordwood {
namespace {

TEST(ClockTest, SystemClockIsPastTheYear2020AndMonotonicNeverGoesBack) {
  Clock& clock = Clock::System();
  EXPECT_GT(clock.WallMs(), 1'577'836'800'000);
  const absl::Duration before = clock.Monotonic();
  EXPECT_GE(clock.Monotonic(), before);
}

TEST(ClockTest, SimulatedClockMovesBothTimesByTheSame) {
  SimulatedClock clock(1000);
  clock.Advance(absl::Seconds(2));
  EXPECT_EQ(clock.WallMs(), 3000);
  EXPECT_EQ(clock.Monotonic(), absl::Seconds(2));
}

TEST(ClockTest, SettingTheWallBackLeavesTheMonotonicTime) {
  SimulatedClock clock(1000);
  clock.Advance(absl::Seconds(2));
  clock.SetWall(5);
  EXPECT_EQ(clock.WallMs(), 5);
  EXPECT_EQ(clock.Monotonic(), absl::Seconds(2));
}

TEST(ClockDeathTest, SimulatedClockRefusesToGoBack) {
  SimulatedClock clock;
  EXPECT_DEATH(clock.Advance(absl::Milliseconds(-1)), "check failed: by >= absl::ZeroDuration");
}

TEST(ThreadNameTest, LongNameIsCutTo15Bytes) {
  std::thread([] {
    SetThreadName("a-rather-long-thread-name");
    char name[16] = "";
    ASSERT_EQ(pthread_getname_np(pthread_self(), name, sizeof name), 0);
    EXPECT_STREQ(name, "a-rather-long-t");
  }).join();
}

}  // namespace
}  // namespace cordwood
