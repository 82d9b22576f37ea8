// SPDX-License-Identifier: Apache-2.0
// Consumer groups over the wire: members, offsets, restarts, and what is refused.
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/integration/refusal_fixture.h"
#include "tests/support/group_client.h"

namespace cordwood::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

MATCHER_P(FailsWith, reason, "") { return ReasonOf(arg) == reason; }

constexpr char kOffsetsTopic[] = "__consumer_offsets";

class GroupsTest : public BrokerTest {
 protected:
  void SetUp() override {
    options_.settings.insert(options_.settings.end(), {"offsets.topic.num.partitions=4", "offsets.topic.durability=os"});
    BrokerTest::SetUp();
    CreateTopic("t", 2);
    Append("t", {"a", "b", "c"});
  }
  template <class Request, class Response>
  StatusOr<Response> Call(grpc::Status (v1::Groups::Stub::*method)(grpc::ClientContext*, const Request&, Response*), const Request& request) const {
    const auto stub = v1::Groups::NewStub(client().channel());
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kCallSeconds);
    Response response;
    const grpc::Status status = ((*stub).*method)(&context, request, &response);
    if (!status.ok()) return FromGrpc(status);
    return response;
  }
  static v1::OffsetEntry Entry(const std::string& topic, int partition, std::int64_t offset) {
    v1::OffsetEntry entry;
    entry.set_topic(topic);
    entry.set_partition(partition);
    entry.set_offset(offset);
    return entry;
  }
  static std::string Errors(const google::protobuf::RepeatedPtrField<v1::CommitError>& errors) {
    std::string text;
    for (const v1::CommitError& error : errors) {
      ShowRefusal("commit", Error(static_cast<Reason>(error.reason()), error.message()));
      absl::StrAppend(&text, text.empty() ? "" : " ", error.entry(), ":", v1::Reason_Name(error.reason()));
    }
    return text;
  }
  std::string Commit(const v1::CommitOffsetsRequest& request) const {
    const auto response = Call(&v1::Groups::Stub::CommitOffsets, request);
    return response.ok() ? Errors(response->errors()) : std::string(ReasonName(ReasonOf(response.status())));
  }
  std::string Commit(const std::string& group, const std::vector<v1::OffsetEntry>& entries) const {
    v1::CommitOffsetsRequest request;
    request.set_group(group);
    for (const v1::OffsetEntry& entry : entries) *request.add_entries() = entry;
    return Commit(request);
  }
  std::string Offsets(const std::string& group) const {
    v1::FetchOffsetsRequest request;
    request.set_group(group);
    const auto response = Call(&v1::Groups::Stub::FetchOffsets, request);
    if (!response.ok()) return std::string(ReasonName(ReasonOf(response.status())));
    std::string text;
    for (const auto& answer : response->answers()) {
      absl::StrAppend(&text, text.empty() ? "" : " ", answer.topic(), "-", answer.partition(), "@", answer.has_committed() ? answer.committed().offset() : -1);
    }
    return text;
  }
  // After a restart, until the coordinator has read its log.
  std::string LoadedOffsets(const std::string& group) const {
    std::string offsets;
    EXPECT_TRUE(WaitUntil([&] { return (offsets = Offsets(group)) != "COORDINATOR_LOAD_IN_PROGRESS"; }));
    return offsets;
  }
  Status EndOf(const v1::JoinRequest& join) const {
    MemberStream member(client());
    member.Join(join);
    return member.AwaitEnd();
  }
};

