// SPDX-License-Identifier: Apache-2.0
#include "client/cli/bench/open_loop.h"

#include <gmock/gmock.h>

#include <cstdint>
#include <vector>

namespace cordwood::client {
namespace {

// A clock that stands still but for sleeps and for Pass().
class OpenLoopTest : public ::testing::Test {
 protected:
  OpenLoop Make(double per_second, double offset = 0) {
    return OpenLoop(per_second, offset, now_, [this] { return now_; }, [this](std::int64_t ns) {
      ++sleeps_;
      now_ = ns;
    });
  }
  void Pass(std::int64_t ns) { now_ += ns; }
  std::int64_t Next(OpenLoop& loop) {
    return loop.Next([] { return false; }) - kStart;
  }

  static constexpr std::int64_t kStart = 1'000'000'000'000;
  std::int64_t now_ = kStart;
  int sleeps_ = 0;
};

TEST_F(OpenLoopTest, RecordsAreDueAtEqualDistancesFromTheStart) {
  OpenLoop loop = Make(1000);
  for (std::int64_t n = 0; n < 5; ++n) {
    EXPECT_EQ(Next(loop), n * 1'000'000);
    EXPECT_EQ(now_ - kStart, n * 1'000'000);
  }
}

TEST_F(OpenLoopTest, AStallIsCountedByEveryRecordThatWouldHaveMetIt) {
  OpenLoop loop = Make(1000);
  Next(loop);
  Pass(5'000'000);  // Send() waited for the broker
  std::vector<std::int64_t> lateness;
  const int before = sleeps_;
  for (int n = 1; n <= 5; ++n) lateness.push_back(now_ - kStart - Next(loop));
  EXPECT_THAT(lateness, testing::ElementsAre(4'000'000, 3'000'000, 2'000'000, 1'000'000, 0));
  EXPECT_EQ(sleeps_, before);  // what was missed goes out at once
  EXPECT_EQ(Next(loop), 6'000'000);
  EXPECT_EQ(sleeps_, before + 1);
}

TEST_F(OpenLoopTest, ASleepThatEndsEarlyGoesOn) {
  OpenLoop loop(1000, 0, now_, [this] { return now_; }, [this](std::int64_t) { now_ += 400'000; });
  Next(loop);
  EXPECT_EQ(Next(loop), 1'000'000);
  EXPECT_EQ(now_ - kStart, 1'200'000);
}

TEST_F(OpenLoopTest, RoundingDoesNotAddUp) {
  OpenLoop loop = Make(3);
  std::int64_t due = 0;
  for (int n = 0; n <= 3'000'000; ++n) due = Next(loop);
  EXPECT_NEAR(static_cast<double>(due), 1e15, 1000);
}

TEST_F(OpenLoopTest, SendersThatShareARateTakeTurns) {
  OpenLoop first = Make(500);
  OpenLoop second = Make(500, 0.5);
  EXPECT_EQ(Next(first), 0);
  EXPECT_EQ(Next(second), 1'000'000);
  EXPECT_EQ(Next(first), 2'000'000);
  EXPECT_EQ(Next(second), 3'000'000);
}

TEST_F(OpenLoopTest, WithoutARateARecordIsDueWhenItIsAskedFor) {
  OpenLoop loop = Make(0);
  EXPECT_EQ(Next(loop), 0);
  Pass(7);
  EXPECT_EQ(Next(loop), 7);
  EXPECT_EQ(sleeps_, 0);
}

TEST_F(OpenLoopTest, StoppingEndsTheWait) {
  OpenLoop loop = Make(1);
  Next(loop);
  int asked = 0;
  loop.Next([&] { return ++asked == 1; });
  EXPECT_EQ(now_, kStart);
}

}  // namespace
}  // namespace cordwood::client
