// SPDX-License-Identifier: Apache-2.0
// Timers fire once, in order, never early, and may do anything to each other.
#include "broker/handlers/timer_wheel.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <vector>

namespace cordwood::broker {
namespace {

constexpr absl::Duration Ms(int ms) { return absl::Milliseconds(ms); }

TEST(TimerWheelTest, FiresInOrderAndNeverEarly) {
  TimerWheel wheel(Ms(0));
  std::string fired;
  Timer a([&] { fired += "a"; });
  Timer b([&] { fired += "b"; });
  wheel.Arm(b, Ms(20));
  wheel.Arm(a, Ms(10));
  wheel.Advance(Ms(9));
  EXPECT_EQ(fired, "");
  wheel.Advance(Ms(16));
  EXPECT_EQ(fired, "a");
  wheel.Advance(Ms(100));
  EXPECT_EQ(fired, "ab");
  EXPECT_EQ(wheel.armed(), 0u);
}

TEST(TimerWheelTest, NextWakeIsInfiniteWithoutTimersAndNeverLate) {
  TimerWheel wheel(Ms(0));
  EXPECT_EQ(wheel.NextWake(), absl::InfiniteDuration());
  Timer far([] {});
  wheel.Arm(far, Ms(60'000));
  EXPECT_LE(wheel.NextWake(), Ms(60'004));
  Timer near([] {});
  wheel.Arm(near, Ms(50));
  EXPECT_GE(wheel.NextWake(), Ms(50));
  EXPECT_LE(wheel.NextWake(), Ms(54));
}

TEST(TimerWheelTest, ADeadlineRoundsAwayWaitsForItsRound) {
  TimerWheel wheel(Ms(0));
  int fired = 0;
  Timer far([&] { ++fired; });
  wheel.Arm(far, Ms(10'000));
  for (int now = 100; now < 10'000; now += 100) wheel.Advance(Ms(now));
  EXPECT_EQ(fired, 0);
  wheel.Advance(Ms(10'004));
  EXPECT_EQ(fired, 1);
}

TEST(TimerWheelTest, ACallbackMayCancelDestroyAndRearm) {
  TimerWheel wheel(Ms(0));
  std::string fired;
  auto victim = std::make_unique<Timer>([&] { fired += "victim"; });
  std::unique_ptr<Timer> self;
  Timer again([&] { fired += "r"; });
  self = std::make_unique<Timer>([&] {
    fired += "s";
    victim->Cancel();
    wheel.Arm(again, Ms(1));
    self.reset();
  });
  wheel.Arm(*self, Ms(8));
  wheel.Arm(*victim, Ms(8));
  wheel.Advance(Ms(50));
  wheel.Advance(Ms(60));
  EXPECT_EQ(fired, "sr");
}

TEST(TimerWheelTest, AgreesWithASortedListUnderRandomUse) {
  std::mt19937 random(1);
  TimerWheel wheel(Ms(0));
  int now = 0;
  int late = 0;
  std::vector<std::unique_ptr<Timer>> timers;
  std::vector<int> due(200, 0);
  for (int i = 0; i < 200; ++i) timers.push_back(std::make_unique<Timer>([&, i] { late += now < due[i] || now > due[i] + 40; }));
  for (int step = 0; step < 20'000; ++step) {
    const int i = static_cast<int>(random() % 200);
    due[i] = now + static_cast<int>(random() % 9000);
    wheel.Arm(*timers[i], Ms(due[i]));
    now += static_cast<int>(random() % 30);
    wheel.Advance(Ms(now));
  }
  EXPECT_EQ(late, 0);
}

}  // namespace
}  // namespace cordwood::broker
