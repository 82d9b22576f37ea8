// SPDX-License-Identifier: Apache-2.0
// What the budget gives, what it refuses, and that it always lets one message through.
#include "broker/handlers/byte_budget.h"

#include <gtest/gtest.h>

namespace cordwood::broker {
namespace {

TEST(ByteBudgetTest, RefusesMoreThanIsFree) {
  ByteBudget budget(10);
  EXPECT_TRUE(budget.TryTake(10));
  EXPECT_FALSE(budget.TryTake(1));
  budget.Give(1);
  EXPECT_TRUE(budget.TryTake(1));
}

TEST(ByteLeaseTest, TakesTheBudgetInStepsAndGivesTheSurplusBack) {
  ByteBudget budget(4 * kLeaseStepBytes);
  ByteLease lease(budget);
  lease.Take(1);
  EXPECT_EQ(budget.free_bytes(), 3 * kLeaseStepBytes);
  lease.Take(3 * kLeaseStepBytes);
  EXPECT_EQ(budget.free_bytes(), 0);
  lease.Give(3 * kLeaseStepBytes);
  EXPECT_EQ(budget.free_bytes(), 2 * kLeaseStepBytes);
}

TEST(ByteLeaseTest, WhoHasOverdrawnTheBudgetHasNoRoomUntilItIsPaidBack) {
  ByteBudget budget(2 * kLeaseStepBytes);
  ByteLease lease(budget);
  for (int message = 0; message < 2; ++message) {
    EXPECT_TRUE(lease.HasRoom());
    lease.Take(kLeaseStepBytes + 1);
  }
  EXPECT_FALSE(lease.HasRoom());
  lease.Give(kLeaseStepBytes + 1);
  EXPECT_TRUE(lease.HasRoom());
}

TEST(ByteLeaseTest, ASpentBudgetLetsAThreadThatHoldsNothingTakeOneMessage) {
  ByteBudget budget(kLeaseStepBytes);
  ByteLease greedy(budget);
  greedy.Take(kLeaseStepBytes);
  ByteLease lease(budget);
  EXPECT_TRUE(lease.HasRoom());
  lease.Take(100);
  EXPECT_TRUE(lease.HasRoom()) << "the overdraft is a whole step";
  lease.Take(kLeaseStepBytes);
  lease.Take(kLeaseStepBytes - 100);
  EXPECT_FALSE(lease.HasRoom());
}

TEST(ByteChargeTest, GivesBackOnceWhereverItWent) {
  ByteBudget budget;
  ByteLease lease(budget);
  int rooms = 0;
  lease.OnRoom([&] { ++rooms; });
  {
    ByteCharge charge(lease, 100);
    ByteCharge moved = std::move(charge);
    EXPECT_EQ(moved.bytes(), 100u);
    EXPECT_EQ(lease.used(), 100);
  }
  EXPECT_EQ(lease.used(), 0);
  EXPECT_EQ(rooms, 1);
}

}  // namespace
}  // namespace cordwood::broker
