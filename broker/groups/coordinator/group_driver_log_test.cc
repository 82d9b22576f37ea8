// SPDX-License-Identifier: Apache-2.0
// The driver and its log: appends that fail, records that are damaged, resets, deletions.
#include "broker/groups/coordinator/coordinator_fixture.h"
#include "broker/groups/coordinator/group_driver.h"
#include "tests/support/wait_until.h"

namespace cordwood::broker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::StartsWith;

class GroupLogTest : public CoordinatorFixture {
 protected:
  static std::string OtherIn(const std::string& group, bool same_partition) {
    for (int i = 0;; ++i) {
      const std::string other = absl::StrCat("other", i);
      if ((PartitionOfKey(other, kOffsetsPartitions) == PartitionOfKey(group, kOffsetsPartitions)) == same_partition) return other;
    }
  }
  // Behind the driver's back.
  void AppendToOffsets(const std::string& group, std::optional<std::string> key, std::optional<std::string> value) {
    RecordBatchBuilder builder;
    RecordView record;
    record.timestamp_ms = 1000;
    record.key = key;
    record.value = value;
    builder.Add(record);
    AppendEntry entry;
    entry.partition = OffsetsReplica(group);
    entry.topic = std::make_shared<TopicImage>();
    entry.values.push_back(builder.Build(Codec::kNone, ProducerStamp(), kSideHeaderBytes).value());
    TestOp op;
    op.outbox = &network_.outbox;
    op.entries.push_back(std::move(entry));
    shard_->Append(&op);
    ASSERT_TRUE(network_.RunUntil([&] { return op.answers > 0; }));
    ASSERT_EQ(op.entry().status, absl::OkStatus());
  }
  std::string KeyOf(GroupRecordKind kind, const std::string& group) {
    GroupRecordKey key;
    key.kind = kind;
    key.group = group;
    if (kind == GroupRecordKind::kOffset) key.partition = At("t", 0);
    return Encode(key);
  }
  // A group goes at the end of the turn in which its last records came back.
  bool NoGroupIsLeft() {
    return ::cordwood::testing::WaitUntil([&] {
      (void)Look("no-such-group", [](const GroupView&) { return std::string(); });
      return driver_->measures().groups.value() == 0;
    });
  }
  StatusOr<ResetOutcome> Reset(const std::string& group, std::vector<ResetEntry> entries, absl::Duration confirm_within) {
    return Wait<StatusOr<ResetOutcome>>([&](auto done) { driver_->Reset(group, std::move(entries), confirm_within, std::move(done)); });
  }
};

TEST_F(GroupLogTest, AFailedAppendEndsWhatWaitsAndThePartitionIsReadAgain) {
  const std::string other = OtherIn("g", /*same_partition=*/true);
  const std::string elsewhere = OtherIn("g", /*same_partition=*/false);
  const StreamId a = Join("g", "a");
  EXPECT_EQ(Next(a), "welcome 1");
  EXPECT_THAT(Next(a), StartsWith("target"));
  CommittedOffset offset;
  offset.offset = Offset(0);
  offset.topic = "t";
  AppendToOffsets("g", KeyOf(GroupRecordKind::kOffset, other), Encode(offset));  // the log ends elsewhere now
  EXPECT_THAT(Commit("g", CommitOf(0, At("t", 0), 0)).status(), absl::OkStatus());  // refused by the core: nothing to append
  Beat(a, {At("t", 0), At("t", 1)});
  Say(a, CommitOf(2, At("t", 0), 0));
  EXPECT_EQ(Next(a), "end COORDINATOR_NOT_AVAILABLE");
  EXPECT_EQ(Offsets("g"), "COORDINATOR_NOT_AVAILABLE");
  EXPECT_TRUE(Commit(elsewhere, CommitOf(0, At("t", 0), 0)).ok());
  EXPECT_THAT(Warnings(), ElementsAre(HasSubstr("__consumer_offsets-")));
  Advance(absl::Seconds(2));
  AwaitLoaded();
  EXPECT_EQ(Offsets("g"), "");
  EXPECT_EQ(Offsets(other), "t-0@0 ");
  JoinGroup again = JoinAs("a");
  again.epoch = MemberEpoch(2);
  again.owned = {At("t", 0), At("t", 1)};
  EXPECT_EQ(Next(Join("g", again)), "welcome 2");
}

