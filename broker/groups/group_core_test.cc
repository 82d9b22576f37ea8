// SPDX-License-Identifier: Apache-2.0
// One group step by step: who is told what, which commits count, who is fenced and why. The campaign in tests/groups looks for what nobody thought of.
#include "broker/groups/group_core.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace cordwood::broker {
namespace {

class GroupCoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    SetTopic("orders", 4);
    Do(ActivateGroup{topics_, {}});
  }

  static TopicPartition At(std::int32_t partition, std::uint8_t topic = 'o') {
    TopicPartition at;
    at.topic.bytes[0] = topic;
    at.partition = PartitionIndex(partition);
    return at;
  }
  void SetTopic(const std::string& name, std::int32_t partitions) {
    auto topics = std::make_shared<TopicView>(*topics_);
    topics->Add(name, {At(0, static_cast<std::uint8_t>(name[0])).topic, partitions});
    topics_ = topics;
  }
  void DropTopic(const std::string& name) {
    auto topics = std::make_shared<TopicView>(*topics_);
    topics->names.erase(topics->by_name.at(name).id);
    topics->by_name.erase(name);
    topics_ = topics;
  }
  void Do(const GroupEvent& event) {
    last_ = core_.Step(event, now_);
    all_records_.insert(all_records_.end(), last_.records.begin(), last_.records.end());
    ASSERT_TRUE(core_.Invariants().ok()) << core_.Invariants();
    for (const GroupTell& tell : last_.tells) {
      if (const auto* target = std::get_if<TellTarget>(&tell.what)) targets_[target->stream.value()] = *target;
      if (const auto* end = std::get_if<EndStream>(&tell.what)) ends_[end->stream.value()] = end->status;
    }
  }
  JoinGroup JoinOf(std::uint64_t stream, const std::string& member, const std::string& instance = "") {
    JoinGroup join;
    join.stream = StreamId(stream);
    join.member = member;
    join.instance_id = instance;
    join.subscription.topics = {"orders"};
    join.rebalance_timeout_ms = 5000;
    return join;
  }
  void Join(std::uint64_t stream, const std::string& member, const std::string& instance = "") {
    Do(JoinOf(stream, member, instance));
    Do(ComputeTarget{});
  }
  MemberEpoch Epoch(const std::string& member) { return core_.state().Find(member)->current.epoch; }
  // The member takes in its last target and says that it has what that gives it, and `kept` of what it is to give up.
  void Heartbeat(std::uint64_t stream, std::vector<TopicPartition> kept = {}) {
    for (const AssignedPartition& assigned : targets_[stream].assigned) kept.push_back(assigned.at);
    Do(MemberHeartbeat{StreamId(stream), targets_[stream].epoch, kept});
  }
  std::string Assigned(std::uint64_t stream) {
    std::string text;
    for (const AssignedPartition& assigned : targets_[stream].assigned) text += std::to_string(assigned.at.partition.value());
    return text;
  }
  std::string Revoked(std::uint64_t stream) {
    std::string text;
    for (const TopicPartition& at : targets_[stream].revoke) text += std::to_string(at.partition.value());
    return text;
  }
  Reason Ended(std::uint64_t stream) { return ends_.contains(stream) ? ReasonOf(ends_[stream]) : Reason::kNone; }
  static CommitEntry Entry(const TopicPartition& at, std::int64_t offset) {
    CommitEntry entry;
    entry.at = at;
    entry.offset = Offset(offset);
    return entry;
  }
  Reason Commit(const std::string& member, MemberEpoch epoch, CommitEntry entry, const std::string& instance = "") {
    CommitOffsets commit;
    commit.member = member;
    commit.instance_id = instance;
    commit.epoch = epoch;
    commit.entries = {std::move(entry)};
    Do(commit);
    return ReasonOf(std::get<CommitDone>(last_.tells.back().what).entries[0]);
  }
  Status Reset(std::int32_t partition, std::int64_t offset) {
    Do(ResetOffsets{1, {{At(partition), Offset(offset), kNoLeaderEpoch}}});
    return std::get<ResetDone>(last_.tells.back().what).status;
  }
  void Pass(std::int64_t ms) {
    now_.monotonic_ms += ms;
    now_.wall_ms += ms;
  }

  std::shared_ptr<const TopicView> topics_ = std::make_shared<TopicView>();
  GroupCoreOptions options_{10'000, 3, 60'000};
  GroupCore core_{"billing", options_};
  GroupNow now_{1000, 5'000'000};
  GroupActions last_;
  std::vector<GroupRecord> all_records_;
  std::map<std::uint64_t, TellTarget> targets_;
  std::map<std::uint64_t, Status> ends_;
};

