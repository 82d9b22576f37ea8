// SPDX-License-Identifier: Apache-2.0
// Waiters are woken once, in order, and may come and go meanwhile.
#include "broker/handlers/fetch_waits.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

namespace cordwood::broker {
namespace {

constexpr PartitionId kP{1};
constexpr PartitionId kQ{2};

struct Waiter final : FetchWaiter {
  Waiter(std::string* log, std::string name) : log(log), name(std::move(name)) {}
  void OnNews() override {
    *log += name;
    if (then) then();
  }
  std::string* log;
  std::string name;
  std::function<void()> then;
};

class FetchWaitsTest : public ::testing::Test {
 protected:
  FetchWaits waits_;
  std::string log_;
  Waiter a_{&log_, "a"};
  Waiter b_{&log_, "b"};
};

TEST_F(FetchWaitsTest, WakesThoseOfThePartitionOnceAndInOrder) {
  waits_.Park(kP, b_);
  waits_.Park(kP, a_);
  waits_.Wake(kQ);
  EXPECT_EQ(log_, "");
  waits_.Wake(kP);
  waits_.Wake(kP);
  EXPECT_EQ(log_, "ba");
  EXPECT_FALSE(a_.waiting());
}

TEST_F(FetchWaitsTest, WaitersAreCountedHoweverTheyLeave) {
  {
    Waiter gone(&log_, "g");
    waits_.Park(kQ, gone);
    waits_.Park(kP, a_);
    waits_.Park(kP, b_);
    EXPECT_EQ(waits_.waiters(), 3u);
  }
  EXPECT_EQ(waits_.waiters(), 2u);
  b_.Leave();
  b_.Leave();
  EXPECT_EQ(waits_.waiters(), 1u);
  waits_.Wake(kP);
  EXPECT_EQ(waits_.waiters(), 0u);
}

TEST_F(FetchWaitsTest, OneThatParksAgainWaitsForTheNextNews) {
  a_.then = [&] { waits_.Park(kP, a_); };
  waits_.Park(kP, a_);
  waits_.Wake(kP);
  EXPECT_EQ(log_, "a");
  waits_.Wake(kP);
  EXPECT_EQ(log_, "aa");
}

TEST_F(FetchWaitsTest, OneThatIsDestroyedOrLeavesIsNotWoken) {
  auto gone = std::make_unique<Waiter>(&log_, "gone");
  waits_.Park(kP, a_);
  waits_.Park(kP, *gone);
  waits_.Park(kP, b_);
  a_.then = [&] {
    gone.reset();
    b_.Leave();
  };
  waits_.Wake(kP);
  EXPECT_EQ(log_, "a");
}

}  // namespace
}  // namespace cordwood::broker