TEST_F(GroupsTest, TwoMembersShareATopicAndTheOneThatStaysGetsAllOfIt) {
  MemberStream a(client());
  MemberStream b(client());
  ASSERT_TRUE(a.Join(JoinOf("g", "a", {"t"})));
  ASSERT_TRUE(a.AwaitPartitions(2));
  ASSERT_TRUE(a.Beat());
  ASSERT_TRUE(b.Join(JoinOf("g", "b", {"t"})));
  v1::CoordinatorMessage message;
  while (a.Next(&message) && a.target().revoke().topics().empty()) {
  }
  EXPECT_THAT(a.target().reason(), HasSubstr("member b joined"));
  ASSERT_TRUE(a.Commit(1, {a.Place(0, 2)}));
  ASSERT_TRUE(a.Beat());
  ASSERT_TRUE(b.AwaitPartitions(1));
  EXPECT_EQ(Errors(a.AwaitCommit().errors()), "");
  ASSERT_TRUE(b.Beat());
  ASSERT_TRUE(a.Leave());
  EXPECT_EQ(a.AwaitEnd(), absl::OkStatus());
  ASSERT_TRUE(b.AwaitPartitions(2));
  EXPECT_EQ(b.target().assigned(0).offset(), 2);
  EXPECT_FALSE(b.target().assigned(1).has_offset());
  EXPECT_EQ(Offsets("g"), "t-0@2");
}

TEST_F(GroupsTest, OffsetsOfReadersWithoutMembershipAreKeptAndUnknownOnesAreNone) {
  EXPECT_EQ(Offsets("g"), "");
  v1::OffsetEntry entry = Entry("t", 0, 3);
  entry.set_leader_epoch(0);
  entry.set_metadata("mine");
  EXPECT_EQ(Commit("g", {entry}), "");
  v1::FetchOffsetsRequest request;
  request.set_group("g");
  for (const char* topic : {"t", "missing"}) {
    request.add_topics()->set_topic(topic);
    for (int i = 0; i < 3; ++i) request.mutable_topics()->rbegin()->add_partitions(i);
  }
  const auto response = Call(&v1::Groups::Stub::FetchOffsets, request);
  ASSERT_TRUE(response.ok()) << response.status();
  ASSERT_THAT(response->answers(), SizeIs(6));
  EXPECT_EQ(response->answers(0).committed().offset(), 3);
  EXPECT_EQ(response->answers(0).committed().leader_epoch(), 0);
  EXPECT_EQ(response->answers(0).committed().metadata(), "mine");
  EXPECT_GT(response->answers(0).commit_ms(), 0);
  EXPECT_FALSE(response->answers(1).has_committed());
  EXPECT_EQ(response->answers(1).reason(), v1::NONE);
  EXPECT_EQ(response->answers(2).reason(), v1::UNKNOWN_TOPIC_OR_PARTITION);
  EXPECT_EQ(response->answers(3).reason(), v1::UNKNOWN_TOPIC_OR_PARTITION);
}