TEST_F(GroupLogTest, ADamagedValueMakesItsGroupUnavailableAndNoOther) {
  const std::string other = OtherIn("g", /*same_partition=*/true);
  ASSERT_TRUE(Commit("g", CommitOf(0, At("t", 0), 0)).ok());
  ASSERT_TRUE(Commit(other, CommitOf(0, At("t", 0), 0)).ok());
  AppendToOffsets("g", KeyOf(GroupRecordKind::kOffset, "g"), "rubbish");
  Restart();
  AwaitLoaded();
  EXPECT_EQ(Offsets("g"), "COORDINATOR_NOT_AVAILABLE");
  EXPECT_EQ(Next(Join("g", "a")), "end COORDINATOR_NOT_AVAILABLE");
  EXPECT_THAT(Commit("g", CommitOf(0, At("t", 0), 0)).status(), FailsWith(Reason::kCoordinatorNotAvailable));
  EXPECT_EQ(Look("g", [](const GroupView&) { return std::string(); }), "COORDINATOR_NOT_AVAILABLE");
  EXPECT_EQ(Offsets(other), "t-0@0 ");
  EXPECT_THAT(Warnings(), ElementsAre(HasSubstr("group g cannot be served")));
}

TEST_F(GroupLogTest, ADamagedKeyMakesThePartitionUnavailableAndNoOther) {
  const std::string same = OtherIn("g", /*same_partition=*/true);
  const std::string elsewhere = OtherIn("g", /*same_partition=*/false);
  for (const std::string& group : {std::string("g"), same, elsewhere}) ASSERT_TRUE(Commit(group, CommitOf(0, At("t", 0), 0)).ok());
  AppendToOffsets("g", "rubbish", "rubbish");
  Restart();
  AwaitLoaded();
  EXPECT_EQ(Offsets("g"), "COORDINATOR_NOT_AVAILABLE");
  EXPECT_EQ(Offsets(same), "COORDINATOR_NOT_AVAILABLE");
  EXPECT_EQ(Offsets(elsewhere), "t-0@0 ");
  Advance(absl::Seconds(10));
  EXPECT_EQ(Offsets("g"), "COORDINATOR_NOT_AVAILABLE") << "damage does not mend itself";
  EXPECT_THAT(Warnings(), ElementsAre(HasSubstr("the groups of __consumer_offsets-")));
}

TEST_F(GroupLogTest, AResetIsDoneWhenTheOwnerReadsFromThere) {
  const StreamId a = Join("g", "a");
  EXPECT_EQ(Next(a), "welcome 1");
  EXPECT_THAT(Next(a), StartsWith("target"));
  Beat(a, {At("t", 0), At("t", 1)});
  auto done = std::make_shared<std::promise<StatusOr<ResetOutcome>>>();
  driver_->Reset("g", {{At("t", 0), Offset(0), kNoLeaderEpoch}}, absl::Seconds(5), [done](StatusOr<ResetOutcome> outcome) { done->set_value(std::move(outcome)); });
  EXPECT_EQ(Next(a), "positions t-0@0/1");
  Say(a, CommitOf(2, At("t", 0), 0));
  EXPECT_EQ(Next(a), "committed 1 STALE_POSITION_EPOCH");
  Say(a, ConfirmPositions{a, {{At("t", 0), PositionEpoch(1)}}});
  const ResetOutcome outcome = done->get_future().get().value();
  ASSERT_THAT(outcome, SizeIs(1));
  EXPECT_EQ(outcome[0].before, std::nullopt);
  EXPECT_EQ(outcome[0].after, Offset(0));
  EXPECT_EQ(outcome[0].position_epoch, PositionEpoch(1));
  EXPECT_EQ(outcome[0].unconfirmed_member, "");
}

TEST_F(GroupLogTest, AtTheDeadlineAResetNamesTheOwnersThatAreMissing) {
  const StreamId a = Join("g", "a");
  EXPECT_EQ(Next(a), "welcome 1");
  EXPECT_THAT(Next(a), StartsWith("target"));
  Beat(a, {At("t", 0), At("t", 1)});
  EXPECT_EQ(Reset("g", {{At("t", 1), Offset(0), kNoLeaderEpoch}}, absl::ZeroDuration()).value()[0].unconfirmed_member, "a");
  auto done = std::make_shared<std::promise<StatusOr<ResetOutcome>>>();
  driver_->Reset("g", {{At("t", 1), Offset(0), kNoLeaderEpoch}}, absl::Seconds(5), [done](StatusOr<ResetOutcome> outcome) { done->set_value(std::move(outcome)); });
  EXPECT_EQ(Next(a), "positions t-1@0/1");
  EXPECT_EQ(Next(a), "positions t-1@0/2");
  Advance(absl::Seconds(6));
  EXPECT_EQ(done->get_future().get().value()[0].unconfirmed_member, "a");
}

