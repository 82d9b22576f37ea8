// SPDX-License-Identifier: Apache-2.0
// A replay job step by step: what its members are given and told, which commits count, how it ends.
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "broker/groups/group_core.h"

namespace cordwood::broker {
namespace {

class GroupReplayTest : public ::testing::Test {
 protected:
  void SetUp() override { Activate({{"orders", 4}}); }

  static TopicPartition At(std::int32_t partition, std::uint8_t topic = 'o') {
    TopicPartition at;
    at.topic.bytes[0] = topic;
    at.partition = PartitionIndex(partition);
    return at;
  }
  static std::shared_ptr<const TopicView> Topics(const std::map<std::string, std::int32_t>& topics) {
    auto view = std::make_shared<TopicView>();
    for (const auto& [name, partitions] : topics) view->Add(name, {At(0, static_cast<std::uint8_t>(name[0])).topic, partitions});
    return view;
  }
  void Activate(const std::map<std::string, std::int32_t>& topics) { Do(ActivateGroup{Topics(topics), {}}); }
  void Do(const GroupEvent& event) {
    last_ = core_->Step(event, now_);
    records_.insert(records_.end(), last_.records.begin(), last_.records.end());
    ASSERT_TRUE(core_->Invariants().ok()) << core_->Invariants();
    for (const GroupTell& tell : last_.tells) {
      if (const auto* target = std::get_if<TellTarget>(&tell.what)) targets_[target->stream.value()] = *target;
      if (const auto* replay = std::get_if<TellReplay>(&tell.what)) told_[replay->stream.value()] = replay->replay;
      if (const auto* target = std::get_if<TellTarget>(&tell.what); target != nullptr && target->replay.has_value()) told_[target->stream.value()] = *target->replay;
    }
  }
  // Offsets 10 to 20 of these partitions.
  static ReplayJob Job(const std::vector<std::int32_t>& partitions) {
    ReplayJob job;
    job.source = "billing";
    job.bytes_per_second = 1000;
    for (const std::int32_t partition : partitions) job.ranges[At(partition)] = {Offset(10), Offset(20), 0};
    return job;
  }
  Status Start(const ReplayJob& job) {
    Do(StartReplay{1, job});
    return std::get<ReplayDone>(last_.tells.back().what).status;
  }
  Status Change(ReplayChange change) {
    Do(ChangeReplay{1, change});
    for (const GroupTell& tell : last_.tells) {
      if (const auto* done = std::get_if<ReplayDone>(&tell.what)) return done->status;
    }
    return absl::InternalError("no answer");
  }
  void Join(std::uint64_t stream) {
    JoinGroup join;
    join.stream = StreamId(stream);
    join.member = "m" + std::to_string(stream);
    join.subscription.topics = {"orders"};
    join.rebalance_timeout_ms = 5000;
    Do(join);
    Do(ComputeTarget{});
    for (const auto& [id, target] : std::map(targets_)) {
      MemberHeartbeat heartbeat{StreamId(id), target.epoch, {}};
      for (const AssignedPartition& assigned : target.assigned) heartbeat.owned.push_back(assigned.at);
      Do(heartbeat);
    }
  }
  // "0@10..20 1@10..20"
  std::string Assigned(std::uint64_t stream) {
    std::string text;
    for (const AssignedPartition& at : targets_[stream].assigned) {
      absl::StrAppend(&text, text.empty() ? "" : " ", at.at.partition.value(), "@", at.offset.value_or(Offset(-1)).value(), "..", at.end.value_or(Offset(-1)).value());
    }
    return text;
  }
  // "running 500 B/s"
  std::string Told(std::uint64_t stream) {
    const ToldReplay& told = told_[stream];
    return absl::StrCat(std::string(ReplayStateName(told.state, told.done)), " ", told.bytes_per_second, " B/s");
  }
  Reason Commit(std::int32_t partition, std::int64_t offset, std::optional<Offset> log_start = std::nullopt) {
    CommitOffsets commit;
    commit.member = core_->state().HolderOf(At(partition));
    if (!commit.member.empty()) commit.epoch = core_->state().Find(commit.member)->current.epoch;
    commit.entries.push_back({At(partition), Offset(offset), kNoLeaderEpoch, PositionEpoch(core_->state().OffsetAt(At(partition)) == nullptr ? 0 : core_->state().OffsetAt(At(partition))->position_epoch.value()),
                              "", std::nullopt, log_start});
    Do(commit);
    for (const GroupTell& tell : last_.tells) {
      if (const auto* done = std::get_if<CommitDone>(&tell.what)) return ReasonOf(done->entries[0]);
    }
    return Reason::kUnknownServerError;
  }
  void Pass(std::int64_t ms) {
    now_.monotonic_ms += ms;
    now_.wall_ms += ms;
  }
  std::int64_t ClockMs() const { return core_->state().replay()->clock->At(now_.wall_ms); }