TEST_F(GroupsTest, AnAnswerIsNotLongerThanWhatIsAskedAbout) {
  EXPECT_EQ(Commit("g", {Entry("t", 0, 1)}), "");
  const auto asked = [&](int topics, const std::vector<std::int32_t>& partitions) {
    v1::FetchOffsetsRequest request;
    request.set_group("g");
    for (int i = 0; i < topics; ++i) {
      request.add_topics()->set_topic("t");
      for (const std::int32_t partition : partitions) request.mutable_topics(i)->add_partitions(partition);
    }
    const auto response = Call(&v1::Groups::Stub::FetchOffsets, request);
    return response.ok() ? std::to_string(response->answers_size()) : std::string(ReasonName(ReasonOf(response.status())));
  };
  EXPECT_EQ(asked(1, {}), "1");
  EXPECT_EQ(asked(1, {0, 1}), "2");
  EXPECT_EQ(asked(1, {0, 0}), "INVALID_REQUEST");
  EXPECT_EQ(asked(2, {}), "INVALID_REQUEST");
  EXPECT_EQ(asked(2, {1}), "INVALID_REQUEST");
  EXPECT_EQ(asked(1, std::vector<std::int32_t>(1'000'000, 0)), "RECORD_LIST_TOO_LARGE");
  EXPECT_EQ(asked(10'001, {}), "RECORD_LIST_TOO_LARGE");
}

TEST_F(GroupsTest, WhatCannotBeCommittedIsRefusedByTheEntry) {
  v1::OffsetEntry large = Entry("t", 0, 1);
  large.set_metadata(std::string(4097, 'm'));
  v1::OffsetEntry unknown_id = Entry("", 0, 1);
  unknown_id.set_topic_id(std::string(16, 'x'));
  v1::OffsetEntry bad_id = Entry("", 0, 1);
  bad_id.set_topic_id("x");
  EXPECT_EQ(Commit("g", {Entry("t", 0, 4), Entry("t", 0, -1), Entry("missing", 0, 1), Entry("t", 2, 1), large, unknown_id, bad_id, Entry("t", 0, 1)}),
            "0:OFFSET_OUT_OF_RANGE 1:OFFSET_OUT_OF_RANGE 2:UNKNOWN_TOPIC_OR_PARTITION 3:UNKNOWN_TOPIC_OR_PARTITION 4:OFFSET_METADATA_TOO_LARGE "
            "5:UNKNOWN_TOPIC_ID 6:INVALID_REQUEST");
  EXPECT_EQ(Offsets("g"), "t-0@1");
  EXPECT_EQ(Commit("", {Entry("t", 0, 1)}), "INVALID_GROUP_ID");
  EXPECT_EQ(Commit("g", std::vector<v1::OffsetEntry>(10'001, Entry("t", 0, 1))), "INVALID_REQUEST");
  ASSERT_EQ(client().DeleteTopic("t"), absl::OkStatus());
  EXPECT_EQ(Commit("g", {Entry("t", 0, 1)}), "0:UNKNOWN_TOPIC_OR_PARTITION");
  EXPECT_EQ(Offsets("g"), "");
}

TEST_F(GroupsTest, OnlyAnOwnerUnderItsPresentEpochCommits) {
  MemberStream a(client());
  ASSERT_TRUE(a.Join(JoinOf("g", "a", {"t"})));
  ASSERT_TRUE(a.AwaitPartitions(2));
  ASSERT_TRUE(a.Beat());
  const int epoch = a.epoch();
  a.set_epoch(epoch - 1);
  ASSERT_TRUE(a.Commit(1, {a.Place(0, 1)}));
  EXPECT_EQ(Errors(a.AwaitCommit().errors()), "0:STALE_MEMBER_EPOCH");
  a.set_epoch(epoch);
  CreateTopic("foreign");
  v1::OffsetEntry foreign = a.Place(0, 0);
  foreign.set_topic_id(client().Call(&v1::Admin::Stub::DescribeTopic, [] {
    v1::DescribeTopicRequest request;
    request.set_name("foreign");
    return request;
  }())->topic().topic_id());
  ASSERT_TRUE(a.Commit(2, {foreign, a.Place(1, 0)}));
  EXPECT_EQ(Errors(a.AwaitCommit().errors()), "0:STALE_MEMBER_EPOCH");
  EXPECT_EQ(Commit("g", {Entry("t", 0, 1)}), "0:UNKNOWN_MEMBER_ID") << "the group has members";
  v1::CommitOffsetsRequest unary;
  unary.set_group("g");
  unary.set_member_id("a");
  unary.set_member_epoch(epoch);
  *unary.add_entries() = Entry("t", 0, 1);
  EXPECT_EQ(Commit(unary), "");
  EXPECT_EQ(Offsets("g"), "t-0@1 t-1@0");
}

TEST_F(GroupsTest, JoinsThatCannotBeAreRefusedWithTheirReasons) {
  struct Bad {
    std::string what;
    Reason reason;
    std::function<void(v1::JoinRequest&)> spoil;
  };
  const std::vector<Bad> all = {
      {"join: no group id", Reason::kInvalidGroupId, [](auto& join) { join.set_group(""); }},
      {"join: a group id of 256 bytes", Reason::kInvalidGroupId, [](auto& join) { join.set_group(std::string(256, 'g')); }},
      {"join: no member id", Reason::kInvalidRequest, [](auto& join) { join.set_member_id(""); }},
      {"join: a member id of 256 bytes", Reason::kInvalidRequest, [](auto& join) { join.set_member_id(std::string(256, 'm')); }},
      {"join: an instance id of 256 bytes", Reason::kInvalidRequest, [](auto& join) { join.set_instance_id(std::string(256, 'i')); }},
      {"join: an unknown assignor", Reason::kUnsupportedAssignor, [](auto& join) { join.set_assignor("sticky"); }},
      {"join: a topic with a bad name", Reason::kInvalidTopic, [](auto& join) { join.mutable_subscription()->add_topics("no/name"); }},
      {"join: a pattern that is none", Reason::kInvalidRegularExpression, [](auto& join) { join.mutable_subscription()->set_pattern("a("); }},
      {"join: a pattern of 4097 bytes", Reason::kInvalidRegularExpression, [](auto& join) { join.mutable_subscription()->set_pattern(std::string(4097, 'a')); }},
      {"join: a pattern that grows beyond all bounds", Reason::kInvalidRegularExpression,
       [](auto& join) { join.mutable_subscription()->set_pattern("((((x{50}){50}){50}){50}){50}"); }},
      {"join: an unknown member goes on", Reason::kUnknownMemberId, [](auto& join) { join.set_member_epoch(5); }},
      {"join: a rebalance timeout below 0", Reason::kInvalidRequest, [](auto& join) { join.set_rebalance_timeout_ms(-1); }},
      {"join: a topic id that is none", Reason::kInvalidRequest, [](auto& join) { join.mutable_owned()->add_topics()->add_partitions(0); }},
  };
  for (const Bad& bad : all) {
    v1::JoinRequest join = JoinOf("g", "a", {"t"});
    bad.spoil(join);
    const Status end = EndOf(join);
    ShowRefusal(bad.what, end);
    EXPECT_THAT(end, FailsWith(bad.reason)) << bad.what;
  }
  EXPECT_THAT(Call(&v1::Groups::Stub::FetchOffsets, v1::FetchOffsetsRequest()).status(), FailsWith(Reason::kInvalidGroupId));
}

// Backtracking would take for ever; RE2 does not.
TEST_F(GroupsTest, APatternThatIsBuiltToBurnHoldsNobodyUp) {
  CreateTopic(std::string(200, 'x'));
  v1::JoinRequest join = JoinOf("burning", "a", {});
  join.mutable_subscription()->set_pattern("(x+x+)+(x+x+)+(x+x+)+y");
  MemberStream member(client());
  ASSERT_TRUE(member.Join(join));
  v1::CoordinatorMessage message;
  ASSERT_TRUE(member.Next(&message));
  EXPECT_TRUE(message.has_welcome());
  EXPECT_EQ(Commit("g", {Entry("t", 0, 1)}), "");
}

TEST_F(GroupsTest, AStreamThatDoesNotKeepToTheOrderIsEnded) {
  MemberStream silent(client());
  ASSERT_TRUE(silent.Leave());
  EXPECT_THAT(silent.AwaitEnd(), FailsWith(Reason::kInvalidRequest));
  MemberStream twice(client());
  ASSERT_TRUE(twice.Join(JoinOf("g", "a", {"t"})));
  ASSERT_TRUE(twice.Join(JoinOf("g", "a", {"t"})));
  EXPECT_THAT(twice.AwaitEnd(), FailsWith(Reason::kInvalidRequest));
  MemberStream empty(client());
  ASSERT_TRUE(empty.Send(v1::MemberMessage()));
  EXPECT_THAT(empty.AwaitEnd(), FailsWith(Reason::kInvalidRequest));
}

TEST_F(GroupsTest, TheOffsetsTopicCanBeReadAndNothingElse) {
  ASSERT_THAT(client().CreateTopic(kOffsetsTopic).status(), FailsWith(Reason::kInvalidTopic)) << "not even made";
  ASSERT_EQ(Commit("g", {Entry("t", 0, 1)}), "");
  const Status produced = client().ProduceRecords(kOffsetsTopic, 0, {"x"}).status();
  ShowRefusal("produce to the offsets topic", produced);
  EXPECT_THAT(produced, FailsWith(Reason::kInvalidTopic));
  EXPECT_THAT(client().DeleteTopic(kOffsetsTopic), FailsWith(Reason::kInvalidTopic));
  EXPECT_THAT(client().DeleteRecords(kOffsetsTopic, 0, -1).status(), FailsWith(Reason::kInvalidTopic));
  v1::CreatePartitionsRequest grow;
  grow.set_name(kOffsetsTopic);
  grow.set_total(100);
  EXPECT_THAT(client().Call(&v1::Admin::Stub::CreatePartitions, grow).status(), FailsWith(Reason::kInvalidTopic));
  v1::AlterTopicConfigRequest alter;
  alter.set_name(kOffsetsTopic);
  alter.add_set()->set_key("retention.ms");
  alter.mutable_set(0)->set_value("1000");
  EXPECT_THAT(client().Call(&v1::Admin::Stub::AlterTopicConfig, alter).status(), FailsWith(Reason::kInvalidTopic));
  std::size_t records = 0;
  for (int i = 0; i < 4; ++i) records += client().FetchAll(kOffsetsTopic, i).value().size();
  EXPECT_EQ(records, 1u) << "the offset";
}

TEST_F(GroupsTest, MembersAndOffsetsOutliveARestartAndAKill) {
  MemberStream before(client());
  ASSERT_TRUE(before.Join(JoinOf("g", "a", {"t"})));
  ASSERT_TRUE(before.AwaitPartitions(2));
  ASSERT_TRUE(before.Beat());
  ASSERT_TRUE(before.Commit(1, {before.Place(0, 2)}));
  ASSERT_EQ(Errors(before.AwaitCommit().errors()), "");
  for (const bool kill : {false, true}) {
    kill ? KillAndRestart() : Restart();
    EXPECT_EQ(LoadedOffsets("g"), "t-0@2");
    v1::JoinRequest again = JoinOf("g", "a", {"t"});
    again.set_member_epoch(before.epoch());
    for (const v1::AssignedPartition& had : before.target().assigned()) {
      v1::TopicPartitions& owned = *again.mutable_owned()->add_topics();
      owned.set_topic_id(had.topic_id());
      owned.add_partitions(had.partition());
    }
    MemberStream after(client());
    ASSERT_TRUE(after.Join(again));
    ASSERT_TRUE(after.AwaitPartitions(2));
    EXPECT_EQ(after.epoch(), before.epoch()) << "nothing has moved";
    EXPECT_EQ(after.target().assigned(0).offset(), 2);
    after.Cancel();
  }
}

TEST_F(GroupsTest, WhatAKilledBrokerHadAnsweredIsThereAndNothingThatWasNotSent) {
  constexpr int kCommits = 200;
  std::vector<std::string> values(kCommits, "v");
  Append("t", values);
  MemberStream member(client());
  ASSERT_TRUE(member.Join(JoinOf("g", "a", {"t"})));
  ASSERT_TRUE(member.AwaitPartitions(2));
  ASSERT_TRUE(member.Beat());
  for (int i = 1; i <= kCommits; ++i) ASSERT_TRUE(member.Commit(i, {member.Place(0, i)}));
  std::int64_t answered = 0;
  while (answered < kCommits / 2) answered = static_cast<std::int64_t>(member.AwaitCommit().seq());
  broker_->Kill9();
  while (const std::uint64_t seq = member.AwaitCommit().seq()) answered = static_cast<std::int64_t>(seq);
  Start();
  const std::string offsets = LoadedOffsets("g");
  ASSERT_TRUE(offsets.starts_with("t-0@")) << offsets;
  const std::int64_t committed = std::stoll(offsets.substr(4));
  EXPECT_GE(committed, answered);
  EXPECT_LE(committed, kCommits);
}

TEST_F(GroupsTest, AStopEndsTheStreamsWithItsReason) {
  MemberStream member(client());
  ASSERT_TRUE(member.Join(JoinOf("g", "a", {"t"})));
  ASSERT_TRUE(member.AwaitPartitions(2));
  broker_->Interrupt(SIGTERM);
  EXPECT_THAT(member.AwaitEnd(), FailsWith(Reason::kShuttingDown));
}

class SmallGroupsTest : public GroupsTest {
 protected:
  SmallGroupsTest() { options_.settings = {"group.max.size=2", "group.consumer.session.timeout.ms=1000"}; }
};

TEST_F(SmallGroupsTest, AGroupHasNoMoreMembersThanItMay) {
  MemberStream a(client());
  MemberStream b(client());
  v1::CoordinatorMessage message;
  for (MemberStream* member : {&a, &b}) {
    ASSERT_TRUE(member->Join(JoinOf("g", member == &a ? "a" : "b", {"t"})));
    ASSERT_TRUE(member->Next(&message));
    EXPECT_EQ(message.welcome().session_timeout_ms(), 1000);
    EXPECT_LE(message.welcome().heartbeat_interval_ms(), 333);
  }
  const Status third = EndOf(JoinOf("g", "c", {"t"}));
  ShowRefusal("join: one more than group.max.size", third);
  EXPECT_THAT(third, FailsWith(Reason::kGroupMaxSizeReached));
}

TEST_F(SmallGroupsTest, TheNewerOfTwoWithOneInstanceIdHasTheSlot) {
  v1::JoinRequest join = JoinOf("g", "a", {"t"});
  join.set_instance_id("slot");
  MemberStream older(client());
  ASSERT_TRUE(older.Join(join));
  ASSERT_TRUE(older.AwaitPartitions(2));
  join.set_member_id("b");
  MemberStream newer(client());
  ASSERT_TRUE(newer.Join(join));
  const Status fenced = older.AwaitEnd();
  ShowRefusal("another member with the same group.instance.id", fenced);
  EXPECT_THAT(fenced, FailsWith(Reason::kFencedInstanceId));
  EXPECT_TRUE(newer.AwaitPartitions(2));
}

TEST_F(SmallGroupsTest, AMemberWithoutHeartbeatsIsPutOutThoughItFetchesAndCommitsNoMore) {
  MemberStream member(client());
  ASSERT_TRUE(member.Join(JoinOf("g", "a", {"t"})));
  ASSERT_TRUE(member.AwaitPartitions(2));
  EXPECT_EQ(Values("t"), "a b c");
  const Status fenced = member.AwaitEnd();
  ShowRefusal("no heartbeats", fenced);
  EXPECT_THAT(fenced, FailsWith(Reason::kFencedMemberEpoch));
  EXPECT_EQ(Values("t"), "a b c") << "reading needs no membership";
  v1::CommitOffsetsRequest zombie;
  zombie.set_group("g");
  zombie.set_member_id("a");
  zombie.set_member_epoch(member.epoch());
  *zombie.add_entries() = Entry("t", 0, 1);
  EXPECT_EQ(Commit(zombie), "0:UNKNOWN_MEMBER_ID");
}

TEST_F(GroupsTest, AMemberThatNeverGivesUpAPartitionIsPutOut) {
  v1::JoinRequest stubborn = JoinOf("g", "a", {"t"});
  stubborn.set_rebalance_timeout_ms(500);
  MemberStream a(client());
  ASSERT_TRUE(a.Join(stubborn));
  ASSERT_TRUE(a.AwaitPartitions(2));
  ASSERT_TRUE(a.Beat());
  MemberStream b(client());
  ASSERT_TRUE(b.Join(JoinOf("g", "b", {"t"})));
  const Status end = a.AwaitEnd();
  ShowRefusal("a partition is not given up", end);
  EXPECT_THAT(end, FailsWith(Reason::kFencedMemberEpoch));
  EXPECT_THAT(MessageOf(end), HasSubstr("did not give up t-"));
  EXPECT_TRUE(b.AwaitPartitions(2));
}

}  // namespace
}  // namespace cordwood::testing
