// SPDX-License-Identifier: Apache-2.0
#include "broker/groups/coordinator/group_driver.h"

#include <atomic>
#include <thread>

#include "broker/groups/coordinator/coordinator_fixture.h"
#include "broker/groups/coordinator/topic_patterns.h"

namespace cordwood::broker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class GroupDriverTest : public CoordinatorFixture {
 protected:
  // Joins alone, and takes up both partitions of t.
  StreamId JoinAndOwn(const std::string& group, const std::string& member) {
    const StreamId stream = Join(group, member);
    EXPECT_EQ(Next(stream), "welcome 1");
    EXPECT_EQ(Next(stream), "target: t-0@none t-1@none");
    Beat(stream, Both());
    return stream;
  }
  std::vector<TopicPartition> Both() { return {At("t", 0), At("t", 1)}; }
  // Everything that the shard is asked waits until Resume().
  void HoldShard() {
    held_ = std::make_shared<std::promise<void>>();
    const auto reached = std::make_shared<std::promise<void>>();
    shard_->Look([held = held_->get_future().share(), reached](ShardTurn&) {
      reached->set_value();
      held.wait();
      return absl::OkStatus();
    }, [](const Status&) {});
    reached->get_future().wait();
  }
  void Resume() { held_->set_value(); }

 private:
  std::shared_ptr<std::promise<void>> held_;
};

TEST_F(GroupDriverTest, TheFirstChangeMakesTheOffsetsTopicAndTheFirstReadDoesNot) {
  EXPECT_EQ(Offsets("g"), "");
  EXPECT_EQ(topics_made_, 0);
  const StreamId a = Join("g", "a");
  const StreamId b = Join("h", "b");
  EXPECT_EQ(Next(a), "welcome 1");
  EXPECT_EQ(Next(b), "welcome 1");
  EXPECT_EQ(topics_made_, 1);
}

TEST_F(GroupDriverTest, WhyTheOffsetsTopicCannotBeMadeIsToldAndTheNextTriesAgain) {
  make_outcome_ = Error(Reason::kDiskFull, "no room");
  EXPECT_EQ(Next(Join("g", "a")), "end DISK_FULL");
  make_outcome_ = absl::OkStatus();
  EXPECT_EQ(Next(Join("g", "a")), "welcome 1");
}

TEST_F(GroupDriverTest, ASecondMemberGetsAPartitionWhenTheFirstHasGivenItUp) {
  const StreamId a = JoinAndOwn("g", "a");
  const StreamId b = Join("g", "b");
  EXPECT_EQ(Next(a), "target: t-0@none; revoke t-1");
  EXPECT_THAT(Next(b), StartsWith("welcome"));
  EXPECT_EQ(Next(b), "target:");
  Beat(b, {});
  EXPECT_TRUE(Silent(b));
  Beat(a, {At("t", 0)});
  EXPECT_EQ(Next(b), "target: t-1@none");
}

TEST_F(GroupDriverTest, CommitsOnAStreamAreAnsweredInOrderAndCanBeFetched) {
  const StreamId a = JoinAndOwn("g", "a");
  Say(a, CommitOf(2, At("t", 0), 0, 7));
  Say(a, CommitOf(2, At("t", 1), 0, 8));
  EXPECT_EQ(Next(a), "committed 7 OK");
  EXPECT_EQ(Next(a), "committed 8 OK");
  EXPECT_EQ(Offsets("g"), "t-0@0 t-1@0 ");
  EXPECT_EQ(Offsets("h"), "");
}

TEST_F(GroupDriverTest, OfAGroupsOffsetsOnlyThoseAskedForAreHandedOver) {
  CreateTopic("u", 2);
  CommitOffsets commit;
  for (const char* topic : {"t", "u"}) {
    for (int i = 0; i < 2; ++i) commit.entries.push_back(CommitOf(0, At(topic, i), 0).entries[0]);
  }
  (void)Commit("g", commit);
  EXPECT_EQ(Fetch("g")->size(), 4u);
  EXPECT_EQ(Offsets("g", {false, {}, {At("t", 1), At("t", 7)}}), "t-1@0 ");
  EXPECT_EQ(Offsets("g", {false, {At("u", 0).topic}, {At("t", 0)}}), "u-0@0 u-1@0 t-0@0 ");
  EXPECT_EQ(Offsets("g", {false, {}, {}}), "");
}

