// SPDX-License-Identifier: Apache-2.0
// What a snapshot takes from the core and from what its driver knows of members.
#include "broker/groups/lag/group_snapshots.h"

#include <gtest/gtest.h>

#include "broker/groups/lag/group_round.h"
#include "broker/groups/lag/lag_fixture.h"

namespace cordwood::broker {
namespace {

class GroupSnapshotsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto topics = std::make_shared<TopicView>();
    topics->Add("orders", {PlaceAt(0).topic, 3});
    topics_ = topics;
    Do(ActivateGroup{topics_, {}});
  }
  void Do(const GroupEvent& event) {
    for (GroupTell& tell : core_.Step(event, now_).tells) {
      if (auto* target = std::get_if<TellTarget>(&tell.what)) targets_[target->stream.value()] = *target;
    }
  }
  void Join(std::uint64_t stream, const std::string& member, std::vector<std::string> topics = {"orders"}) {
    JoinGroup join;
    join.stream = StreamId(stream);
    join.member = member;
    join.client = "client of " + member;
    join.subscription.topics = std::move(topics);
    join.rebalance_timeout_ms = 5000;
    Do(join);
    Do(ComputeTarget{});
    facts_[member] = {true, "127.0.0.1:5", absl::ZeroDuration(), {}};
  }
  void Heartbeat(std::uint64_t stream) {
    std::vector<TopicPartition> owned;
    for (const AssignedPartition& assigned : targets_[stream].assigned) owned.push_back(assigned.at);
    Do(MemberHeartbeat{StreamId(stream), targets_[stream].epoch, owned});
  }
  GroupSnapshot Take() { return SnapshotOf(GroupView{core_, facts_, *topics_, absl::Milliseconds(now_.monotonic_ms)}, kWallMs); }

  GroupNow now_{1000, kWallMs};
  std::shared_ptr<const TopicView> topics_;
  GroupCore core_{"billing", GroupCoreOptions{.session_timeout_ms = 1000}};
  std::map<std::string, MemberFacts> facts_;
  std::map<std::uint64_t, TellTarget> targets_;
};

TEST_F(GroupSnapshotsTest, AMemberIsAsItsRecordsAndItsStreamSay) {
  Join(1, "a");
  now_.monotonic_ms = 1500;
  const GroupSnapshot group = Take();
  ASSERT_EQ(group.members.size(), 1u);
  EXPECT_EQ(group.members[0].client, "client of a");
  EXPECT_EQ(group.members[0].address, "127.0.0.1:5");
  EXPECT_EQ(group.members[0].since_heard_ms, 1500);
  EXPECT_EQ(group.members[0].held.size(), 3u);
  EXPECT_EQ(GroupStateName(group), "stable");
  EXPECT_EQ(GroupStateName(core_.state()), "stable");
}

TEST_F(GroupSnapshotsTest, PartitionsAreThoseCommittedHeldOrWanted) {
  CommitOffsets commit;
  commit.entries.resize(1);
  commit.entries[0].at = PlaceAt(2);
  commit.entries[0].offset = Offset(7);
  Do(commit);
  GroupSnapshot group = Take();
  ASSERT_EQ(group.partitions.size(), 1u);
  EXPECT_EQ(group.partitions[0].topic, "orders");
  EXPECT_EQ(group.partitions[0].committed->offset, Offset(7));
  Join(1, "a");
  group = Take();
  ASSERT_EQ(group.partitions.size(), 3u);
  EXPECT_EQ(group.partitions[0].owner, "a");
  EXPECT_FALSE(group.partitions[0].committed.has_value());
}

TEST_F(GroupSnapshotsTest, APositionIsBelievedOfTheOwnerAlone) {
  Join(1, "a");
  facts_["a"].progress[PlaceAt(1)] = {Offset(4), true};
  facts_["b"].progress[PlaceAt(2)] = {Offset(5), false};
  const GroupSnapshot group = Take();
  EXPECT_EQ(group.partitions[1].position, Offset(4));
  EXPECT_TRUE(group.partitions[1].paused);
  EXPECT_EQ(group.partitions[2].position, std::nullopt);
}

TEST_F(GroupSnapshotsTest, AHandOverShowsWhoGivesUpAndWhoWaits) {
  Join(1, "a");
  Heartbeat(1);
  Join(2, "b");
  const GroupSnapshot group = Take();
  EXPECT_EQ(GroupStateName(group), "reconciling");
  EXPECT_EQ(GroupStateName(core_.state()), "reconciling");
  int revoking = 0;
  for (const PartitionSnapshot& partition : group.partitions) {
    if (!partition.revoking) continue;
    ++revoking;
    EXPECT_EQ(partition.owner, "a");
    EXPECT_EQ(partition.next_owner, "b");
  }
  EXPECT_EQ(revoking, 1);
}