TEST_F(GroupCoreTest, TheFirstMemberGetsEverythingWithAReason) {
  Join(1, "a");
  EXPECT_EQ(Assigned(1), "0123");
  EXPECT_NE(targets_[1].reason.find("member a joined"), std::string::npos);
  EXPECT_FALSE(targets_[1].assigned[0].offset.has_value());  // none, never 0
}

TEST_F(GroupCoreTest, APartitionMovesOnlyWhenItsOwnerGaveItUp) {
  Join(1, "a");
  Heartbeat(1);
  Join(2, "b");
  EXPECT_EQ(Assigned(1) + "/" + Revoked(1), "01/23");
  EXPECT_EQ(Assigned(2), "");
  Heartbeat(1, {At(2), At(3)});
  EXPECT_EQ(Assigned(2), "");
  Heartbeat(1, {At(3)});
  EXPECT_EQ(Assigned(2), "2");
  Heartbeat(1);
  EXPECT_EQ(Assigned(2), "23");
}

TEST_F(GroupCoreTest, AHeartbeatFromBeforeTheTargetGivesNothingUp) {
  Join(1, "a");
  const MemberEpoch before = Epoch("a");
  Join(2, "b");
  Do(MemberHeartbeat{StreamId(1), before, {}});
  EXPECT_EQ(Assigned(2), "");
}

TEST_F(GroupCoreTest, AMemberWhosePartitionsStayIsToldNothing) {
  Join(1, "a");
  Join(2, "b");
  Heartbeat(1);
  Heartbeat(2);
  targets_.clear();
  Do(LoseStream{StreamId(2)});
  Do(JoinOf(3, "c"));
  Do(LeaveGroup{StreamId(3)});
  Do(ComputeTarget{});
  EXPECT_TRUE(targets_.empty());
}

TEST_F(GroupCoreTest, WhatMembersAreToldWaitsForTheRecords) {
  Join(1, "a");
  for (const GroupTell& tell : last_.tells) EXPECT_TRUE(tell.durable);
  JoinGroup bad = JoinOf(2, "b");
  bad.assignor = "cooperative-sticky";
  Do(bad);
  EXPECT_EQ(Ended(2), Reason::kUnsupportedAssignor);
  EXPECT_FALSE(last_.tells[0].durable);
}

TEST_F(GroupCoreTest, BadJoinsAreRefusedByName) {
  JoinGroup join = JoinOf(1, "");
  Do(join);
  EXPECT_EQ(Ended(1), Reason::kInvalidRequest);
  join = JoinOf(2, "a");
  join.owned = {At(0)};
  Do(join);
  EXPECT_EQ(Ended(2), Reason::kInvalidRequest);
  join = JoinOf(3, "a");
  join.epoch = MemberEpoch(7);
  Do(join);
  EXPECT_EQ(Ended(3), Reason::kUnknownMemberId);
  join = JoinOf(4, "a");
  join.rebalance_timeout_ms = 0;
  Do(join);
  EXPECT_EQ(Ended(4), Reason::kInvalidRequest);
  EXPECT_TRUE(core_.gone());
}

TEST_F(GroupCoreTest, AboveItsSizeLimitAGroupTakesNobodyButAStaticMemberBack) {
  Join(1, "a", "i1");
  Join(2, "b");
  Join(3, "c");
  Join(4, "d");
  EXPECT_EQ(Ended(4), Reason::kGroupMaxSizeReached);
  Join(5, "a2", "i1");
  EXPECT_EQ(Ended(5), Reason::kNone);
}

