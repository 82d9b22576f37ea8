// SPDX-License-Identifier: Apache-2.0
// Where a reset leads to, over a real shard, and which requests are refused whole.
#include "broker/handlers/control/reset_plan.h"

#include "broker/handlers/control/pairs_fixture.h"

namespace cordwood::broker {
namespace {

using cordwood::v1::ResetOffsetsRequest;

class ResetPlanTest : public PairsFixture {
 protected:
  // Ten records in partition 0, two a batch, 100 ms apart; the log begins at 2.
  void SetUp() override {
    PairsFixture::SetUp();
    for (int i = 0; i < 5; ++i) Append(0, kNowMs + 200 * i);
    ASSERT_EQ(shard_.driver().RunAndWait([&](ShardTurn& turn) { return turn.StageLogStart(shard_.Replica("t", 0), Offset(2)); }), absl::OkStatus());
  }
  void Committed(int partition, std::int64_t offset) {
    FetchedOffset fetched;
    fetched.at = {shard_.Topic("t")->id, PartitionIndex(partition)};
    fetched.committed.offset = Offset(offset);
    fetched.committed.position_epoch = PositionEpoch(7);
    committed_.push_back(fetched);
  }
  ResetOffsetsRequest::Target& Ask(std::vector<int> partitions = {0}, const std::string& topic = "t") {
    auto& target = *request_.add_targets();
    target.set_topic(topic);
    for (const int partition : partitions) target.add_partitions(partition);
    return target;
  }
  StatusOr<ResetPlan> Plan() {
    request_.set_group("g");
    return PlanReset(request_, committed_, replay_.has_value() ? &*replay_ : nullptr, *shard_.image(), shard_.table());
  }
  // Where partition 0 is put, and the time of the record there after kNowMs.
  std::string To(const std::function<void(ResetOffsetsRequest::Target&)>& to) {
    request_.Clear();
    to(Ask());
    const auto plan = Plan();
    if (!plan.ok()) return std::string(ReasonName(ReasonOf(plan.status())));
    const auto& answer = plan->response.answers(0);
    EXPECT_EQ(plan->entries[0].offset.value(), answer.after());
    return std::to_string(answer.after()) + (answer.timestamp_ms() < 0 ? "" : " +" + std::to_string(answer.timestamp_ms() - kNowMs));
  }

