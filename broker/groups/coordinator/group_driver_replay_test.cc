// SPDX-License-Identifier: Apache-2.0
// Replay jobs of a running coordinator: what members hear, what a restart leaves, what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/groups/coordinator/coordinator_fixture.h"

namespace cordwood::broker {
namespace {

using ::testing::AnyOf;

class GroupDriverReplayTest : public CoordinatorFixture {
 protected:
  Status Start(const std::string& group) {
    ReplayJob job;
    job.source = "g";
    job.bytes_per_second = 1000;
    for (const int partition : {0, 1}) job.ranges[At("t", partition)] = {Offset(0), Offset(10), 0};
    return Wait<Status>([&](auto done) { driver_->StartReplay(group, job, std::move(done)); });
  }
  Status Change(const std::string& group, ReplayChange change) {
    return Wait<Status>([&](auto done) { driver_->ChangeReplay(group, change, std::move(done)); });
  }
};

TEST_F(GroupDriverReplayTest, MembersHearEndsSharesAndChanges) {
  ASSERT_EQ(Start("r"), absl::OkStatus());
  const StreamId stream = Join("r", "m");
  EXPECT_EQ(Next(stream), "welcome 1");
  EXPECT_THAT(Next(stream), AnyOf("target: t-0@0..10 t-1@0..10", "target: t-1@0..10 t-0@0..10"));
  ASSERT_EQ(Change("r", ReplayChange::kPause), absl::OkStatus());
  EXPECT_EQ(Next(stream), "replay paused 1000 B/s");
  ASSERT_EQ(Change("r", ReplayChange::kResume), absl::OkStatus());
  EXPECT_EQ(Next(stream), "replay running 1000 B/s");
  ASSERT_EQ(Change("r", ReplayChange::kCancel), absl::OkStatus());
  EXPECT_TRUE(Next(stream).starts_with("replay cancelled"));
  EXPECT_TRUE(Next(stream).starts_with("target:; revoke"));
}

TEST_F(GroupDriverReplayTest, AfterARestartTheJobIsWhereItWas) {
  ASSERT_EQ(Start("r"), absl::OkStatus());
  ASSERT_EQ(Commit("r", CommitOf(0, At("t", 0), 0))->at(0), absl::OkStatus());
  ASSERT_EQ(Change("r", ReplayChange::kPause), absl::OkStatus());
  const auto before = Snapshot("r");
  for (const bool clean : {true, false}) {
    Restart(clean);
    AwaitLoaded();
    EXPECT_EQ(Snapshot("r"), before);
  }
  const StreamId stream = Join("r", "m");
  EXPECT_TRUE(Next(stream).starts_with("welcome"));
  EXPECT_TRUE(Next(stream).starts_with("target"));
  ASSERT_EQ(Change("r", ReplayChange::kResume), absl::OkStatus());
  EXPECT_TRUE(Hears(stream, "replay running 1000 B/s"));
}

TEST_F(GroupDriverReplayTest, WhatIsNotThereOrInUseIsRefused) {
  EXPECT_EQ(ReasonOf(Change("r", ReplayChange::kPause)), Reason::kGroupIdNotFound);
  EXPECT_EQ(ReasonOf(Start("")), Reason::kInvalidGroupId);
  const StreamId stream = Join("g2", "m");
  EXPECT_TRUE(Next(stream).starts_with("welcome"));
  EXPECT_EQ(ReasonOf(Start("g2")), Reason::kNonEmptyGroup);
  EXPECT_EQ(ReasonOf(Change("g2", ReplayChange::kPause)), Reason::kGroupIdNotFound);
}

}  // namespace
}  // namespace cordwood::broker
