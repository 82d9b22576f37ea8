// SPDX-License-Identifier: Apache-2.0
// Which ranges a replay job has, over a real shard, and which requests are refused whole.
#include "broker/handlers/control/replay_plan.h"

#include "broker/handlers/control/pairs_fixture.h"

namespace cordwood::broker {
namespace {

using cordwood::v1::CreateReplayRequest;

class ReplayPlanTest : public PairsFixture {
 protected:
  // Ten records in partition 0, two a batch, 100 ms apart.
  void SetUp() override {
    PairsFixture::SetUp();
    for (int i = 0; i < 5; ++i) Append(0, kNowMs + 200 * i);
  }
  // Of t: from a time to an offset.
  CreateReplayRequest Asked(std::int64_t from_ms, std::int64_t to) {
    CreateReplayRequest request;
    request.set_source("g");
    request.set_group("g.replay");
    auto& range = *request.add_ranges();
    range.set_topic("t");
    range.mutable_from()->set_timestamp_ms(kNowMs + from_ms);
    range.mutable_to()->set_offset(to);
    return request;
  }
  StatusOr<ReplayJob> Plan(const CreateReplayRequest& request) { return PlanReplay(request, *shard_.image(), shard_.table()); }
  TopicPartition At(std::int32_t partition) { return {shard_.Topic("t")->id, PartitionIndex(partition)}; }
};

TEST_F(ReplayPlanTest, BothEndsAreOffsetsFromNowOn) {
  const auto job = Plan(Asked(250, 8));
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->ranges.at(At(0)), (ReplayRange{Offset(3), Offset(8), 0}));
  EXPECT_EQ(job->ranges.at(At(1)), (ReplayRange{Offset(0), Offset(0), 0}));
  EXPECT_EQ(job->source, "g");
  EXPECT_FALSE(job->clock.has_value());
}

TEST_F(ReplayPlanTest, OnlyThePartitionsThatAreNamed) {
  auto request = Asked(0, 8);
  request.mutable_ranges(0)->add_partitions(0);
  EXPECT_EQ(Plan(request)->ranges.size(), 1u);
  request.mutable_ranges(0)->add_partitions(0);
  EXPECT_THAT(Plan(request).status(), FailsWith(Reason::kInvalidRequest));
}

TEST_F(ReplayPlanTest, TheClockOfTheOriginalPaceBeginsAtTheFirstRecord) {
  auto request = Asked(250, 8);
  request.set_original_pace(true);
  EXPECT_EQ(Plan(request)->clock, (ReplayClock{kNowMs + 300, 0, -1}));
}

TEST_F(ReplayPlanTest, WhatCannotBeIsRefused) {
  EXPECT_EQ(MessageOf(Plan(Asked(500, 2)).status()), "t/0: the range ends before it begins: from offset 5 to 2");
  EXPECT_EQ(MessageOf(Plan(Asked(500, 5)).status()), "no record lies in the range");
  auto request = Asked(0, 8);
  request.set_bytes_per_second(-1);
  EXPECT_THAT(Plan(request).status(), FailsWith(Reason::kInvalidRequest));
  request.set_bytes_per_second(1);
  EXPECT_TRUE(Plan(request).ok());
  request.set_original_pace(true);
  EXPECT_EQ(MessageOf(Plan(request).status()), "a rate, or the original pace: not both");
  request = Asked(0, 8);
  request.mutable_ranges(0)->clear_to();
  EXPECT_THAT(Plan(request).status(), FailsWith(Reason::kInvalidRequest));
  request.mutable_ranges(0)->set_topic("tt");
  request.mutable_ranges(0)->mutable_to()->set_end(true);
  EXPECT_THAT(Plan(request).status(), FailsWith(Reason::kUnknownTopicOrPartition));
  request.clear_ranges();
  EXPECT_EQ(MessageOf(Plan(request).status()), "nothing to replay: no topic is named");
}

}  // namespace
}  // namespace cordwood::broker
