// SPDX-License-Identifier: Apache-2.0
// Consumers of a group against a real broker: who has what, what is committed, how a member ends.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "cordwood/v1/group_admin.grpc.pb.h"
#include "tests/client/consumer_fixture.h"

namespace cordwood::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class GroupConsumerTest : public ConsumerTest {
 protected:
  GroupConsumerTest() {
    options_.settings = {"group.consumer.session.timeout.ms=2000", "group.consumer.heartbeat.interval.ms=300", "offsets.topic.num.partitions=4"};
    consumer_options_.group.id = "g";
    consumer_options_.group.reset = GroupReset::Earliest();
    consumer_options_.group.auto_commit_interval = milliseconds(0);
  }
  Consumer Member(const std::vector<std::string>& topics = {"t"}) {
    Consumer consumer = NewConsumer();
    consumer.Subscribe(topics).value();
    return consumer;
  }
  // Polls all in turn, what comes goes into `values_`, until `done`.
  bool PollUntil(const std::vector<Consumer*>& members, const std::function<bool()>& done) {
    const absl::Time deadline = absl::Now() + kPatience;
    while (!done()) {
      if (absl::Now() > deadline) return false;
      for (Consumer* member : members) {
        const auto records = member->Poll(milliseconds(10));
        if (!records) ADD_FAILURE() << records.error().ToString();
        if (!records) return false;
        for (const ConsumerRecord& record : *records) values_.insert(std::string(record.value()));
      }
    }
    return true;
  }
  bool PollUntilShared(const std::vector<Consumer*>& members, std::size_t each) {
    return PollUntil(members, [&] { return std::all_of(members.begin(), members.end(), [&](Consumer* member) { return member->assignment().size() == each; }); });
  }
  std::optional<std::int64_t> CommittedAt(int partition = 0, const std::string& topic = "t") {
    Consumer reader = NewConsumer();
    const auto committed = reader.Committed({{topic, partition}}).value();
    return committed[0].has_value() ? std::optional(committed[0]->offset) : std::nullopt;
  }