  FetchedOffsets committed_;
  std::optional<ReplayJob> replay_;
  ResetOffsetsRequest request_;
};

TEST_F(ResetPlanTest, StartAndEndAreTheLogs) {
  EXPECT_EQ(To([](auto& target) { target.set_start(true); }), "2 +200");
  EXPECT_EQ(To([](auto& target) { target.set_end(true); }), "10");
}

TEST_F(ResetPlanTest, AnOffsetIsClampedIntoTheLog) {
  EXPECT_EQ(To([](auto& target) { target.set_offset(5); }), "5 +500");
  EXPECT_EQ(To([](auto& target) { target.set_offset(0); }), "2 +200");
  EXPECT_EQ(To([](auto& target) { target.set_offset(99); }), "10");
  EXPECT_EQ(To([](auto& target) { target.set_offset(-1); }), "OFFSET_OUT_OF_RANGE");
}

TEST_F(ResetPlanTest, ATimeIsTheFirstRecordAtLeastThatLateOrTheEnd) {
  EXPECT_EQ(To([](auto& target) { target.set_timestamp_ms(kNowMs + 350); }), "4 +400");
  EXPECT_EQ(To([](auto& target) { target.set_timestamp_ms(0); }), "2 +200");
  EXPECT_EQ(To([](auto& target) { target.set_timestamp_ms(kNowMs + 5000); }), "10");
}

TEST_F(ResetPlanTest, SoManyBeforeTheEndButNotBelowTheStart) {
  EXPECT_EQ(To([](auto& target) { target.set_before_end(3); }), "7 +700");
  EXPECT_EQ(To([](auto& target) { target.set_before_end(INT64_MAX); }), "2 +200");
  EXPECT_EQ(To([](auto& target) { target.set_before_end(0); }), "INVALID_REQUEST");
}

TEST_F(ResetPlanTest, AShiftIsFromTheCommittedOffsetAndStaysInTheLog) {
  Committed(0, 6);
  EXPECT_EQ(To([](auto& target) { target.set_shift(2); }), "8 +800");
  EXPECT_EQ(To([](auto& target) { target.set_shift(-3); }), "3 +300");
  EXPECT_EQ(To([](auto& target) { target.set_shift(INT64_MAX); }), "10");
  EXPECT_EQ(To([](auto& target) { target.set_shift(INT64_MIN); }), "2 +200");
}

TEST_F(ResetPlanTest, AShiftOfATopicLeavesOutWhatWasNeverCommitted) {
  Ask({}).set_shift(1);
  EXPECT_THAT(Plan().status(), FailsWith(Reason::kInvalidRequest));
  Committed(0, 6);
  EXPECT_EQ(Plan()->entries.size(), 1u);
  request_.Clear();
  Ask({0, 1}).set_shift(1);
  EXPECT_THAT(Plan().status(), FailsWith(Reason::kInvalidRequest));
}

TEST_F(ResetPlanTest, WithoutPartitionsAllOfTheTopicAreMeant) {
  Committed(0, 6);
  Ask({}).set_end(true);
  const auto plan = Plan().value();
  ASSERT_EQ(plan.response.answers_size(), 2);
  EXPECT_EQ(plan.response.answers(0).before(), 6);
  EXPECT_EQ(plan.response.answers(0).position_epoch(), 7u);
  EXPECT_FALSE(plan.response.answers(1).has_before());
  EXPECT_EQ(plan.response.answers(1).after(), 0);
  EXPECT_EQ(plan.response.answers(1).timestamp_ms(), -1);
}

TEST_F(ResetPlanTest, OneBadTargetRefusesTheWhole) {
  const auto refused = [&](std::vector<int> partitions, const std::string& topic) {
    request_.Clear();
    Ask({0}).set_end(true);
    Ask(std::move(partitions), topic).set_end(true);
    return ReasonOf(Plan().status());
  };
  EXPECT_EQ(refused({1}, "t"), Reason::kNone);
  EXPECT_EQ(refused({0}, "t"), Reason::kInvalidRequest) << "twice";
  EXPECT_EQ(refused({}, "t"), Reason::kInvalidRequest) << "all of it, and one of it";
  EXPECT_EQ(refused({2}, "t"), Reason::kUnknownTopicOrPartition);
  EXPECT_EQ(refused({-1}, "t"), Reason::kInvalidRequest);
  EXPECT_EQ(refused({0}, "tt"), Reason::kUnknownTopicOrPartition);
}

TEST_F(ResetPlanTest, ATargetWithoutAPositionAndARequestWithoutATargetAreRefused) {
  EXPECT_THAT(Plan().status(), FailsWith(Reason::kInvalidRequest));
  Ask();
  EXPECT_THAT(Plan().status(), FailsWith(Reason::kInvalidRequest));
}

TEST_F(ResetPlanTest, AReplayJobsLogIsItsRange) {
  replay_.emplace().ranges[{shard_.Topic("t")->id, PartitionIndex(0)}] = {Offset(4), Offset(8), 0};
  Committed(0, 5);
  EXPECT_EQ(To([](auto& target) { target.set_start(true); }), "4 +400");
  EXPECT_EQ(To([](auto& target) { target.set_end(true); }), "8");
  EXPECT_EQ(To([](auto& target) { target.set_offset(99); }), "8");
  EXPECT_EQ(To([](auto& target) { target.set_before_end(1); }), "7 +700");
  EXPECT_EQ(To([](auto& target) { target.set_shift(-3); }), "4 +400");
  EXPECT_EQ(To([](auto& target) { target.set_timestamp_ms(kNowMs + 600); }), "6 +600");
  EXPECT_EQ(To([](auto& target) { target.set_timestamp_ms(kNowMs + 900); }), "8");
}

TEST_F(ResetPlanTest, WhatWasDeletedOfAReplayJobsRangeIsNotGoneBackTo) {
  replay_.emplace().ranges[{shard_.Topic("t")->id, PartitionIndex(0)}] = {Offset(0), Offset(8), 2};
  EXPECT_EQ(To([](auto& target) { target.set_start(true); }), "2 +200");
  replay_->ranges.begin()->second.to = Offset(1);
  EXPECT_EQ(To([](auto& target) { target.set_start(true); }), "1");
}

TEST_F(ResetPlanTest, AWholeTopicOfAReplayJobIsWhatItReads) {
  replay_.emplace().ranges[{shard_.Topic("t")->id, PartitionIndex(0)}] = {Offset(4), Offset(8), 0};
  Ask({}).set_start(true);
  const auto plan = Plan();
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->entries.size(), 1u);
  request_.Clear();
  Ask({1}).set_start(true);
  EXPECT_EQ(MessageOf(Plan().status()), "t/1: the replay job does not read it");
  replay_->ranges.clear();
  request_.Clear();
  Ask({}).set_start(true);
  EXPECT_EQ(MessageOf(Plan().status()), "topic t: the replay job does not read it");
}

}  // namespace
}  // namespace cordwood::broker
