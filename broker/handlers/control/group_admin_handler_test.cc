// SPDX-License-Identifier: Apache-2.0
// The verbs of GroupAdmin over a real coordinator.
#include "broker/handlers/control/group_admin_handler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "broker/groups/coordinator/coordinator_fixture.h"
#include "tests/support/wait_until.h"

namespace cordwood::broker {
namespace {

using ::testing::HasSubstr;

class GroupAdminTest : public CoordinatorFixture {
 protected:
  void SetUp() override {
    auto topic = std::make_shared<TopicImage>();
    topic->name = "t";
    topic->id = At("t", 0).topic;
    topic->partition_count = 2;
    image_ = std::make_shared<ClusterImage>(Uuid(), 1, std::vector<BrokerImage>{{BrokerId(0), "127.0.0.1", 9600, ""}}, std::vector<ClusterImage::TopicPtr>{topic});
    lag_ = std::make_unique<LagDriver>(*driver_, *table_, LagDriverOptions(), clock_);
    admin_ = std::make_unique<GroupAdminHandler>(*driver_, *lag_, [this] { return image_; }, *table_, BrokerId(3));
  }
  void CommitAt(const std::string& group) { ASSERT_EQ(Commit(group, CommitOf(0, At("t", 0), 0))->at(0), absl::OkStatus()); }
  StatusOr<cordwood::v1::DescribeGroupResponse> Describe(const std::string& group) {
    cordwood::v1::DescribeGroupRequest request;
    request.set_group(group);
    return admin_->DescribeGroup(request);
  }
  StatusOr<cordwood::v1::ResetOffsetsResponse> Reset(const std::string& group, bool dry_run = false, const std::string& topic = "t", int confirm_timeout_ms = -1) {
    cordwood::v1::ResetOffsetsRequest request;
    request.set_group(group);
    request.set_dry_run(dry_run);
    request.set_confirm_timeout_ms(confirm_timeout_ms);
    auto& target = *request.add_targets();
    target.set_topic(topic);
    target.set_start(true);
    return admin_->ResetOffsets(request);
  }
  Status Delete(const std::string& group) {
    cordwood::v1::DeleteGroupRequest request;
    request.set_group(group);
    return admin_->DeleteGroup(request).status();
  }