TEST_F(GroupCoreTest, AStaticMemberThatRestartsMovesNothing) {
  Join(1, "a", "i1");
  Join(2, "b");
  Heartbeat(1);
  Heartbeat(2);
  const std::string had = Assigned(1);
  Do(LeaveGroup{StreamId(1), /*keep_slot=*/true});
  Pass(9000);
  Heartbeat(2);
  targets_.clear();
  Join(3, "a2", "i1");
  EXPECT_EQ(Assigned(3), had);
  EXPECT_FALSE(targets_.contains(2));
}

TEST_F(GroupCoreTest, AStaticMemberThatLeftAndIsNotBackInTimeWasNotFenced) {
  Join(1, "a", "i1");
  Join(2, "b");
  Heartbeat(1);
  Heartbeat(2);
  Do(LeaveGroup{StreamId(1), /*keep_slot=*/true});
  Pass(9000);
  Heartbeat(2);
  Pass(2000);
  Do(GroupTimerFired{GroupTimerKind::kSession, "a"});
  Do(ComputeTarget{});
  EXPECT_NE(targets_[2].reason.find("left, and was not back within 10000 ms"), std::string::npos) << targets_[2].reason;
  EXPECT_TRUE(core_.fenced().empty());
}

TEST_F(GroupCoreTest, TheNewestHolderOfAnInstanceIdFencesTheOlder) {
  Join(1, "a", "i1");
  const MemberEpoch epoch = Epoch("a");
  Join(2, "b", "i1");
  EXPECT_EQ(Ended(1), Reason::kFencedInstanceId);
  EXPECT_EQ(Commit("a", epoch, Entry(At(0), 1), "i1"), Reason::kFencedInstanceId);
  EXPECT_EQ(Commit("a", epoch, Entry(At(0), 1)), Reason::kUnknownMemberId);
}

TEST_F(GroupCoreTest, AMemberGoesOnAfterTheLossOfItsStream) {
  Join(1, "a");
  Do(LoseStream{StreamId(1)});
  Pass(9000);
  JoinGroup join = JoinOf(2, "a");
  join.epoch = Epoch("a");
  join.owned = {At(0), At(1), At(2), At(3)};
  Do(join);
  EXPECT_EQ(Assigned(2), "0123");
  EXPECT_FALSE(core_.wants_target());
}

TEST_F(GroupCoreTest, TheLossOfItsStreamIsNoSignOfLifeOfAMember) {
  Join(1, "a");
  Join(2, "b");
  Heartbeat(1);
  Heartbeat(2);
  Pass(9999);
  Do(LoseStream{StreamId(1)});
  Heartbeat(2);
  Pass(1);
  Do(GroupTimerFired{GroupTimerKind::kSession, "a"});
  Do(ComputeTarget{});
  EXPECT_EQ(Assigned(2), "0123");
}

TEST_F(GroupCoreTest, AnIncarnationThatWasReplacedDoesNotComeBack) {
  Join(1, "a");
  const MemberEpoch old = Epoch("a");
  Join(2, "a");
  EXPECT_EQ(Ended(1), Reason::kFencedMemberEpoch);
  JoinGroup zombie = JoinOf(3, "a");
  zombie.epoch = old;
  Do(zombie);
  EXPECT_EQ(Ended(3), Reason::kFencedMemberEpoch);
  EXPECT_EQ(Ended(2), Reason::kNone);
}

TEST_F(GroupCoreTest, WhoClaimsWhatItDoesNotOwnIsFenced) {
  Join(1, "a");
  Join(2, "b");
  Do(MemberHeartbeat{StreamId(2), Epoch("b"), {At(0)}});
  EXPECT_EQ(Ended(2), Reason::kFencedMemberEpoch);
}

TEST_F(GroupCoreTest, ASilentMemberIsFencedAtItsSessionTimeoutNotBefore) {
  Join(1, "a");
  Join(2, "b");
  Heartbeat(1);
  Heartbeat(2);
  Pass(9999);
  Heartbeat(2);
  Do(GroupTimerFired{GroupTimerKind::kSession, "a"});
  EXPECT_EQ(Ended(1), Reason::kNone);
  Pass(1);
  Do(GroupTimerFired{GroupTimerKind::kSession, "a"});
  EXPECT_EQ(Ended(1), Reason::kFencedMemberEpoch);
  Do(ComputeTarget{});
  EXPECT_EQ(Assigned(2), "0123");
}

