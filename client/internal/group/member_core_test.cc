// SPDX-License-Identifier: Apache-2.0
#include "client/internal/group/member_core.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "client/internal/rpc_error.h"

namespace cordwood::client {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const TopicId kTopic = [] {
  TopicId id;
  id.bytes[0] = 7;
  return id;
}();

// A coordinator of a few words, and a clock that is moved by hand. Partitions are of one topic and go by their numbers.
class MemberCoreTest : public ::testing::Test {
 protected:
  explicit MemberCoreTest(const std::string& instance_id = "") : core_(Options(instance_id), now_) {}

  MemberCoreOptions Options(const std::string& instance_id) {
    MemberCoreOptions options;
    options.group = "g";
    options.instance_id = instance_id;
    options.subscription.add_topics("t");
    options.max_poll_interval = absl::Seconds(100);
    options.new_member_id = [this] { return "m" + std::to_string(++incarnations_); };
    return options;
  }

  // All that it has to say now.
  std::vector<v1::MemberMessage> Sent() {
    std::vector<v1::MemberMessage> sent;
    while (auto message = core_.NextMessage(now_)) sent.push_back(*std::move(message));
    Sound();
    return sent;
  }
  v1::MemberMessage SentOne() {
    const auto sent = Sent();
    EXPECT_EQ(sent.size(), 1u);
    return sent.empty() ? v1::MemberMessage() : sent[0];
  }
  void Sound() { EXPECT_EQ(core_.Invariants(), absl::OkStatus()); }