TEST_F(GroupDriverTest, WhatCannotBeCommittedIsRefusedByTheEntry) {
  const StreamId a = JoinAndOwn("g", "a");
  CommitOffsets commit = CommitOf(2, At("t", 0), -1);
  commit.entries.push_back(CommitOf(2, At("t", 0), 1).entries[0]);  // the log is empty
  commit.entries.push_back(CommitOf(2, {TopicId::Random(), PartitionIndex(0)}, 0).entries[0]);
  commit.entries.push_back(CommitOf(2, {At("t", 0).topic, PartitionIndex(2)}, 0).entries[0]);
  commit.entries.push_back(CommitOf(2, At("t", 1), 0).entries[0]);
  Say(a, commit);
  EXPECT_EQ(Next(a), "committed 1 OFFSET_OUT_OF_RANGE OFFSET_OUT_OF_RANGE UNKNOWN_TOPIC_ID UNKNOWN_TOPIC_OR_PARTITION OK");
  Say(a, CommitOf(1, At("t", 0), 0));
  EXPECT_EQ(Next(a), "committed 1 STALE_MEMBER_EPOCH");
  EXPECT_THAT(Commit("g", CommitOf(0, At("t", 0), 0)).value()[0], FailsWith(Reason::kUnknownMemberId));
}