TEST_F(GroupSnapshotsTest, AResetAwaitsItsOwner) {
  Join(1, "a");
  ResetOffsets reset;
  reset.entries = {{PlaceAt(1), Offset(3)}};
  Do(reset);
  const GroupSnapshot group = Take();
  EXPECT_FALSE(group.partitions[0].awaiting_position);
  EXPECT_TRUE(group.partitions[1].awaiting_position);
  EXPECT_EQ(group.partitions[1].position_epoch, PositionEpoch(1));
}

TEST_F(GroupSnapshotsTest, AMemberThatWasSilentIsRememberedAsFencedAndOneThatLeftIsNot) {
  Join(1, "a");
  Join(2, "b");
  Do(LeaveGroup{StreamId(2), false});
  now_.monotonic_ms += 2000;
  Do(GroupTimerFired{GroupTimerKind::kSession, "a"});
  now_.monotonic_ms += 500;
  const GroupSnapshot group = Take();
  ASSERT_EQ(group.fenced.size(), 1u);
  EXPECT_EQ(group.fenced[0].id, "a");
  EXPECT_EQ(group.fenced[0].ago_ms, 500);
  EXPECT_NE(group.fenced[0].why.find("was silent for 1000 ms"), std::string::npos);
}

TEST_F(GroupSnapshotsTest, OfFencedMembersTheLatestAreRemembered) {
  for (std::uint64_t i = 1; i <= kFencedRememberedMax + 2; ++i) {
    Join(i, "m" + std::to_string(i));
    now_.monotonic_ms += 2000;
    Do(GroupTimerFired{GroupTimerKind::kSession, "m" + std::to_string(i)});
  }
  const GroupSnapshot group = Take();
  ASSERT_EQ(group.fenced.size(), kFencedRememberedMax);
  EXPECT_EQ(group.fenced.front().id, "m10");
  EXPECT_EQ(group.fenced.back().id, "m3");
}

TEST_F(GroupSnapshotsTest, TopicsThatAreSubscribedToAndDoNotExistAreMissing) {
  Join(1, "a", {"orders", "ordres"});
  EXPECT_EQ(Take().missing_topics, std::vector<std::string>{"ordres"});
}

TEST_F(GroupSnapshotsTest, AMemberHasTopicsIfOneOfThemExistsOrMatches) {
  Join(1, "a", {"ordres", "orders"});
  Join(2, "b", {"ordres"});
  JoinGroup join;
  join.stream = StreamId(3);
  join.member = "c";
  join.rebalance_timeout_ms = 5000;
  join.subscription.pattern = "o.*";
  join.subscription.pattern_topics = std::make_shared<const std::vector<std::string>>(1, "orders");
  Do(join);
  const auto have = [&] {
    std::string all;
    for (const MemberSnapshot& member : Take().members) all += member.id + (member.has_topics ? "+ " : "- ");
    return all;
  };
  EXPECT_EQ(have(), "a+ b- c+ ");
  Do(ChangeTopics{std::make_shared<TopicView>(), {}});
  EXPECT_EQ(have(), "a- b- c- ");
}

TEST(GroupRoundTest, GroupsWithMembersAreMeasuredFirstAndLargeOnesPassedOver) {
  const std::vector<GroupSummary> groups = {{"a", "empty", 0, 2}, {"b", "stable", 1, 9}, {"c", "stable", 1, 2}, {"d", "empty", 0, 0}};
  EXPECT_EQ(ChooseMeasured(groups, 100), (std::vector<std::size_t>{1, 2, 0, 3}));
  EXPECT_EQ(ChooseMeasured(groups, 4), (std::vector<std::size_t>{2, 0}));
}

TEST(GroupRoundTest, AMeasureHasTheLagAndTheFindings) {
  const GroupMeasure measure = MeasureOf(GroupOf({}, {PartitionOf(0, 5, 0, 10), PartitionOf(1, std::nullopt, 0, 10), PartitionOf(2, 1, 3, 4)}));
  EXPECT_EQ(measure.lag.records, 6);
  EXPECT_EQ(measure.problems, 2u);
  EXPECT_EQ(measure.findings[static_cast<std::size_t>(FindingKind::kBelowLogStart)], 1u);
  ASSERT_EQ(measure.partitions.size(), 2u);
  EXPECT_EQ(measure.partitions[1].lag, 1);
}

}  // namespace
}  // namespace cordwood::broker