TEST_F(GroupLogTest, AResetOfAGroupThatIsNotThereMakesItAndOfNoPartitionIsRefused) {
  EXPECT_EQ(Reset("g", {{At("t", 0), Offset(0), kNoLeaderEpoch}}, absl::Seconds(5)).value()[0].position_epoch, PositionEpoch(1));
  EXPECT_EQ(Offsets("g"), "t-0@0 ");
  EXPECT_THAT(Reset("g", {{{TopicId::Random(), PartitionIndex(0)}, Offset(0), kNoLeaderEpoch}}, absl::Seconds(5)).status(),
              FailsWith(Reason::kUnknownTopicOrPartition));
  EXPECT_THAT(Reset("g", {{At("t", 0), Offset(-1), kNoLeaderEpoch}}, absl::Seconds(5)).status(), FailsWith(Reason::kOffsetOutOfRange));
}

// Telling ninety groups of one topic takes so long that the next topic has to wait.
TEST_F(GroupLogTest, WhatIsSaidOfATopicThatTheGroupsHaveYetToHearOfIsTaken) {
  for (int i = 0; i < 90; ++i) driver_->Commit(absl::StrCat("g", i), CommitOf(0, At("t", 0), 0), [](const auto&) {});
  ASSERT_TRUE(Commit("g90", CommitOf(0, At("t", 0), 0)).ok());  // behind them
  driver_clock_.look_ms = 1;
  CreateTopic("first", 1);
  CreateTopic("second", 1);
  EXPECT_THAT(Commit("g0", CommitOf(0, At("second", 0), 0)).value(), ElementsAre(absl::OkStatus()));
  CreateTopic("third", 1);
  CreateTopic("fourth", 1);
  EXPECT_EQ(Reset("g1", {{At("fourth", 0), Offset(0), kNoLeaderEpoch}}, absl::ZeroDuration()).status(), absl::OkStatus());
}

TEST_F(GroupLogTest, ADeletedGroupIsGoneAfterARestart) {
  auto remove = [&](const std::string& group) { return Wait<Status>([&](auto done) { driver_->Delete(group, std::move(done)); }); };
  EXPECT_THAT(remove("g"), FailsWith(Reason::kGroupIdNotFound));
  ASSERT_TRUE(Commit("g", CommitOf(0, At("t", 0), 0)).ok());
  EXPECT_EQ(remove("g"), absl::OkStatus());
  EXPECT_THAT(remove("g"), FailsWith(Reason::kGroupIdNotFound));
  EXPECT_TRUE(NoGroupIsLeft());
  Restart();
  AwaitLoaded();
  EXPECT_EQ(Offsets("g"), "");
  EXPECT_TRUE(NoGroupIsLeft());
}

TEST_F(GroupLogTest, OffsetsOfAGroupWithoutMembersGoAfterTheRetention) {
  ASSERT_TRUE(Commit("g", CommitOf(0, At("t", 0), 0)).ok());
  Advance(absl::Hours(24 * 7) - absl::Minutes(1));
  EXPECT_EQ(Offsets("g"), "t-0@0 ");
  Advance(absl::Minutes(2));
  EXPECT_EQ(Offsets("g"), "");
  EXPECT_TRUE(NoGroupIsLeft());
}

TEST_F(GroupLogTest, MeasuresAreOfWhatIsThere) {
  const StreamId a = Join("g", "a");
  EXPECT_EQ(Next(a), "welcome 1");
  EXPECT_THAT(Next(a), StartsWith("target"));
  Beat(a, {At("t", 0), At("t", 1)});
  Say(a, CommitOf(2, At("t", 0), 0));
  EXPECT_EQ(Next(a), "committed 1 OK");
  for (const bool restarted : {false, true}) {
    const GroupMeasures& measures = driver_->measures();
    EXPECT_EQ(measures.groups.value(), 1);
    EXPECT_EQ(measures.members.value(), 1);
    EXPECT_EQ(measures.offsets.value(), 1);
    EXPECT_EQ(measures.streams.value(), restarted ? 0 : 1);
    EXPECT_EQ(measures.loading.value(), 0);
    if (restarted) break;
    Restart();
    AwaitLoaded();
  }
}

}  // namespace
}  // namespace cordwood::broker