TEST_F(GroupCoreTest, AMemberThatHeartbeatsButGivesNothingUpIsFencedAtItsRebalanceTimeout) {
  Join(1, "a");
  Join(2, "b");
  Pass(4999);
  Heartbeat(1, {At(2), At(3)});
  Do(GroupTimerFired{GroupTimerKind::kRevocation, "a"});
  EXPECT_EQ(Ended(1), Reason::kNone);
  Pass(1);
  Do(GroupTimerFired{GroupTimerKind::kRevocation, "a"});
  EXPECT_EQ(Ended(1), Reason::kFencedMemberEpoch);
  EXPECT_NE(MessageOf(ends_[1]).find("did not give up orders-2 within 5000 ms"), std::string::npos);
}

TEST_F(GroupCoreTest, AMemberMayTakeAsLongAsItCanSayToGivePartitionsUp) {
  JoinGroup slow = JoinOf(1, "a");
  slow.rebalance_timeout_ms = INT64_MAX;
  Do(slow);
  Do(ComputeTarget{});
  Heartbeat(1);
  Join(2, "b");
  EXPECT_EQ(Revoked(1).size(), 2u);
  Pass(9'000);
  Heartbeat(1, targets_[1].revoke);
  Do(GroupTimerFired{GroupTimerKind::kRevocation, "a"});
  EXPECT_EQ(Ended(1), Reason::kNone);
  ASSERT_FALSE(last_.timers.empty());
  EXPECT_GT(last_.timers.back().deadline_ms, now_.monotonic_ms);
}

TEST_F(GroupCoreTest, TopicsThatGrowAndGoAreFollowed) {
  Join(1, "a");
  SetTopic("orders", 6);
  Do(ChangeTopics{topics_, {}});
  Do(ComputeTarget{});
  EXPECT_EQ(Assigned(1), "012345");
  EXPECT_NE(targets_[1].reason.find("topic orders has 6 partitions"), std::string::npos);
  ASSERT_EQ(Commit("a", Epoch("a"), Entry(At(5), 1)), Reason::kNone);
  const MemberEpoch epoch = Epoch("a");
  DropTopic("orders");
  Do(ChangeTopics{topics_, {}});
  EXPECT_EQ(Assigned(1), "");
  EXPECT_EQ(targets_[1].reason, "topic orders was deleted");
  EXPECT_TRUE(core_.state().offsets().empty());
  EXPECT_EQ(Commit("a", epoch, Entry(At(5), 1)), Reason::kUnknownTopicId);
}

TEST_F(GroupCoreTest, WhatIsDifferentBetweenTwoViewsIsNotLookedForAgain) {
  Join(1, "a");
  auto changes = std::make_shared<TopicChanges>(topics_, topics_);
  SetTopic("orders", 6);
  SetTopic("others", 1);
  changes->after = topics_;
  Do(ChangeTopics{topics_, {}, changes});
  EXPECT_FALSE(core_.wants_target()) << "it went by what it was given";
  SetTopic("orders", 8);
  Do(ChangeTopics{topics_, {}, changes});
  EXPECT_TRUE(core_.wants_target()) << "those are not of these views";
}

TEST_F(GroupCoreTest, TheDifferenceOfTwoViewsNamesWhatCameWentOrIsAnother) {
  SetTopic("a", 1);
  SetTopic("gone", 1);
  const auto before = topics_;
  DropTopic("gone");
  SetTopic("b", 1);
  SetTopic("orders", 5);
  SetTopic("z", 1);
  const TopicChanges changes(before, topics_);
  EXPECT_EQ(changes.names, (std::vector<std::string>{"b", "gone", "orders", "z"}));
  EXPECT_EQ(changes.deleted, (std::map<TopicId, std::string>{{At(0, 'g').topic, "gone"}}));
}

TEST_F(GroupCoreTest, APatternPicksUpNewTopics) {
  JoinGroup join = JoinOf(1, "a");
  join.subscription = {{}, "pay.*", {}};
  Do(join);
  Do(ComputeTarget{});
  EXPECT_EQ(Assigned(1), "");
  SetTopic("pay", 2);
  Do(ChangeTopics{topics_, {{"pay.*", std::make_shared<const std::vector<std::string>>(1, "pay")}}});
  Do(ComputeTarget{});
  EXPECT_EQ(Assigned(1), "01");
}

TEST_F(GroupCoreTest, ACommitUnderWayWhenOtherPartitionsMoveIsTaken) {
  Join(1, "a");
  const MemberEpoch before = Epoch("a");
  Join(2, "b");
  EXPECT_EQ(Commit("a", before, Entry(At(0), 1)), Reason::kNone);
  EXPECT_EQ(Commit("a", before, Entry(At(3), 1)), Reason::kNone);  // not given up yet
  Heartbeat(1);
  EXPECT_EQ(Commit("a", before, Entry(At(3), 2)), Reason::kStaleMemberEpoch);
}

TEST_F(GroupCoreTest, ACommitOfAnEarlierTenureIsRefused) {
  Join(1, "a");
  const MemberEpoch before = Epoch("a");
  Join(2, "b");
  Heartbeat(1);
  Do(LeaveGroup{StreamId(2)});
  Do(ComputeTarget{});
  EXPECT_EQ(Assigned(1), "0123");
  EXPECT_EQ(Commit("a", before, Entry(At(3), 2)), Reason::kStaleMemberEpoch);
  EXPECT_EQ(Commit("a", before, Entry(At(0), 2)), Reason::kNone);
}

TEST_F(GroupCoreTest, BadCommitsAreRefusedByName) {
  Join(1, "a");
  const MemberEpoch epoch = Epoch("a");
  EXPECT_EQ(Commit("a", epoch, Entry(At(0), -1)), Reason::kOffsetOutOfRange);
  EXPECT_EQ(Commit("a", epoch, {At(0), Offset(6), kNoLeaderEpoch, PositionEpoch(0), "", Offset(5)}), Reason::kOffsetOutOfRange);
  EXPECT_EQ(Commit("a", epoch, {At(0), Offset(1), kNoLeaderEpoch, PositionEpoch(0), std::string(4097, 'x'), {}}), Reason::kOffsetMetadataTooLarge);
  EXPECT_EQ(Commit("a", epoch, {At(0), Offset(1), kNoLeaderEpoch, PositionEpoch(1), "", {}}), Reason::kInvalidRequest);
  EXPECT_EQ(Commit("a", epoch, Entry(At(9), 1)), Reason::kUnknownTopicOrPartition);
  EXPECT_EQ(Commit("a", epoch, Entry(At(0, 'x'), 1)), Reason::kUnknownTopicId);
  EXPECT_EQ(Commit("a", epoch + 1, Entry(At(0), 1)), Reason::kStaleMemberEpoch);
  EXPECT_EQ(Commit("zombie", epoch, Entry(At(0), 1)), Reason::kUnknownMemberId);
  EXPECT_EQ(Commit("", MemberEpoch(0), Entry(At(0), 1)), Reason::kUnknownMemberId);
  EXPECT_TRUE(core_.state().offsets().empty());
}

TEST_F(GroupCoreTest, AnEmptyGroupTakesManualCommits) {
  EXPECT_EQ(Commit("", MemberEpoch(0), Entry(At(0), 7)), Reason::kNone);
  Join(1, "a");
  EXPECT_EQ(targets_[1].assigned[0].offset, Offset(7));
}

TEST_F(GroupCoreTest, AResetTellsTheOwnerAndRefusesOlderCommitsWithoutARebalance) {
  Join(1, "a");
  const MemberEpoch epoch = Epoch("a");
  ASSERT_TRUE(Reset(2, 10).ok());
  const auto& told = std::get<TellPositions>(last_.tells[0].what);
  EXPECT_EQ(told.positions[0].offset, Offset(10));
  EXPECT_EQ(told.positions[0].position_epoch, PositionEpoch(1));
  EXPECT_EQ(Commit("a", epoch, Entry(At(2), 99)), Reason::kStalePositionEpoch);
  EXPECT_EQ(core_.awaiting_positions().size(), 1u);
  Do(ConfirmPositions{StreamId(1), {{At(2), PositionEpoch(1)}}});
  EXPECT_TRUE(core_.awaiting_positions().empty());
  EXPECT_EQ(Commit("a", epoch, {At(2), Offset(11), kNoLeaderEpoch, PositionEpoch(1), "", {}}), Reason::kNone);
  EXPECT_FALSE(core_.wants_target());
}

TEST_F(GroupCoreTest, AResetIsAllOrNothing) {
  Do(ResetOffsets{1, {{At(0), Offset(1), kNoLeaderEpoch}, {At(9), Offset(1), kNoLeaderEpoch}}});
  EXPECT_EQ(ReasonOf(std::get<ResetDone>(last_.tells.back().what).status), Reason::kUnknownTopicOrPartition);
  EXPECT_EQ(ReasonOf(Reset(0, -1)), Reason::kOffsetOutOfRange);
  EXPECT_TRUE(core_.gone());
}

TEST_F(GroupCoreTest, OffsetsOfADeadGroupExpireAndTheGroupWithThem) {
  Join(1, "a");
  ASSERT_EQ(Commit("a", Epoch("a"), Entry(At(0), 1)), Reason::kNone);
  Pass(100'000);
  Do(GroupTimerFired{GroupTimerKind::kExpiry, ""});
  EXPECT_EQ(core_.state().offsets().size(), 1u);  // it has a member
  Do(LeaveGroup{StreamId(1)});
  EXPECT_EQ(last_.timers.back().deadline_ms, now_.monotonic_ms + 60'000);
  Pass(59'999);
  Do(GroupTimerFired{GroupTimerKind::kExpiry, ""});
  EXPECT_EQ(core_.state().offsets().size(), 1u);
  Pass(1);
  Do(GroupTimerFired{GroupTimerKind::kExpiry, ""});
  EXPECT_TRUE(core_.gone());
}

TEST_F(GroupCoreTest, OnlyAGroupWithoutMembersIsDeleted) {
  Join(1, "a");
  ASSERT_EQ(Commit("a", Epoch("a"), Entry(At(0), 1)), Reason::kNone);
  Do(DeleteGroup{1});
  EXPECT_EQ(ReasonOf(std::get<DeleteDone>(last_.tells[0].what).status), Reason::kNonEmptyGroup);
  Do(LeaveGroup{StreamId(1)});
  Do(DeleteGroup{2});
  EXPECT_TRUE(core_.gone());
}

TEST_F(GroupCoreTest, AGroupBuiltFromItsRecordsIsTheSame) {
  Join(1, "a");
  Join(2, "b", "i1");
  Heartbeat(1, {At(3)});
  ASSERT_EQ(Commit("a", Epoch("a"), Entry(At(0), 5)), Reason::kNone);
  ASSERT_TRUE(Reset(1, 3).ok());
  GroupCore again("billing", options_);
  for (const GroupRecord& record : all_records_) {
    const auto key = DecodeGroupRecordKey(record.key);
    ASSERT_TRUE(again.Apply(*key, record.value.has_value() ? std::optional<std::string_view>(*record.value) : std::nullopt).ok());
  }
  ASSERT_TRUE(again.FinishReplay().ok());
  EXPECT_EQ(again.state().Snapshot(), core_.state().Snapshot());
  again.Step(ActivateGroup{topics_, {}}, now_);
  EXPECT_TRUE(again.Invariants().ok());
  EXPECT_TRUE(again.Step(ComputeTarget{}, now_).records.empty());  // at rest nothing is decided anew
}

TEST_F(GroupCoreTest, RecordsThatAreNoStateAreRefused) {
  const GroupRecordKey member{GroupRecordKind::kMember, "billing", {}, "a"};
  GroupCore damaged("billing", options_);
  EXPECT_EQ(ReasonOf(damaged.Apply(member, "garbage")), Reason::kFormatTooNew);
  EXPECT_EQ(ReasonOf(damaged.Apply(member, std::string_view("\x01", 1))), Reason::kStorageError);
  GroupCore torn("billing", options_);
  GroupMember record;
  record.rebalance_timeout_ms = 1;
  record.joined_epoch = MemberEpoch(1);
  ASSERT_TRUE(torn.Apply(member, Encode(record)).ok());
  EXPECT_EQ(ReasonOf(torn.FinishReplay()), Reason::kStorageError);
}

}  // namespace
}  // namespace cordwood::broker