  ClusterImagePtr image_;
  std::unique_ptr<LagDriver> lag_;
  std::unique_ptr<GroupAdminHandler> admin_;
};

TEST_F(GroupAdminTest, AGroupIsListedAndDescribed) {
  CommitAt("billing");
  const auto list = admin_->ListGroups({});
  ASSERT_TRUE(list.ok()) << list.status();
  EXPECT_EQ(list->groups(0).ShortDebugString(), "group: \"billing\" state: \"empty\" committed_partitions: 1");
  const auto group = Describe("billing");
  ASSERT_TRUE(group.ok()) << group.status();
  EXPECT_EQ(group->coordinator(), 3);
  EXPECT_EQ(group->partitions(0).topic(), "t");
}

TEST_F(GroupAdminTest, ANameThatIsNearlyRightIsAnsweredWithTheRightOne) {
  CommitAt("billing");
  EXPECT_EQ(ReasonOf(Describe("biling").status()), Reason::kGroupIdNotFound);
  EXPECT_THAT(MessageOf(Describe("biling").status()), HasSubstr("no group \"biling\"; did you mean \"billing\"?"));
  EXPECT_THAT(MessageOf(Delete("biling")), HasSubstr("did you mean \"billing\"?"));
}

TEST_F(GroupAdminTest, AmongManyGroupsNoNearNameIsLookedFor) {
  for (std::int64_t i = 0; i < kGroupsSuggestedFromMax; ++i) driver_->Commit("other" + std::to_string(i), CommitOf(0, At("t", 0), 0), [](const auto&) {});
  CommitAt("billing");
  EXPECT_EQ(MessageOf(Describe("biling").status()), "no group \"biling\"");
}

TEST_F(GroupAdminTest, AGroupIdHasOneTo255Bytes) {
  for (const std::string& group : {std::string(), std::string(256, 'g')}) {
    EXPECT_EQ(ReasonOf(Describe(group).status()), Reason::kInvalidGroupId);
    EXPECT_EQ(ReasonOf(Reset(group).status()), Reason::kInvalidGroupId);
    EXPECT_EQ(ReasonOf(Delete(group)), Reason::kInvalidGroupId);
  }
}

TEST_F(GroupAdminTest, AResetMovesEachPartitionToANewPositionEpoch) {
  CommitAt("g");
  const auto reset = Reset("g");
  ASSERT_TRUE(reset.ok()) << reset.status();
  ASSERT_EQ(reset->answers_size(), 2);
  EXPECT_TRUE(reset->answers(0).has_before());
  EXPECT_FALSE(reset->answers(1).has_before());
  EXPECT_EQ(reset->answers(1).position_epoch(), 1u);
  EXPECT_EQ(Describe("g")->partitions_size(), 2);
}

TEST_F(GroupAdminTest, ADryRunChangesNothing) {
  CommitAt("g");
  EXPECT_EQ(Reset("g", /*dry_run=*/true)->answers_size(), 2);
  EXPECT_EQ(Describe("g")->partitions_size(), 1);
  EXPECT_EQ(Describe("g")->partitions(0).position_epoch(), 0u);
}

TEST_F(GroupAdminTest, AResetThatCannotBeChangesNothing) {
  CommitAt("g");
  EXPECT_EQ(ReasonOf(Reset("g", false, "tt").status()), Reason::kUnknownTopicOrPartition);
  EXPECT_EQ(Describe("g")->partitions(0).position_epoch(), 0u);
}

TEST_F(GroupAdminTest, AnOwnerThatDidNotConfirmIsNamed) {
  const StreamId stream = Join("g", "m");
  EXPECT_THAT(Next(stream), HasSubstr("elcome"));
  const auto reset = Reset("g");
  ASSERT_TRUE(reset.ok()) << reset.status();
  EXPECT_EQ(reset->answers(0).unconfirmed_member(), "m");
}

// The clock stands still: whoever waits, waits until the driver stops.
TEST_F(GroupAdminTest, SomeResetsWaitForTheirOwnersAndOthersDoNot) {
  const StreamId stream = Join("g", "m");
  EXPECT_THAT(Next(stream), HasSubstr("elcome"));
  std::atomic<int> ended{0};
  std::vector<std::thread> operators;
  for (int i = 0; i < kResetsWaitingMax + 1; ++i) {
    operators.emplace_back([&] {
      (void)Reset("g", false, "t", 60'000);
      ++ended;
    });
  }
  EXPECT_TRUE(testing::WaitUntil([&] { return ended == 1; }));
  driver_->Stop();
  for (std::thread& one : operators) one.join();
}

TEST_F(GroupAdminTest, OnlyAGroupWithoutMembersIsDeleted) {
  CommitAt("g");
  EXPECT_EQ(Delete("g"), absl::OkStatus());
  EXPECT_EQ(ReasonOf(Describe("g").status()), Reason::kGroupIdNotFound);
  Join("h", "m");
  EXPECT_EQ(ReasonOf(Delete("h")), Reason::kNonEmptyGroup);
}

TEST_F(GroupAdminTest, AnExplanationSaysThatNobodyReads) {
  CommitAt("g");
  cordwood::v1::ExplainGroupRequest request;
  request.set_group("g");
  const auto explained = admin_->ExplainGroup(request);
  ASSERT_TRUE(explained.ok()) << explained.status();
  EXPECT_EQ(explained->findings(0).code(), "no_member");
}

TEST_F(GroupAdminTest, AReplayJobIsListedDescribedAndChanged) {
  CommitAt("g");
  ReplayJob job;
  job.source = "g";
  job.bytes_per_second = 500;
  job.ranges[At("t", 1)] = {Offset(0), Offset(10), 0};
  ASSERT_EQ(Wait<Status>([&](auto done) { driver_->StartReplay("r", job, std::move(done)); }), absl::OkStatus());
  const auto list = admin_->ListReplays({});
  ASSERT_TRUE(list.ok()) << list.status();
  ASSERT_EQ(list->replays_size(), 1);
  EXPECT_EQ(list->replays(0).group(), "r");
  EXPECT_EQ(list->replays(0).source(), "g");
  cordwood::v1::DescribeReplayRequest describe;
  describe.set_group("r");
  const auto replay = admin_->DescribeReplay(describe);
  ASSERT_TRUE(replay.ok()) << replay.status();
  EXPECT_EQ(replay->replay().state(), "running");
  EXPECT_EQ(replay->replay().total(), 10);
  EXPECT_EQ(replay->partitions(0).partition(), 1);
  EXPECT_EQ(replay->partitions(0).to(), 10);
  EXPECT_EQ(Describe("r")->replay(), "running");
  cordwood::v1::ChangeReplayRequest change;
  change.set_group("r");
  EXPECT_EQ(ReasonOf(admin_->ChangeReplay(change).status()), Reason::kInvalidRequest);
  change.set_change(cordwood::v1::REPLAY_PAUSE);
  EXPECT_EQ(admin_->ChangeReplay(change)->state(), "paused");
  change.set_change(cordwood::v1::REPLAY_CANCEL);
  EXPECT_EQ(admin_->ChangeReplay(change)->state(), "cancelled");
  change.set_group("g");
  EXPECT_EQ(MessageOf(admin_->ChangeReplay(change).status()), "group \"g\" is no replay job");
  change.set_group("gg");
  EXPECT_THAT(MessageOf(admin_->ChangeReplay(change).status()), HasSubstr("did you mean \"g\"?"));
}

TEST_F(GroupAdminTest, AReplayJobNeedsASourceARangeAndAGroupOfItsOwn) {
  CommitAt("g");
  cordwood::v1::CreateReplayRequest request;
  request.set_source("gg");
  request.set_group("r");
  auto& range = *request.add_ranges();
  range.set_topic("t");
  range.mutable_from()->set_start(true);
  range.mutable_to()->set_end(true);
  EXPECT_THAT(MessageOf(admin_->CreateReplay(request).status()), HasSubstr("did you mean \"g\"?"));
  request.set_source("g");
  EXPECT_EQ(MessageOf(admin_->CreateReplay(request).status()), "no record lies in the range");
  request.set_group(std::string(256, 'r'));
  EXPECT_EQ(ReasonOf(admin_->CreateReplay(request).status()), Reason::kInvalidGroupId);
}

}  // namespace
}  // namespace cordwood::broker