  v1::JoinRequest Open() {
    core_.StreamOpened(now_);
    return SentOne().join();
  }
  void Welcome(int epoch) {
    v1::CoordinatorMessage message;
    message.mutable_welcome()->set_member_epoch(epoch);
    message.mutable_welcome()->set_heartbeat_interval_ms(5'000);
    message.mutable_welcome()->set_session_timeout_ms(15'000);
    Tell(message);
  }
  void Tell(const v1::CoordinatorMessage& message) {
    EXPECT_EQ(core_.Received(message, now_), absl::OkStatus());
    Sound();
  }
  struct Given {
    int partition;
    int offset = -1;  // none
    int position_epoch = 0;
  };
  static void Fill(const Given& given, v1::AssignedPartition* out) {
    out->set_topic_id(std::string(kTopic.raw()));
    out->set_topic("t");
    out->set_partition(given.partition);
    if (given.offset >= 0) out->set_offset(given.offset);
    out->set_position_epoch(static_cast<std::uint32_t>(given.position_epoch));
  }
  static v1::CoordinatorMessage TargetOf(int epoch, const std::vector<Given>& assigned, const std::vector<int>& revoke = {}) {
    v1::CoordinatorMessage message;
    message.mutable_target()->set_member_epoch(epoch);
    message.mutable_target()->set_reason("because");
    for (const Given& given : assigned) Fill(given, message.mutable_target()->add_assigned());
    if (revoke.empty()) return message;
    auto* topic = message.mutable_target()->mutable_revoke()->add_topics();
    topic->set_topic_id(std::string(kTopic.raw()));
    for (const int partition : revoke) topic->add_partitions(partition);
    return message;
  }
  void Target(int epoch, const std::vector<Given>& assigned, const std::vector<int>& revoke = {}) { Tell(TargetOf(epoch, assigned, revoke)); }
  void Position(const Given& given) {
    v1::CoordinatorMessage message;
    Fill(given, message.mutable_positions()->add_positions());
    Tell(message);
  }
  void Done(std::uint64_t seq, Reason reason = Reason::kNone) {
    v1::CoordinatorMessage message;
    message.mutable_commit_done()->set_seq(seq);
    if (reason != Reason::kNone) message.mutable_commit_done()->add_errors()->set_reason(static_cast<v1::Reason>(reason));
    Tell(message);
  }
  void End(const Status& status) {
    core_.StreamEnded(status, now_);
    Sound();
  }
  void Lost() { End(TransportError("connection reset")); }

  // A member at epoch 1 that has partitions 0 and 1 in its application's hands.
  void Settle() {
    Open();
    Welcome(1);
    Target(1, {{0, 10}, {1, 20}});
    changes_ = core_.TakeChanges();
    Sent();
  }
  const MemberPlace& Place(int partition) const {
    return *std::find_if(changes_.assigned.begin(), changes_.assigned.end(), [&](const MemberPlace& p) { return p.at.partition.value() == partition; });
  }
  std::uint64_t Commit(int partition, int offset) {
    const MemberPlace& place = Place(partition);
    return core_.Commit({{place.at, place.tenure, Offset(offset), kNoLeaderEpoch, place.position_epoch, ""}}, now_).value();
  }
  static std::vector<int> Numbers(const std::vector<MemberPlace>& places) {
    std::vector<int> numbers;
    for (const MemberPlace& place : places) numbers.push_back(place.at.partition.value());
    return numbers;
  }
  static std::vector<int> Owned(const v1::TopicPartitionList& list) {
    std::vector<int> numbers;
    for (const auto& topic : list.topics()) numbers.insert(numbers.end(), topic.partitions().begin(), topic.partitions().end());
    return numbers;
  }

  int incarnations_ = 0;
  absl::Duration now_ = absl::Hours(1);
  MemberCore core_;
  MemberChanges changes_;
};

TEST_F(MemberCoreTest, JoinsAsANewIncarnationThatOwnsNothing) {
  const auto join = Open();
  EXPECT_EQ(join.group(), "g");
  EXPECT_EQ(join.member_id(), "m1");
  EXPECT_EQ(join.member_epoch(), 0);
  EXPECT_FALSE(join.has_owned());
  EXPECT_EQ(join.rebalance_timeout_ms(), 100'000);
  EXPECT_THAT(join.subscription().topics(), ElementsAre("t"));
  EXPECT_THAT(Sent(), IsEmpty());  // before the Welcome nothing follows
}

TEST_F(MemberCoreTest, ATargetIsTakenInAndSaidAtOnce) {
  Open();
  Welcome(3);
  Target(4, {{0, 10}, {1}});
  const auto heartbeat = SentOne().heartbeat();
  EXPECT_EQ(heartbeat.member_epoch(), 4);
  EXPECT_THAT(Owned(heartbeat.owned()), ElementsAre(0, 1));
  const MemberChanges changes = core_.TakeChanges();
  EXPECT_THAT(Numbers(changes.assigned), ElementsAre(0, 1));
  EXPECT_EQ(changes.assigned[0].offset, Offset(10));
  EXPECT_EQ(changes.assigned[1].offset, std::nullopt);
  EXPECT_FALSE(core_.has_changes());
}

TEST_F(MemberCoreTest, HeartbeatsComeWithoutTheApplication) {
  Settle();
  now_ += absl::Milliseconds(4'999);
  EXPECT_THAT(Sent(), IsEmpty());
  EXPECT_EQ(core_.next_wake(), now_ + absl::Milliseconds(1));
  now_ += absl::Milliseconds(1);
  core_.Progressed(Place(0).at, Offset(15), false);
  const auto heartbeat = SentOne().heartbeat();
  EXPECT_EQ(heartbeat.member_epoch(), 1);
  EXPECT_FALSE(heartbeat.has_owned());  // as in the last one
  ASSERT_EQ(heartbeat.progress_size(), 1);
  EXPECT_EQ(heartbeat.progress(0).position(), 15);
}

TEST_F(MemberCoreTest, ARevokedPartitionIsOursUntilTheApplicationHasGivenItUp) {
  Settle();
  Target(2, {{0, 10}}, {1});
  EXPECT_THAT(Owned(SentOne().heartbeat().owned()), ElementsAre(0, 1));
  const MemberChanges changes = core_.TakeChanges();
  EXPECT_THAT(Numbers(changes.revoked), ElementsAre(1));
  EXPECT_THAT(Sent(), IsEmpty());
  core_.GaveUp(changes.revoked);
  const auto heartbeat = SentOne().heartbeat();
  EXPECT_EQ(heartbeat.member_epoch(), 2);
  EXPECT_THAT(Owned(heartbeat.owned()), ElementsAre(0));
}

TEST_F(MemberCoreTest, ItIsOursUntilItsLastCommitIsAnswered) {
  Settle();
  Target(2, {{0, 10}}, {1});
  const MemberChanges changes = core_.TakeChanges();
  Sent();
  const auto seq = Commit(1, 25);
  core_.GaveUp(changes.revoked);
  EXPECT_EQ(SentOne().commit().entries(0).offset(), 25);
  Lost();
  EXPECT_THAT(Owned(Open().owned()), ElementsAre(0, 1));
  Welcome(2);
  Target(2, {{0, 10}}, {1});
  EXPECT_EQ(Sent()[0].commit().seq(), seq);
  Done(seq);
  EXPECT_THAT(Owned(SentOne().heartbeat().owned()), ElementsAre(0));
}

TEST_F(MemberCoreTest, WhatTheApplicationNeverHadIsGivenUpWithoutIt) {
  Open();
  Welcome(1);
  Target(1, {{0}, {1}});
  Target(2, {{0}}, {1});
  EXPECT_THAT(Owned(SentOne().heartbeat().owned()), ElementsAre(0));
  const MemberChanges changes = core_.TakeChanges();
  EXPECT_THAT(Numbers(changes.assigned), ElementsAre(0));
  EXPECT_THAT(changes.revoked, IsEmpty());
}

TEST_F(MemberCoreTest, ARevocationTakenBackInTimeIsNeverSeen) {
  Settle();
  Target(2, {{0, 10}}, {1});
  Target(3, {{0, 10}, {1, 20}});
  EXPECT_FALSE(core_.has_changes());
}

TEST_F(MemberCoreTest, APartitionThatComesBackWhileItIsGivenUpBeginsWhereWeCommitted) {
  Settle();
  Target(2, {{0, 10}}, {1});
  const MemberChanges changes = core_.TakeChanges();
  const auto seq = Commit(1, 25);
  Target(3, {{0, 10}, {1, 20}});  // made before the commit
  core_.GaveUp(changes.revoked);
  Sent();
  Done(seq);
  const MemberChanges again = core_.TakeChanges();
  ASSERT_THAT(Numbers(again.assigned), ElementsAre(1));
  EXPECT_EQ(again.assigned[0].offset, Offset(25));
  EXPECT_NE(again.assigned[0].tenure, changes.revoked[0].tenure);
  EXPECT_THAT(Owned(SentOne().heartbeat().owned()), ElementsAre(0, 1));
}

TEST_F(MemberCoreTest, ADoubledOrLateTargetChangesNothing) {
  Settle();
  Target(2, {{0, 10}}, {1});
  core_.GaveUp(core_.TakeChanges().revoked);
  Sent();
  Target(2, {{0, 10}}, {1});
  EXPECT_THAT(Owned(SentOne().heartbeat().owned()), ElementsAre(0));
  Target(1, {{0, 10}, {1, 20}});
  EXPECT_THAT(Sent(), IsEmpty());
  EXPECT_FALSE(core_.has_changes());
  EXPECT_EQ(core_.epoch(), 2);
}

TEST_F(MemberCoreTest, APartitionThatNoTargetNamesIsLost) {
  Settle();
  Target(2, {{0, 10}});
  EXPECT_THAT(Numbers(core_.TakeChanges().lost), ElementsAre(1));
  EXPECT_THAT(Owned(SentOne().heartbeat().owned()), ElementsAre(0));
}

TEST_F(MemberCoreTest, ALostStreamIsNotALostMember) {
  Settle();
  Lost();
  EXPECT_TRUE(core_.wants_stream());
  const auto join = Open();
  EXPECT_EQ(join.member_id(), "m1");
  EXPECT_EQ(join.member_epoch(), 1);
  EXPECT_THAT(Owned(join.owned()), ElementsAre(0, 1));
  Welcome(5);  // a target was missed
  EXPECT_EQ(core_.epoch(), 1);
  Target(5, {{0, 10}, {1, 20}, {2}});
  EXPECT_EQ(SentOne().heartbeat().member_epoch(), 5);
  EXPECT_THAT(Numbers(core_.TakeChanges().assigned), ElementsAre(2));
}

TEST_F(MemberCoreTest, WhereItStandsIsSaidAgainToACoordinatorThatMayHaveForgotten) {
  Settle();
  core_.Progressed(Place(0).at, Offset(15), true);
  now_ += absl::Seconds(5);
  EXPECT_EQ(SentOne().heartbeat().progress_size(), 1);
  Lost();
  Open();
  Welcome(1);
  now_ += absl::Seconds(5);
  const auto heartbeat = SentOne().heartbeat();
  ASSERT_EQ(heartbeat.progress_size(), 1);
  EXPECT_EQ(heartbeat.progress(0).position(), 15);
  EXPECT_TRUE(heartbeat.progress(0).paused());
}

TEST_F(MemberCoreTest, AJoinThatWasNeverAnsweredIsMadeAgain) {
  Open();
  now_ += absl::Seconds(29);
  EXPECT_FALSE(core_.overdue(now_));
  now_ += absl::Seconds(1);
  EXPECT_TRUE(core_.overdue(now_));
  Lost();
  EXPECT_EQ(Open().member_id(), "m1");
}

TEST_F(MemberCoreTest, OutOfReachForTheSessionItIsInDoubtUntilItIsBack) {
  Settle();
  now_ += absl::Seconds(5);
  Sent();
  now_ += absl::Seconds(1);
  Lost();
  now_ += absl::Seconds(14) - absl::Milliseconds(1);
  core_.Tick(now_);
  EXPECT_FALSE(core_.in_doubt());
  EXPECT_EQ(core_.next_wake(), now_ + absl::Milliseconds(1));
  now_ += absl::Milliseconds(1);
  core_.Tick(now_);
  EXPECT_TRUE(core_.in_doubt());
  Open();
  Welcome(1);
  EXPECT_FALSE(core_.in_doubt());
  EXPECT_FALSE(core_.has_changes());
}

TEST_F(MemberCoreTest, AFencedMemberLosesAllAndJoinsAnew) {
  Settle();
  const auto seq = Commit(0, 15);
  End(Error(Reason::kFencedMemberEpoch, "silent for 15000 ms"));
  EXPECT_THAT(Numbers(core_.TakeChanges().lost), ElementsAre(0, 1));
  const auto answers = core_.TakeAnswers();
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].seq, seq);
  EXPECT_EQ(ReasonOf(answers[0].entries[0]), Reason::kFencedMemberEpoch);
  const auto join = Open();
  EXPECT_EQ(join.member_id(), "m2");
  EXPECT_EQ(join.member_epoch(), 0);
}

TEST_F(MemberCoreTest, WhatAnEarlierIncarnationReadIsNotCommitted) {
  Settle();
  End(Error(Reason::kUnknownMemberId, "gone"));
  Open();
  Welcome(7);
  Target(7, {{0, 30}});
  core_.TakeChanges();
  Sent();
  Commit(0, 15);
  EXPECT_THAT(Sent(), IsEmpty());
  EXPECT_EQ(ReasonOf(core_.TakeAnswers().at(0).entries[0]), Reason::kStaleMemberEpoch);
}

TEST_F(MemberCoreTest, AnInstanceTakenOverIsADefiniteEnd) {
  Settle();
  End(Error(Reason::kFencedInstanceId, "m9 has it"));
  EXPECT_EQ(ReasonOf(core_.failure()), Reason::kFencedInstanceId);
  EXPECT_FALSE(core_.wants_stream());
  EXPECT_TRUE(core_.left());
  EXPECT_THAT(Numbers(core_.TakeChanges().lost), ElementsAre(0, 1));
}

TEST_F(MemberCoreTest, ABusyCoordinatorIsAskedAgain) {
  Open();
  End(Error(Reason::kCoordinatorLoadInProgress, "loading"));
  EXPECT_TRUE(core_.wants_stream());
  EXPECT_EQ(Open().member_id(), "m1");
}

TEST_F(MemberCoreTest, WhoIsTurnedAwayForNowKnowsWhy) {
  Open();
  End(Error(Reason::kCoordinatorNotAvailable, "group g cannot be served: offset 7"));
  EXPECT_EQ(core_.reason(), "group g cannot be served: offset 7");
  EXPECT_TRUE(core_.wants_stream());
  Lost();
  EXPECT_EQ(core_.reason(), "group g cannot be served: offset 7");
}

TEST_F(MemberCoreTest, CommitsGoInOrderAndAreAnsweredOnce) {
  Settle();
  const auto first = Commit(0, 11);
  const auto second = Commit(1, 21);
  const auto sent = Sent();
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(sent[0].commit().seq(), first);
  EXPECT_EQ(sent[1].commit().member_epoch(), 1);
  Done(second);
  Done(first, Reason::kStalePositionEpoch);
  Done(first);  // doubled
  Done(99);     // nobody's
  const auto answers = core_.TakeAnswers();
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(answers[0].entries[0], absl::OkStatus());
  EXPECT_EQ(ReasonOf(answers[1].entries[0]), Reason::kStalePositionEpoch);
}

TEST_F(MemberCoreTest, ACommitSentAgainNeverGoesBack) {
  Settle();
  Commit(0, 11);
  Commit(0, 12);
  Sent();
  Lost();
  Commit(0, 13);
  Open();
  Welcome(1);
  const auto sent = Sent();
  ASSERT_EQ(sent.size(), 3u);
  for (const auto& message : sent) EXPECT_EQ(message.commit().entries(0).offset(), 13);
}

TEST_F(MemberCoreTest, ACommitThatIsNeverAnsweredBreaksTheStream) {
  Settle();
  Commit(0, 11);
  Sent();
  now_ += absl::Seconds(30);
  EXPECT_TRUE(core_.overdue(now_));
  Lost();
  EXPECT_FALSE(core_.overdue(now_));
  Open();
  Welcome(1);
  Done(SentOne().commit().seq());
  EXPECT_EQ(core_.TakeAnswers().size(), 1u);
}

TEST_F(MemberCoreTest, CommitsThatWaitAreBounded) {
  Settle();
  for (std::size_t i = 0; i < kCommitsPendingMax; ++i) Commit(0, 11);
  const MemberPlace& place = Place(0);
  const auto refused = core_.Commit({{place.at, place.tenure, Offset(12), kNoLeaderEpoch, 0, ""}}, now_);
  EXPECT_EQ(ReasonOf(refused.status()), Reason::kLimitExceeded);
}

TEST_F(MemberCoreTest, AResetIsTakenUnderItsPositionEpochAndConfirmed) {
  Settle();
  Position({0, 3, 1});
  Position({5, 3, 1});  // not ours
  const MemberChanges changes = core_.TakeChanges();
  ASSERT_THAT(Numbers(changes.moved), ElementsAre(0));
  EXPECT_EQ(changes.moved[0].offset, Offset(3));
  EXPECT_THAT(Sent(), IsEmpty());
  core_.Taken(changes.moved);
  const auto taken = SentOne().positions_taken();
  ASSERT_EQ(taken.positions_size(), 1);
  EXPECT_EQ(taken.positions(0).position_epoch(), 1u);
  Position({0, 2, 1});  // doubled
  Position({0, 2, 0});  // late
  EXPECT_FALSE(core_.has_changes());
}

TEST_F(MemberCoreTest, AResetMissedWithTheStreamComesWithTheTarget) {
  Settle();
  Lost();
  Open();
  Welcome(1);
  Target(1, {{0, 3, 2}, {1, 20}});
  const MemberChanges changes = core_.TakeChanges();
  ASSERT_THAT(Numbers(changes.moved), ElementsAre(0));
  EXPECT_EQ(changes.moved[0].position_epoch, 2u);
}

TEST_F(MemberCoreTest, AConfirmationThatMayBeLostIsSaidAgain) {
  Settle();
  Position({0, 3, 1});
  core_.Taken(core_.TakeChanges().moved);
  Sent();
  Lost();
  Open();
  Welcome(1);
  EXPECT_EQ(SentOne().positions_taken().positions(0).position_epoch(), 1u);
}

TEST_F(MemberCoreTest, LeavingWaitsForTheCommitsAndEndsWithTheStream) {
  Settle();
  const auto seq = Commit(0, 11);
  core_.Leave();
  EXPECT_TRUE(SentOne().has_commit());
  Done(seq);
  EXPECT_FALSE(SentOne().leave().keep_slot());
  EXPECT_FALSE(core_.left());
  End(absl::OkStatus());
  EXPECT_TRUE(core_.left());
  EXPECT_FALSE(core_.wants_stream());
}

TEST_F(MemberCoreTest, LeavingGoesOnAfterALostStream) {
  Settle();
  core_.Leave();
  Sent();
  Lost();
  EXPECT_FALSE(core_.left());
  EXPECT_EQ(Open().member_epoch(), 1);
  Welcome(1);
  EXPECT_TRUE(SentOne().has_leave());
  End(Error(Reason::kUnknownMemberId, "left before"));
  EXPECT_TRUE(core_.left());
}

TEST_F(MemberCoreTest, WhoNeverJoinedHasLeft) {
  core_.Leave();
  EXPECT_TRUE(core_.left());
}

TEST_F(MemberCoreTest, ASlowPollIsWarnedOfBeforeThePartitionsGo) {
  Settle();
  now_ += absl::Seconds(50);
  core_.Polled(now_);
  now_ += absl::Seconds(80);
  EXPECT_THAT(core_.next_wake(), testing::Le(now_));
  core_.Tick(now_);
  EXPECT_EQ(core_.TakeSlowPoll(), absl::Seconds(80));
  EXPECT_FALSE(core_.has_changes());
  Sent();
  now_ += absl::Seconds(20);
  core_.Tick(now_);
  EXPECT_EQ(core_.TakeSlowPoll(), std::nullopt);
  EXPECT_THAT(Numbers(core_.TakeChanges().lost), ElementsAre(0, 1));
  EXPECT_TRUE(SentOne().has_leave());
  End(absl::OkStatus());
  EXPECT_FALSE(core_.wants_stream());
  core_.Polled(now_);
  EXPECT_TRUE(core_.wants_stream());
  EXPECT_EQ(Open().member_id(), "m2");
}

TEST_F(MemberCoreTest, APollWhileItLeavesJoinsAfterwards) {
  Settle();
  now_ += absl::Seconds(100);
  core_.Tick(now_);
  core_.Polled(now_);
  EXPECT_TRUE(SentOne().has_leave());
  Lost();
  EXPECT_EQ(Open().member_id(), "m2");
}

TEST_F(MemberCoreTest, AnotherSubscriptionIsSaidOnTheStreamOrWithTheNextJoin) {
  Settle();
  v1::Subscription pattern;
  pattern.set_pattern("a.*");
  core_.Subscribe(pattern);
  EXPECT_EQ(SentOne().subscribe().pattern(), "a.*");
  Lost();
  EXPECT_EQ(Open().subscription().pattern(), "a.*");
}

TEST_F(MemberCoreTest, ItJoinsAnotherCoordinatorAsItWasAndSaysAgainWhatWasNotAnswered) {
  Settle();
  Commit(0, 11);
  Sent();
  for (const Status& why : {TransportError("another broker coordinates the group now"), Error(Reason::kNotCoordinator, "not here")}) {
    End(why);
    const v1::JoinRequest join = Open();
    EXPECT_EQ(join.member_id(), "m1");
    EXPECT_EQ(join.member_epoch(), 1);
    EXPECT_THAT(Owned(join.owned()), ElementsAre(0, 1));
    Welcome(1);
    EXPECT_EQ(SentOne().commit().entries(0).offset(), 11);
  }
  EXPECT_TRUE(core_.TakeChanges().lost.empty());
}

TEST_F(MemberCoreTest, MovedNamesTheOtherCoordinator) {
  Settle();
  v1::CoordinatorMessage message;
  message.mutable_moved()->mutable_leader()->set_host("b2");
  Tell(message);
  EXPECT_EQ(core_.TakeMoved()->host(), "b2");
  EXPECT_FALSE(core_.TakeMoved().has_value());
}

TEST_F(MemberCoreTest, MessagesThatMakeNoSenseAreRefused) {
  Open();
  v1::CoordinatorMessage welcome;
  welcome.mutable_welcome();
  EXPECT_EQ(ReasonOf(core_.Received(welcome, now_)), Reason::kMalformedRequest);
  Welcome(1);
  EXPECT_EQ(ReasonOf(core_.Received(TargetOf(2, {{0}, {0}}), now_)), Reason::kMalformedRequest);
  v1::CoordinatorMessage nameless = TargetOf(2, {{0}});
  nameless.mutable_target()->mutable_assigned(0)->set_topic_id("short");
  EXPECT_EQ(ReasonOf(core_.Received(nameless, now_)), Reason::kMalformedRequest);
  EXPECT_EQ(core_.epoch(), 1);
}

class StaticMemberCoreTest : public MemberCoreTest {
 protected:
  StaticMemberCoreTest() : MemberCoreTest("i1") {}
};

TEST_F(StaticMemberCoreTest, KeepsItsSlotWhenItLeaves) {
  EXPECT_EQ(Open().instance_id(), "i1");
  Welcome(1);
  core_.Leave();
  EXPECT_TRUE(SentOne().leave().keep_slot());
}

TEST_F(MemberCoreTest, AReplayJobIsToldWithATargetAndWithoutOne) {
  Open();
  Welcome(1);
  EXPECT_FALSE(core_.replay().has_value());
  auto target = TargetOf(2, {{0, 10}});
  target.mutable_target()->mutable_assigned(0)->set_end(20);
  target.mutable_target()->mutable_replay()->set_state(v1::REPLAY_RUNNING);
  target.mutable_target()->mutable_replay()->set_bytes_per_second(500);
  target.mutable_target()->mutable_replay()->set_clock_ms(1'000);
  Tell(target);
  EXPECT_EQ(core_.TakeChanges().assigned.at(0).end, Offset(20));
  EXPECT_TRUE(core_.TakeReplayChanged());
  EXPECT_EQ(core_.replay()->bytes_per_second, 500);
  EXPECT_EQ(core_.replay()->clock_ms, 1'000);
  EXPECT_EQ(core_.replay()->told, now_);
  EXPECT_FALSE(core_.has_changes());
  v1::CoordinatorMessage paused;
  paused.mutable_replay()->set_state(v1::REPLAY_PAUSED);
  Tell(paused);
  EXPECT_TRUE(core_.has_changes());
  EXPECT_TRUE(core_.TakeReplayChanged());
  EXPECT_EQ(core_.replay()->state, MemberReplay::State::kPaused);
  Target(3, {{0, 10}});  // no job any more
  EXPECT_FALSE(core_.replay().has_value());
  EXPECT_TRUE(core_.TakeReplayChanged());
}

}  // namespace
}  // namespace cordwood::client