  std::unique_ptr<GroupCore> core_ = std::make_unique<GroupCore>("r", GroupCoreOptions{10'000, 5, 60'000});
  GroupNow now_{1000, 5'000'000};
  GroupActions last_;
  std::vector<GroupRecord> records_;
  std::map<std::uint64_t, TellTarget> targets_;
  std::map<std::uint64_t, ToldReplay> told_;
};

TEST_F(GroupReplayTest, MembersGetThePartitionsOfTheJobAloneWithTheirEnds) {
  ASSERT_TRUE(Start(Job({1, 3})).ok());
  Join(1);
  EXPECT_EQ(Assigned(1), "1@10..20 3@10..20");
  Join(2);
  EXPECT_EQ(targets_[1].assigned.size(), 1u);
  EXPECT_EQ(targets_[2].assigned.size(), 1u);
  Do(ChangeTopics{Topics({{"orders", 9}, {"payments", 1}}), {}});
  Do(ComputeTarget{});
  EXPECT_EQ(core_->state().Find("m1")->target.size() + core_->state().Find("m2")->target.size(), 2u);
}

TEST_F(GroupReplayTest, EachMemberIsToldItsShareOfTheRateWhichGrowsAsOthersAreDone) {
  ASSERT_TRUE(Start(Job({0, 1, 2, 3})).ok());
  Join(1);
  EXPECT_EQ(Told(1), "running 1000 B/s");
  Join(2);
  EXPECT_EQ(Told(1), "running 500 B/s");
  EXPECT_EQ(Told(2), "running 500 B/s");
  const std::int32_t mine = targets_[1].assigned[0].at.partition.value();
  EXPECT_EQ(Commit(mine, 20), Reason::kNone);
  EXPECT_EQ(Told(1), "running 333 B/s");
  EXPECT_EQ(Told(2), "running 666 B/s");
}

TEST_F(GroupReplayTest, AllCommittedToTheirEndsIsDoneAndMembersHearIt) {
  ReplayJob job = Job({0, 1});
  job.ranges[At(1)].from = Offset(20);  // empty
  ASSERT_TRUE(Start(job).ok());
  Join(1);
  EXPECT_EQ(Commit(0, 19), Reason::kNone);
  EXPECT_EQ(core_->unfinished().size(), 1u);
  EXPECT_EQ(Commit(0, 20), Reason::kNone);
  EXPECT_TRUE(core_->unfinished().empty());
  EXPECT_EQ(Told(1).substr(0, 4), "done");
  EXPECT_EQ(ReasonOf(Change(ReplayChange::kCancel)), Reason::kInvalidRequest);
  EXPECT_EQ(ReasonOf(Change(ReplayChange::kPause)), Reason::kInvalidRequest);
  Join(2);
  EXPECT_EQ(Told(2).substr(0, 4), "done");  // who comes late
}

TEST_F(GroupReplayTest, NothingOutsideTheRangeIsCommittedOrSought) {
  ASSERT_TRUE(Start(Job({0})).ok());
  EXPECT_EQ(Commit(0, 9), Reason::kOffsetOutOfRange);
  EXPECT_EQ(Commit(0, 21), Reason::kOffsetOutOfRange);
  EXPECT_EQ(Commit(1, 15), Reason::kInvalidRequest);
  EXPECT_EQ(Commit(0, 20), Reason::kNone);
  const auto seek = [&](std::int64_t offset) {
    Do(ResetOffsets{1, {{At(0), Offset(offset), kNoLeaderEpoch}}});
    return MessageOf(std::get<ResetDone>(last_.tells.back().what).status);
  };
  EXPECT_EQ(seek(21), "group r: orders-0: offset 21 is outside the replay job, which goes from 10 to 20");
  EXPECT_EQ(seek(12), "");
  EXPECT_EQ(core_->unfinished().size(), 1u);  // it is to be read again
}

TEST_F(GroupReplayTest, PauseAndResumeAreToldWithoutARebalanceAndTwiceIsNoError) {
  ASSERT_TRUE(Start(Job({0})).ok());
  Join(1);
  const MemberEpoch epoch = targets_[1].epoch;
  EXPECT_TRUE(Change(ReplayChange::kPause).ok());
  EXPECT_EQ(Told(1), "paused 1000 B/s");
  EXPECT_TRUE(Change(ReplayChange::kPause).ok());
  EXPECT_TRUE(last_.records.empty());
  EXPECT_TRUE(Change(ReplayChange::kResume).ok());
  EXPECT_EQ(Told(1), "running 1000 B/s");
  EXPECT_FALSE(core_->wants_target());
  EXPECT_EQ(core_->state().Find("m1")->current.epoch, epoch);
}

TEST_F(GroupReplayTest, ACancelledJobGivesNothingMoreAndStaysSo) {
  ASSERT_TRUE(Start(Job({0, 1})).ok());
  Join(1);
  EXPECT_TRUE(Change(ReplayChange::kCancel).ok());
  EXPECT_EQ(Told(1).substr(0, 9), "cancelled");
  Do(ComputeTarget{});
  EXPECT_EQ(targets_[1].revoke.size(), 2u);
  EXPECT_TRUE(Change(ReplayChange::kCancel).ok());
  EXPECT_EQ(MessageOf(Change(ReplayChange::kResume)), "group r: the replay job is cancelled already");
  Join(2);
  EXPECT_EQ(Assigned(2), "");
}

TEST_F(GroupReplayTest, AGroupThatIsInUseBecomesNoJob) {
  ReplayJob own = Job({0});
  own.source = "r";
  EXPECT_EQ(ReasonOf(Start(own)), Reason::kInvalidRequest);
  EXPECT_EQ(ReasonOf(Start(Job({7}))), Reason::kUnknownTopicOrPartition);
  ReplayJob empty = Job({0});
  empty.ranges[At(0)].from = Offset(20);
  EXPECT_EQ(MessageOf(Start(empty)), "group r: no record lies in the range");
  EXPECT_EQ(Commit(2, 5), Reason::kNone);
  EXPECT_EQ(MessageOf(Start(Job({0}))), "group r: has committed offsets of 1 partitions; a replay job needs a group of its own");
  Do(DeleteGroup{2});
  EXPECT_TRUE(Start(Job({0, 1})).ok());
  EXPECT_EQ(MessageOf(Start(Job({0}))), "group r: is a replay job that is not done; cancel it first");
  EXPECT_TRUE(Change(ReplayChange::kCancel).ok());
  EXPECT_TRUE(Start(Job({1})).ok());  // in its place
  EXPECT_EQ(core_->state().offsets().size(), 1u);
  EXPECT_EQ(core_->state().OffsetAt(At(1))->position_epoch, PositionEpoch(1));  // what was read of the older job is not committed
  Join(1);
  EXPECT_EQ(MessageOf(Start(Job({0}))), "group r: has 1 members; a replay job needs a group of its own");
}

TEST_F(GroupReplayTest, TheClockOfTheOriginalPaceRunsWhileTheJobDoesAndHasMembers) {
  ReplayJob job = Job({0});
  job.bytes_per_second = 0;
  job.clock = ReplayClock{1'000'000, 0, -1};
  ASSERT_TRUE(Start(job).ok());
  Pass(500);
  EXPECT_EQ(ClockMs(), 1'000'000);
  Join(1);
  Pass(70);
  EXPECT_EQ(ClockMs(), 1'000'070);
  EXPECT_TRUE(Change(ReplayChange::kPause).ok());
  EXPECT_EQ(told_[1].clock_ms, 1'000'070);
  Pass(1000);
  EXPECT_TRUE(Change(ReplayChange::kResume).ok());
  Pass(30);
  EXPECT_EQ(ClockMs(), 1'000'100);
  Do(LeaveGroup{StreamId(1)});
  Pass(1000);
  EXPECT_EQ(ClockMs(), 1'000'100);
  now_.wall_ms -= 3'000'000;  // set back
  Join(2);
  EXPECT_EQ(told_[2].clock_ms, 1'000'100);
}

TEST_F(GroupReplayTest, RecordsThatSayAnyTimeOverflowNoClock) {
  ReplayJob job = Job({0});
  job.bytes_per_second = 0;
  job.clock = ReplayClock{INT64_MAX, 0, -1};
  ASSERT_TRUE(Start(job).ok());
  Join(1);
  Pass(1000);
  EXPECT_EQ(ClockMs(), kWallMsMax + 1000);
}

TEST_F(GroupReplayTest, WhatWasDeletedBeforeItWasReadIsCountedAsSkipped) {
  ASSERT_TRUE(Start(Job({0})).ok());
  EXPECT_EQ(Commit(0, 12, Offset(5)), Reason::kNone);
  EXPECT_EQ(Commit(0, 17, Offset(15)), Reason::kNone);
  EXPECT_EQ(core_->state().replay()->ranges.at(At(0)).skipped, 3);
}

TEST_F(GroupReplayTest, AJobWhoseTopicIsDeletedIsCancelled) {
  ASSERT_TRUE(Start(Job({0})).ok());
  Join(1);
  Do(ChangeTopics{Topics({}), {}});
  EXPECT_EQ(Told(1).substr(0, 9), "cancelled");
  EXPECT_TRUE(core_->state().replay()->ranges.empty());
}

TEST_F(GroupReplayTest, AFinishedJobExpiresWithItsOffsetsAndAnotherDoesNot) {
  ASSERT_TRUE(Start(Job({0, 1})).ok());
  EXPECT_EQ(Commit(0, 20), Reason::kNone);
  Pass(100'000);
  Do(GroupTimerFired{GroupTimerKind::kExpiry, {}});
  EXPECT_EQ(core_->state().offsets().size(), 2u);
  EXPECT_EQ(Commit(1, 20), Reason::kNone);  // done
  Pass(59'000);
  Do(GroupTimerFired{GroupTimerKind::kExpiry, {}});
  EXPECT_EQ(core_->state().offsets().size(), 2u);  // all together, or it would not be done
  Pass(1'000);
  Do(GroupTimerFired{GroupTimerKind::kExpiry, {}});
  EXPECT_TRUE(core_->gone());
}

TEST_F(GroupReplayTest, TheStateBuiltFromTheRecordsIsTheStateThatWas) {
  ASSERT_TRUE(Start(Job({0, 1})).ok());
  Join(1);
  EXPECT_EQ(Commit(0, 20), Reason::kNone);
  EXPECT_TRUE(Change(ReplayChange::kPause).ok());
  const auto before = core_->state().Snapshot();
  core_ = std::make_unique<GroupCore>("r", GroupCoreOptions{10'000, 5, 60'000});
  for (const GroupRecord& record : records_) {
    ASSERT_TRUE(core_->Apply(*DecodeGroupRecordKey(record.key), record.value.has_value() ? std::optional<std::string_view>(*record.value) : std::nullopt).ok());
  }
  ASSERT_TRUE(core_->FinishReplay().ok());
  EXPECT_EQ(core_->state().Snapshot(), before);
  Activate({{"orders", 4}});
  EXPECT_EQ(core_->unfinished(), std::set<TopicPartition>{At(1)});
}

TEST_F(GroupReplayTest, ADeletedJobLeavesNothing) {
  ASSERT_TRUE(Start(Job({0})).ok());
  Do(DeleteGroup{2});
  EXPECT_TRUE(core_->gone());
  EXPECT_EQ(ReasonOf(Change(ReplayChange::kPause)), Reason::kGroupIdNotFound);
}

}  // namespace
}  // namespace cordwood::broker