TEST_F(GroupDriverTest, NobodyIsToldBeforeTheLogHasIt) {
  const StreamId a = JoinAndOwn("g", "a");
  HoldShard();
  Say(a, CommitOf(2, At("t", 0), 0));
  EXPECT_TRUE(Silent(a));
  auto fetched = std::make_shared<std::promise<std::size_t>>();
  driver_->Fetch("g", {}, [fetched](StatusOr<FetchedOffsets> offsets) { fetched->set_value(offsets.value().size()); });
  auto future = fetched->get_future();
  EXPECT_TRUE(Silent(a));
  EXPECT_EQ(future.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  Resume();
  EXPECT_EQ(Next(a), "committed 1 OK");
  EXPECT_EQ(future.get(), 1u);
}

TEST_F(GroupDriverTest, WhatComesWhileAnAppendIsUnderWayGoesTogether) {
  const StreamId a = JoinAndOwn("g", "a");
  Say(a, CommitOf(2, At("t", 0), 0));
  ASSERT_EQ(Next(a), "committed 1 OK");
  const std::uint64_t before = driver_->measures().appends.value();
  HoldShard();
  for (int i = 0; i < 100; ++i) Say(a, CommitOf(2, At("t", 0), 0));
  EXPECT_TRUE(Silent(a));
  Resume();
  for (int i = 0; i < 100; ++i) ASSERT_EQ(Next(a), "committed 1 OK");
  EXPECT_LE(driver_->measures().appends.value() - before, 2u);
}

TEST_F(GroupDriverTest, AfterARestartTheStateIsByteForByteWhatItWas) {
  for (const bool clean : {true, false}) {
    const StreamId a = Join("g", JoinAs(clean ? "a" : "b", {"t"}));
    Next(a);
    EXPECT_THAT(Next(a), StartsWith("target"));
    (void)Commit("manual", CommitOf(0, At("t", 1), 0));
    const auto before = Snapshot("g");
    const auto manual = Snapshot("manual");
    EXPECT_GE(before.size(), 4u);
    Restart(clean);
    AwaitLoaded();
    EXPECT_EQ(Snapshot("g"), before);
    EXPECT_EQ(Snapshot("manual"), manual);
  }
}

TEST_F(GroupDriverTest, AMemberGoesOnAfterARestartWithWhatItHad) {
  JoinAndOwn("g", "a");
  Restart();
  AwaitLoaded();
  JoinGroup again = JoinAs("a");
  again.epoch = MemberEpoch(2);
  again.owned = Both();
  const StreamId a = Join("g", again);
  EXPECT_EQ(Next(a), "welcome 2");
  EXPECT_EQ(Next(a), "target: t-0@none t-1@none");
  Say(a, CommitOf(2, At("t", 0), 0));
  EXPECT_EQ(Next(a), "committed 1 OK");
}

TEST_F(GroupDriverTest, AMemberThatStaysAwayAfterARestartIsPutOut) {
  JoinAndOwn("g", "a");
  Restart();
  AwaitLoaded();
  const StreamId b = Join("g", "b");
  EXPECT_THAT(Next(b), StartsWith("welcome"));
  EXPECT_EQ(Next(b), "target:");
  Advance(absl::Seconds(14));
  Beat(b, {});
  Advance(absl::Seconds(2));
  EXPECT_TRUE(Hears(b, "target: t-0@none t-1@none"));
}

TEST_F(GroupDriverTest, UntilAPartitionIsReadItsGroupsWait) {
  ASSERT_TRUE(Commit("g", CommitOf(0, At("t", 0), 0)).ok());
  Restart(/*clean=*/false);
  HoldShard();  // may come after the opening
  const std::string offsets = Offsets("g");
  EXPECT_TRUE(offsets == "COORDINATOR_LOAD_IN_PROGRESS" || offsets == "t-0@0 ") << offsets;
  Resume();
  AwaitLoaded();
  EXPECT_EQ(Offsets("g"), "t-0@0 ");
}

TEST_F(GroupDriverTest, ASilentMemberIsPutOutAndItsPartitionsGoToTheOthers) {
  const StreamId a = JoinAndOwn("g", "a");
  const StreamId b = Join("g", "b");
  EXPECT_EQ(Next(a), "target: t-0@none; revoke t-1");
  EXPECT_THAT(Next(b), StartsWith("welcome"));
  EXPECT_EQ(Next(b), "target:");
  Advance(absl::Seconds(10));
  Beat(b, {});
  Advance(absl::Seconds(6));
  EXPECT_EQ(Next(a), "end FENCED_MEMBER_EPOCH");
  EXPECT_TRUE(Hears(b, "target: t-0@none t-1@none"));
}

TEST_F(GroupDriverTest, AMemberThatGivesNothingUpIsPutOut) {
  JoinGroup stubborn = JoinAs("a");
  stubborn.rebalance_timeout_ms = 5'000;
  const StreamId a = Join("g", stubborn);
  EXPECT_EQ(Next(a), "welcome 1");
  EXPECT_EQ(Next(a), "target: t-0@none t-1@none");
  Beat(a, Both());
  const StreamId b = Join("g", "b");
  EXPECT_EQ(Next(a), "target: t-0@none; revoke t-1");
  Beat(a, Both());
  Advance(absl::Seconds(6));
  EXPECT_EQ(Next(a), "end FENCED_MEMBER_EPOCH");
  EXPECT_TRUE(Hears(b, "target: t-0@none t-1@none"));
}

TEST_F(GroupDriverTest, ALostStreamIsNotALostMember) {
  const StreamId a = JoinAndOwn("g", "a");
  Say(a, LoseStream{a});
  EXPECT_EQ(Look("g", [](const GroupView& view) { return std::string(view.members.at("a").attached ? "attached" : "lost"); }), "lost");
  JoinGroup again = JoinAs("a");
  again.epoch = MemberEpoch(2);
  again.owned = Both();
  EXPECT_EQ(Next(Join("g", again)), "welcome 2");
}

TEST_F(GroupDriverTest, PartitionsOfATopicThatGrowsAreShared) {
  const StreamId a = JoinAndOwn("g", "a");
  GrowTopic("t", 3);
  EXPECT_EQ(Next(a), "target: t-0@none t-1@none t-2@none");
}

TEST_F(GroupDriverTest, OffsetsOfADeletedTopicGo) {
  ASSERT_TRUE(Commit("g", CommitOf(0, At("t", 0), 0)).ok());
  const TopicPartition gone = At("t", 0);
  DeleteTopic("t");
  EXPECT_EQ(Offsets("g"), "");
  EXPECT_THAT(Commit("g", CommitOf(0, gone, 0)).value()[0], FailsWith(Reason::kUnknownTopicId));
}

TEST_F(GroupDriverTest, APatternTakesInTopicsThatCome) {
  JoinGroup join = JoinAs("a", {});
  join.subscription.pattern = "t.*";
  const StreamId a = Join("g", join);
  EXPECT_EQ(Next(a), "welcome 1");
  EXPECT_EQ(Next(a), "target: t-0@none t-1@none");
  CreateTopic("other", 1);
  CreateTopic("two", 1);
  EXPECT_THAT(Next(a), HasSubstr("two-0@none"));  // in the order of topic ids
}

TEST_F(GroupDriverTest, APatternThatIsNoneOrTooLargeIsRefused) {
  for (const std::string& pattern : {std::string("a("), std::string("((a{100}){100}){100}"), std::string(5000, 'a')}) {
    JoinGroup join = JoinAs("a", {});
    join.subscription.pattern = pattern;
    EXPECT_EQ(Next(Join("g", join)), "end INVALID_REGULAR_EXPRESSION") << pattern.substr(0, 20);
  }
  EXPECT_EQ(Look("g", [](const GroupView&) { return std::string("there"); }), "GROUP_ID_NOT_FOUND");
}

TEST_F(GroupDriverTest, ABadPatternOfAMemberEndsItsStreamAndNotItsMembership) {
  const StreamId a = JoinAndOwn("g", "a");
  ChangeSubscription change;
  change.subscription.pattern = "a(";
  Say(a, change);
  EXPECT_EQ(Next(a), "end INVALID_REGULAR_EXPRESSION");
  EXPECT_EQ(Look("g", [](const GroupView& view) { return std::to_string(view.core.state().members().size()); }), "1");
}

TEST_F(GroupDriverTest, AGroupIdHasOneTo255Bytes) {
  for (const std::string& id : {std::string(), std::string(256, 'g')}) {
    EXPECT_EQ(Next(Join(id, "a")), "end INVALID_GROUP_ID");
    EXPECT_THAT(Commit(id, CommitOf(0, At("t", 0), 0)).status(), FailsWith(Reason::kInvalidGroupId));
    EXPECT_EQ(Offsets(id), "INVALID_GROUP_ID");
    EXPECT_EQ(Look(id, [](const GroupView&) { return std::string(); }), "INVALID_GROUP_ID");
  }
  EXPECT_EQ(Next(Join(std::string(255, 'g'), "a")), "welcome 1");
}

TEST_F(GroupDriverTest, WhatThePeopleSeeIsThere) {
  const StreamId a = JoinAndOwn("g", "a");
  Say(a, MemberHeartbeat{a, MemberEpoch(2), Both()}, {{At("t", 0), {Offset(5), false}}, {At("t", 1), {Offset(6), true}}});
  EXPECT_EQ(Look("g", [&](const GroupView& view) {
    const MemberFacts& facts = view.members.at("a");
    return absl::StrCat(facts.attached, " ", facts.address, " ", facts.progress.at(At("t", 0)).position.value(), " ", facts.progress.at(At("t", 1)).paused);
  }), "1 ipv4:127.0.0.1:1 5 1");
  std::string groups;
  EXPECT_EQ(Wait<Status>([&](auto done) {
    driver_->LookAtAll([&](const GroupView& view) { groups += view.core.state().group(); }, std::move(done));
  }), absl::OkStatus());
  EXPECT_EQ(groups, "g");
}

TEST_F(GroupDriverTest, AStopEndsTheStreamsAndLeavesTheMembers) {
  const StreamId a = JoinAndOwn("g", "a");
  driver_->Stop();
  EXPECT_EQ(Next(a), "end SHUTTING_DOWN");
  EXPECT_EQ(Offsets("g"), "SHUTTING_DOWN");
  auto input = std::make_unique<GroupInput>();
  input->event = LoseStream{};
  EXPECT_THAT(driver_->Send(input), FailsWith(Reason::kShuttingDown));
  Restart();
  AwaitLoaded();
  EXPECT_EQ(Look("g", [](const GroupView& view) { return std::to_string(view.core.state().members().size()); }), "1");
}

TEST_F(GroupDriverTest, TheLastAppendIsWaitedForAsleepThoughATimerIsDue) {
  const StreamId a = JoinAndOwn("g", "a");
  HoldShard();
  Say(a, CommitOf(2, At("t", 0), 0));
  EXPECT_TRUE(Silent(a));
  clock_.Advance(absl::Hours(1));
  std::thread stopping([&] { driver_->Stop(); });
  while (Look("no-such-group", [](const GroupView&) { return std::string(); }) != "SHUTTING_DOWN") std::this_thread::yield();
  const int looks = driver_clock_.looks;
  for (int i = 0; i < 10'000; ++i) std::this_thread::yield();
  EXPECT_LE(driver_clock_.looks - looks, 10);
  Resume();
  stopping.join();
}

TEST_F(GroupDriverTest, WhatIsAskedWhileItStopsIsAnsweredOnce) {
  for (int round = 0; round < 40; ++round) {
    std::atomic<int> asked{0};
    std::atomic<int> answered{0};
    std::atomic<bool> refused{false};
    GroupDriver driver({}, *table_, [](auto done) { done(absl::OkStatus()); }, clock_);
    driver.Start();
    auto ask = [&] {
      while (!refused) {
        ++asked;
        driver.Fetch("g", {}, [&](StatusOr<FetchedOffsets> offsets) {
          ++answered;
          if (ReasonOf(offsets.status()) == Reason::kShuttingDown) refused = true;
        });
      }
    };
    std::thread first(ask), second(ask);
    while (answered < 10) std::this_thread::yield();
    driver.Stop();
    first.join();
    second.join();
    ASSERT_EQ(answered.load(), asked.load());
  }
}

class SlowPatternsDriverTest : public GroupDriverTest {
 protected:
  SlowPatternsDriverTest() {
    for (int i = 0; i < kTopics; ++i) CreateTopic(absl::StrCat("p", i), 1);
  }
  StreamId JoinByPattern() {
    JoinGroup join = JoinAs("a", {});
    join.subscription.pattern = "p.*";
    return Join("g", join);
  }
  static constexpr int kTopics = 15;  // more than one slice of matching, where each takes a millisecond
};

TEST_F(SlowPatternsDriverTest, AJoinWhosePatternIsNotYetMatchedIsToldToComeAgain) {
  driver_clock_.look_ms = 1;
  EXPECT_EQ(Next(JoinByPattern()), "end COORDINATOR_LOAD_IN_PROGRESS");
  driver_clock_.look_ms = 0;
  Advance(TopicPatterns::kWindow);
  EXPECT_THAT(Next(JoinByPattern()), StartsWith("welcome"));
}

TEST_F(SlowPatternsDriverTest, AfterARestartMembersKeepTheirShareWhileTheirPatternIsMatched) {
  EXPECT_TRUE(Next(JoinByPattern()).starts_with("welcome"));
  driver_clock_.look_ms = 1;
  Restart();
  AwaitLoaded();
  driver_clock_.look_ms = 0;
  EXPECT_EQ(Look("g", [](const GroupView& view) { return std::to_string(view.core.state().Find("a")->target.size()); }), std::to_string(kTopics));
}

TEST_F(GroupDriverTest, BeyondItsBoundTheInboxRefusesAndTakesInTheLossOfStreams) {
  const StreamId a = JoinAndOwn("g", "a");
  Stop();
  options_.input_bytes_max = 10;
  Start();
  auto input = std::make_unique<GroupInput>();
  input->event = JoinAs("b");
  input->bytes = 11;
  EXPECT_THAT(driver_->Send(input), FailsWith(Reason::kThrottled));
  input->event = LoseStream{a};
  EXPECT_EQ(driver_->Send(input), absl::OkStatus());
}

}  // namespace
}  // namespace cordwood::broker