  // t-0 as an operator sees it.
  v1::GroupPartitionDescription Described() {
    v1::DescribeGroupRequest request;
    request.set_group("g");
    v1::DescribeGroupResponse response;
    grpc::ClientContext context;
    const grpc::Status status = v1::GroupAdmin::NewStub(client().channel())->DescribeGroup(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.partitions().empty() ? v1::GroupPartitionDescription() : response.partitions(0);
  }

  std::multiset<std::string> values_;
};

TEST_F(GroupConsumerTest, GoesOnWhereTheGroupWas) {
  Append("t", {"0", "1", "2"});
  {
    Consumer consumer = Member();
    EXPECT_EQ(Read(consumer, 3), "0 1 2 ");
    ASSERT_TRUE(consumer.Commit().ok());
    EXPECT_EQ(CommittedAt(), 3);
    ASSERT_TRUE(consumer.Close(milliseconds(5'000)).ok());
  }
  Append("t", {"3"});
  Consumer next = Member();
  EXPECT_EQ(Read(next, 1), "3 ");
}

TEST_F(GroupConsumerTest, OnlyWhatWasHandledIsCommittedByItself) {
  Append("t", {"0", "1", "2", "3"});
  consumer_options_.records_max = 2;
  Consumer consumer = Member();
  EXPECT_EQ(Read(consumer, 2), "0 1 ");
  EXPECT_EQ(CommittedAt(), std::nullopt);  // none is not 0
  const auto records = consumer.Poll(milliseconds(5'000)).value();
  ASSERT_EQ(records.size(), 2u);
  EXPECT_TRUE(WaitUntil([&] { return CommittedAt() == 2; }));
  consumer.Mark(records[0]);
  ASSERT_TRUE(consumer.Close(milliseconds(5'000)).ok());
  EXPECT_EQ(CommittedAt(), 3);
}

TEST_F(GroupConsumerTest, MembersShareAndEachRecordHasOneReceiver) {
  CreateTopic("shared", 6);
  Consumer first = Member({"shared"});
  ASSERT_TRUE(PollUntilShared({&first}, 6));
  Consumer second = Member({"shared"});
  ASSERT_TRUE(PollUntilShared({&first, &second}, 3));
  Consumer third = Member({"shared"});
  ASSERT_TRUE(PollUntilShared({&first, &second, &third}, 2));
  for (int p = 0; p < 6; ++p) Append("shared", {std::to_string(p)}, p);
  ASSERT_TRUE(PollUntil({&first, &second, &third}, [&] { return values_.size() >= 6; }));
  EXPECT_THAT(values_, ElementsAre("0", "1", "2", "3", "4", "5"));
  ASSERT_TRUE(third.Close(milliseconds(5'000)).ok());
  EXPECT_TRUE(PollUntilShared({&first, &second}, 3));
}

TEST_F(GroupConsumerTest, WhatIsGivenUpIsCommittedFirst) {
  CreateTopic("moves", 2);
  for (int p = 0; p < 2; ++p) Append("moves", {"a" + std::to_string(p)}, p);
  consumer_options_.group.auto_commit_interval = std::chrono::hours(1);
  Consumer first = Member({"moves"});
  ASSERT_TRUE(PollUntil({&first}, [&] { return values_.size() == 2; }));
  Consumer second = Member({"moves"});
  ASSERT_TRUE(PollUntilShared({&first, &second}, 1));
  for (int p = 0; p < 2; ++p) Append("moves", {"b" + std::to_string(p)}, p);
  ASSERT_TRUE(PollUntil({&first, &second}, [&] { return values_.size() >= 4; }));
  EXPECT_THAT(values_, ElementsAre("a0", "a1", "b0", "b1"));  // none came twice
}

// Names and ids of topics are not in one order.
TEST_F(GroupConsumerTest, WhatIsGivenUpOfManyTopicsIsCommittedFirst) {
  std::vector<std::string> topics;
  std::multiset<std::string> once;
  for (int i = 0; i < 8; ++i) {
    topics.push_back("moves-" + std::to_string(i));
    CreateTopic(topics.back(), 1);
    Append(topics.back(), {topics.back()});
    once.insert(topics.back());
  }
  consumer_options_.group.auto_commit_interval = std::chrono::hours(1);
  Consumer first = Member(topics);
  ASSERT_TRUE(PollUntil({&first}, [&] { return values_ == once; }));
  Consumer second = Member(topics);
  ASSERT_TRUE(PollUntilShared({&first, &second}, 4));
  for (const TopicPartition& partition : second.assignment()) EXPECT_EQ(CommittedAt(0, partition.topic), 1) << partition.topic;
}

TEST_F(GroupConsumerTest, CallbacksRunWithinPollWithTheConsumerAtHand) {
  std::vector<std::string> seen;
  const auto note = [&seen](const char* what) {
    return [&seen, what, thread = std::this_thread::get_id()](Consumer& consumer, const std::vector<TopicPartition>& partitions) {
      EXPECT_EQ(std::this_thread::get_id(), thread);
      EXPECT_EQ(consumer.Poll(milliseconds(0)).error().code(), Errc::kInvalidRequest);
      for (const TopicPartition& partition : partitions) seen.push_back(what + std::to_string(consumer.position(partition).value_or(-1)));
    };
  };
  consumer_options_.group.on_assigned = note("assigned at ");
  consumer_options_.group.on_revoked = note("revoked at ");
  Append("t", {"0", "1"});
  Consumer consumer = Member();
  EXPECT_EQ(Read(consumer, 2), "0 1 ");
  ASSERT_TRUE(consumer.Close(milliseconds(5'000)).ok());
  EXPECT_THAT(seen, ElementsAre("assigned at 0", "revoked at 2"));
}

TEST_F(GroupConsumerTest, WithoutAPolicyNothingIsSkippedAndTheMessageSaysWhatToChoose) {
  Append("t", {"0", "1"});
  consumer_options_.group.reset = GroupReset::Error();
  Consumer consumer = Member();
  const Failure failure = ReadFailure(consumer);
  EXPECT_EQ(failure.code(), Errc::kOffsetOutOfRange);
  EXPECT_THAT(failure.message(), HasSubstr("group g has no committed offset for t-0; choose GroupOptions::reset"));
  ASSERT_TRUE(consumer.Seek(At(), Position::At(1)).ok());
  EXPECT_EQ(Read(consumer, 1), "1 ");
}

TEST_F(GroupConsumerTest, TheLatestAndTheLastHourBeginWhereTheySay) {
  Append("t", {"0", "1"});
  consumer_options_.group.reset = GroupReset::Latest();
  Consumer latest = Member();
  ASSERT_TRUE(PollUntilShared({&latest}, 1));
  EXPECT_EQ(latest.position(At()), 2);
  consumer_options_.group.id = "h";
  consumer_options_.group.reset = GroupReset::ByDuration(std::chrono::hours(1));
  Consumer recent = Member();
  EXPECT_EQ(Read(recent, 2), "0 1 ");
}

TEST_F(GroupConsumerTest, ATopicThatComesLaterIsPickedUp) {
  Consumer by_name = Member({"later"});
  consumer_options_.group.id = "h";
  Consumer by_pattern = NewConsumer();
  ASSERT_TRUE(by_pattern.SubscribePattern("lat.*").ok());
  ASSERT_THAT(by_name.Poll(milliseconds(0)).value(), IsEmpty());
  CreateTopic("later");
  Append("later", {"x"});
  EXPECT_EQ(Read(by_name, 1), "x ");
  EXPECT_EQ(Read(by_pattern, 1), "x ");
}

TEST_F(GroupConsumerTest, ATopicThatIsDeletedIsLostAndReadAgainOnceItIsBack) {
  std::string lost;
  consumer_options_.group.on_lost = [&lost](Consumer& consumer, const auto& partitions) { lost += std::to_string(partitions.size()) + " " + consumer.membership().reason; };
  CreateTopic("going");
  Append("going", {"0"});
  Append("t", {"0"});
  Consumer consumer = Member({"going", "t"});
  ASSERT_TRUE(PollUntil({&consumer}, [&] { return values_.size() == 2; }));
  ASSERT_EQ(client().DeleteTopic("going"), absl::OkStatus());
  ASSERT_TRUE(PollUntil({&consumer}, [&] { return !lost.empty(); }));
  EXPECT_EQ(lost, "1 topic going was deleted");
  CreateTopic("going");
  Append("going", {"1"});
  Append("t", {"2"});
  EXPECT_TRUE(PollUntil({&consumer}, [&] { return values_.size() == 4; }));
}

TEST_F(GroupConsumerTest, WhatIsStillLookedUpIsCountedAmongWhatItHas) {
  CreateTopic("two", 2);
  ASSERT_TRUE(NewConsumer().Commit({{{"two", 0}, {0, ""}}}).ok());  // so it is known where that one begins, and has to be asked about the other
  std::vector<std::size_t> counts;
  consumer_options_.group.on_assigned = [&counts](Consumer& consumer, const auto&) { counts.push_back(consumer.membership().partitions); };
  Consumer consumer = Member({"two"});
  ASSERT_TRUE(PollUntil({&consumer}, [&] { return consumer.assignment().size() == 2; }));
  EXPECT_EQ(counts, std::vector<std::size_t>(counts.size(), 2));
}

TEST_F(GroupConsumerTest, ABadPatternComesFromPollAndStays) {
  Consumer consumer = NewConsumer();
  ASSERT_TRUE(consumer.SubscribePattern("(").ok());
  EXPECT_EQ(ReadFailure(consumer).code(), Errc::kInvalidRegularExpression);
  EXPECT_EQ(ReadFailure(consumer).code(), Errc::kInvalidRegularExpression);
  Append("t", {"0"});
  ASSERT_TRUE(consumer.Subscribe({"t"}).ok());
  EXPECT_EQ(Read(consumer, 1), "0 ");
}

TEST_F(GroupConsumerTest, ANewcomerTakesTheInstanceOver) {
  consumer_options_.group.instance_id = "i";
  Append("t", {"0"});
  Consumer first = Member();
  EXPECT_EQ(Read(first, 1), "0 ");
  Consumer second = Member();
  ASSERT_TRUE(PollUntilShared({&second}, 1));
  const Failure failure = ReadFailure(first);
  EXPECT_EQ(failure.code(), Errc::kFencedInstanceId);
  EXPECT_THAT(first.assignment(), IsEmpty());
}

TEST_F(GroupConsumerTest, ABrokerRestartIsNoRebalance) {
  std::vector<std::string> seen;
  consumer_options_.group.on_lost = consumer_options_.group.on_revoked = [&seen](Consumer&, const auto&) { seen.push_back("gone"); };
  Append("t", {"0"});
  Consumer consumer = Member();
  EXPECT_EQ(Read(consumer, 1), "0 ");
  const auto before = consumer.membership();
  KillAndRestart();
  Append("t", {"1"});
  EXPECT_EQ(Read(consumer, 1), "1 ");
  ASSERT_TRUE(consumer.Commit().ok());
  EXPECT_EQ(CommittedAt(), 2);
  EXPECT_EQ(consumer.membership().member_id, before.member_id);
  EXPECT_THAT(seen, IsEmpty());
}

TEST_F(GroupConsumerTest, WhoDoesNotPollLeavesAndItsNextPollJoinsAnew) {
  std::atomic<int> warned = 0;
  int lost = 0;
  consumer_options_.group.max_poll_interval = milliseconds(1'000);
  consumer_options_.group.on_slow_poll = [&warned](milliseconds since) { warned += since >= milliseconds(800); };
  consumer_options_.group.on_lost = [&lost](Consumer&, const std::vector<TopicPartition>& partitions) { lost += static_cast<int>(partitions.size()); };
  Append("t", {"0"});
  Consumer slow = Member();
  EXPECT_EQ(Read(slow, 1), "0 ");
  const std::string before = slow.membership().member_id;
  consumer_options_.group.max_poll_interval = milliseconds(60'000);
  Consumer other = Member();
  EXPECT_EQ(Read(other, 1), "0 ");  // it was never committed
  EXPECT_EQ(warned, 1);
  ASSERT_TRUE(slow.Poll(milliseconds(0)).ok());
  EXPECT_TRUE(PollUntil({&slow, &other}, [&] { return lost == 1 && slow.membership().member_id != before; }));
}

TEST_F(GroupConsumerTest, CloseKeepsItsDeadlineWithoutABroker) {
  Append("t", {"0"});
  Consumer consumer = Member();
  EXPECT_EQ(Read(consumer, 1), "0 ");
  broker_->Pause();
  EXPECT_TRUE(InTime(milliseconds(300), [&] { EXPECT_EQ(consumer.Close(milliseconds(300)).error().code(), Errc::kRequestTimedOut); }));
  broker_->Continue();
  Consumer next = Member();
  EXPECT_EQ(Read(next, 1), "0 ");
}

TEST_F(GroupConsumerTest, AReaderByHandCommitsWhileTheGroupHasNoMembers) {
  Append("t", {"0", "1"});
  Consumer reader = NewConsumer();
  ASSERT_TRUE(reader.Assign(At(), Position::Start()).ok());
  EXPECT_EQ(Read(reader, 2), "0 1 ");
  ASSERT_TRUE(reader.Commit().ok());
  EXPECT_EQ(reader.Committed({At()}).value()[0], (CommittedOffset{2, ""}));
  EXPECT_EQ(reader.Subscribe({"t"}).error().code(), Errc::kInvalidRequest);
  Consumer member = Member();
  ASSERT_TRUE(PollUntilShared({&member}, 1));
  EXPECT_EQ(member.position(At()), 2);
  EXPECT_EQ(reader.Commit({{At(), {1, "note"}}}).error().code(), Errc::kUnknownMemberId);
  EXPECT_EQ(member.Assign(At(), Position::Start()).error().code(), Errc::kInvalidRequest);
}

TEST_F(GroupConsumerTest, ACommitForAForeignPartitionIsRefusedAndTheOthersCount) {
  Append("t", {"0", "1"});
  Consumer consumer = Member();
  EXPECT_EQ(Read(consumer, 2), "0 1 ");
  const auto refused = consumer.Commit({{At(), {1, "note"}}, {{"other", 3}, {1, ""}}});
  EXPECT_EQ(refused.error().code(), Errc::kStaleMemberEpoch);
  EXPECT_THAT(refused.error().message(), HasSubstr("other-3"));
  EXPECT_EQ(NewConsumer().Committed({At()}).value()[0], (CommittedOffset{1, "note"}));
  EXPECT_EQ(consumer.Commit({{At(), {99, ""}}}).error().code(), Errc::kOffsetOutOfRange);
}

TEST_F(GroupConsumerTest, ACommitSaysTheLeaderEpochOfWhatWasRead) {
  Append("t", {"0", "1", "2"});
  consumer_options_.records_max = 2;
  consumer_options_.group.auto_commit = false;
  Consumer consumer = Member();
  std::vector<ConsumerRecord> records;
  ASSERT_TRUE(WaitUntil([&] { return !(records = consumer.Poll(milliseconds(50)).value()).empty(); }));
  const auto committed = [this] { return NewConsumer().Committed({At(), At()}).value()[1].value(); };
  ASSERT_TRUE(consumer.Commit().ok());
  EXPECT_EQ(committed().leader_epoch, records.back().leader_epoch());
  ASSERT_TRUE(consumer.Commit({{At(), {1, "", 7}}}).ok());
  EXPECT_EQ(committed(), (CommittedOffset{1, "", 7}));
}

// What is only asked for is no answer.
TEST_F(GroupConsumerTest, ACommitOfWhatWasCommittedAndNotAnsweredWaitsForAnAnswer) {
  Append("t", {"0"});
  consumer_options_.group.auto_commit = false;
  client_options_.request_timeout = milliseconds(500);
  Consumer consumer = Member();
  EXPECT_EQ(Read(consumer, 1), "0 ");
  broker_->Pause();
  EXPECT_EQ(consumer.Commit().error().code(), Errc::kRequestTimedOut);
  const auto again = consumer.Commit();
  broker_->Continue();
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().code(), Errc::kRequestTimedOut);
  EXPECT_TRUE(WaitUntil([&] { return consumer.Commit().ok(); }));
  client_options_ = {};
  EXPECT_EQ(CommittedAt(), 1);
}

TEST_F(GroupConsumerTest, ARefusedCommitIsTriedAgainByTheNext) {
  Append("t", {"0"});
  consumer_options_.group.auto_commit = false;
  Consumer consumer = Member();
  EXPECT_EQ(Read(consumer, 1), "0 ");
  ASSERT_FALSE(consumer.Commit({{At(), {1, std::string(4097, 'm')}}}).ok());
  ASSERT_TRUE(consumer.Commit().ok());
  EXPECT_EQ(CommittedAt(), 1);
}

// Where it stands does not change with it.
TEST_F(GroupConsumerTest, APauseIsTold) {
  Append("t", {"0"});
  Consumer consumer = Member();
  EXPECT_EQ(Read(consumer, 1), "0 ");
  ASSERT_TRUE(PollUntil({&consumer}, [&] { return Described().position() == 1; }));
  consumer.Pause(At());
  EXPECT_TRUE(PollUntil({&consumer}, [&] { return Described().paused(); }));
  consumer.Resume(At());
  EXPECT_TRUE(PollUntil({&consumer}, [&] { return !Described().paused(); }));
}

TEST_F(GroupConsumerTest, LargeMetadataIsNotTheEndOfAMember) {
  CreateTopic("wide", 300);
  Consumer consumer = Member({"wide"});
  ASSERT_TRUE(PollUntilShared({&consumer}, 300));
  std::map<TopicPartition, CommittedOffset> offsets;
  for (int p = 0; p < 300; ++p) offsets[{"wide", p}] = {0, std::string(4096, 'm')};
  EXPECT_TRUE(consumer.Commit(offsets).ok());
  offsets[{"wide", 0}].metadata += 'm';
  EXPECT_EQ(consumer.Commit(offsets).error().code(), Errc::kOffsetMetadataTooLarge);
  EXPECT_TRUE(consumer.Poll(milliseconds(0)).ok());
}

// More than one message of a group may have, in the question, the commit and what is asked of it.
TEST_F(GroupConsumerTest, AReaderByHandCommitsAndFindsAsMuchAsItMayHave) {
  const std::string name(249, 'n');
  CreateTopic(name, 5'000);
  std::map<TopicPartition, CommittedOffset> offsets;
  std::vector<TopicPartition> partitions;
  for (int p = 0; p < 5'000; ++p) {
    partitions.push_back({name, p});
    offsets[partitions.back()] = {0, p % 10 == 0 ? std::string(4096, 'm') : "m"};
  }
  Consumer reader = NewConsumer();
  const auto committed = reader.Commit(offsets);
  ASSERT_TRUE(committed.ok()) << committed.error().ToString();
  const auto found = reader.Committed(partitions);
  ASSERT_TRUE(found.ok()) << found.error().ToString();
  for (int p = 0; p < 5'000; ++p) ASSERT_EQ((*found)[static_cast<std::size_t>(p)], offsets[partitions[static_cast<std::size_t>(p)]]) << p;
  offsets[partitions[0]].metadata += 'm';
  for (auto& [partition, offset] : offsets) offset.metadata += 'n';
  EXPECT_EQ(reader.Commit(offsets).error().code(), Errc::kOffsetMetadataTooLarge);
  EXPECT_EQ(reader.Committed({{name, 4'999}}).value()[0]->metadata, "mn");
}

TEST_F(GroupConsumerTest, NamesThatAreNoTextAreRefusedAtOnce) {
  Consumer consumer = NewConsumer();
  EXPECT_EQ(consumer.Subscribe({"\xff"}).error().code(), Errc::kInvalidRequest);
  EXPECT_EQ(consumer.SubscribePattern("\xff").error().code(), Errc::kInvalidRequest);
  consumer_options_.group.id = "\xff";
  EXPECT_EQ(Connect().NewConsumer(consumer_options_).error().code(), Errc::kInvalidConfig);
}

TEST_F(GroupConsumerTest, WithoutAGroupNobodySubscribes) {
  consumer_options_.group.id = "";
  Consumer consumer = NewConsumer();
  EXPECT_EQ(consumer.Subscribe({"t"}).error().code(), Errc::kInvalidConfig);
  EXPECT_EQ(consumer.Commit().error().code(), Errc::kInvalidConfig);
}

}  // namespace
}  // namespace cordwood::testing
