// SPDX-License-Identifier: Apache-2.0
// Looks at living groups over a real coordinator and a real shard.
#include "broker/groups/lag/lag_driver.h"

#include <gtest/gtest.h>

#include "broker/groups/coordinator/coordinator_fixture.h"
#include "broker/groups/lag/group_lag.h"

namespace cordwood::broker {
namespace {

class LagDriverTest : public CoordinatorFixture {
 protected:
  void SetUp() override { lag_ = std::make_unique<LagDriver>(*driver_, *table_, LagDriverOptions(), clock_); }
  void CommitAt(const std::string& group, std::int64_t offset) { ASSERT_EQ(Commit(group, CommitOf(0, At("t", 0), offset))->at(0), absl::OkStatus()); }

  std::unique_ptr<LagDriver> lag_;
};

TEST_F(LagDriverTest, AGroupIsSeenAsItIsNow) {
  CommitAt("g", 0);
  const StatusOr<GroupSnapshot> group = lag_->Look("g");
  ASSERT_TRUE(group.ok()) << group.status();
  ASSERT_EQ(group->partitions.size(), 1u);
  EXPECT_EQ(group->partitions[0].topic, "t");
  EXPECT_EQ(LagOf(group->partitions[0]), 0);
  EXPECT_EQ(group->wall_ms, clock_.WallMs());
}

TEST_F(LagDriverTest, AGroupThatDoesNotExistIsSaidToBeUnknown) {
  CommitAt("g", 0);
  EXPECT_EQ(ReasonOf(lag_->Look("h").status()), Reason::kGroupIdNotFound);
}

TEST_F(LagDriverTest, GroupsAreListedInOrder) {
  CommitAt("b", 0);
  CommitAt("a", 0);
  const auto groups = lag_->List();
  ASSERT_TRUE(groups.ok()) << groups.status();
  ASSERT_EQ(groups->size(), 2u);
  EXPECT_EQ(groups->at(0).group + " " + groups->at(0).state, "a empty");
  EXPECT_EQ(groups->at(1).committed_partitions, 1u);
}

TEST_F(LagDriverTest, ARoundMeasuresEveryGroupAndIsRemembered) {
  EXPECT_TRUE(lag_->round()->groups.empty());
  CommitAt("g", 0);
  lag_->LookAround();
  ASSERT_EQ(lag_->round()->groups.size(), 1u);
  EXPECT_EQ(lag_->round()->groups[0].group, "g");
  ASSERT_NE(lag_->round()->Find("g"), nullptr);
  EXPECT_EQ(lag_->round()->Find("g")->group, "g");
  EXPECT_EQ(lag_->round()->Find("h"), nullptr);
  EXPECT_EQ(lag_->round()->unmeasured, 0u);
  Advance(absl::Seconds(10));
  EXPECT_EQ(lag_->Look("g")->partitions[0].progress.consume_rate, 0.0);
}

TEST_F(LagDriverTest, WhoAsksTwiceKnowsTheRateBeforeTheFirstRound) {
  CommitAt("g", 0);
  EXPECT_EQ(lag_->Look("g")->partitions[0].progress.consume_rate, std::nullopt);
  Advance(absl::Seconds(2));
  EXPECT_EQ(lag_->Look("g")->partitions[0].progress.consume_rate, 0.0);
}

TEST_F(LagDriverTest, GroupsBeyondTheBoundAreCountedAsUnmeasured) {
  CommitAt("g", 0);
  CommitAt("h", 0);
  LagDriverOptions options;
  options.partitions_max = 1;
  LagDriver narrow(*driver_, *table_, options, clock_);
  narrow.LookAround();
  EXPECT_EQ(narrow.round()->groups.size(), 1u);
  EXPECT_EQ(narrow.round()->unmeasured, 1u);
}

TEST_F(LagDriverTest, AMemberIsSeenAsItJoined) {
  const StreamId stream = Join("g", "m");
  EXPECT_EQ(Next(stream).substr(0, 7), "welcome");
  const StatusOr<GroupSnapshot> group = lag_->Look("g");
  ASSERT_TRUE(group.ok()) << group.status();
  ASSERT_EQ(group->members.size(), 1u);
  EXPECT_TRUE(group->members[0].attached);
  EXPECT_EQ(group->members[0].client, "client of m");
  EXPECT_FALSE(group->members[0].address.empty());
}

TEST_F(LagDriverTest, ItsThreadEndsWhenItIsTold) {
  lag_->Start();
  lag_->Stop();
}

}  // namespace
}  // namespace cordwood::broker
