// SPDX-License-Identifier: Apache-2.0
// Consumers of a replay job against a real broker: where they stop, what they commit, what they are told.
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "cordwood/v1/group_admin.grpc.pb.h"
#include "tests/client/consumer_fixture.h"

namespace cordwood::testing {
namespace {

class GroupReplayTest : public ConsumerTest {
 protected:
  GroupReplayTest() {
    options_.settings = {"offsets.topic.num.partitions=4"};
    consumer_options_.group.id = "r";
    consumer_options_.group.auto_commit_interval = milliseconds(0);
  }
  template <class Method, class Request, class Response>
  void Ask(Method method, const Request& request, Response* response) {
    grpc::ClientContext context;
    const auto admin = v1::GroupAdmin::NewStub(client().channel());
    const grpc::Status status = ((*admin).*method)(&context, request, response);
    ASSERT_TRUE(status.ok()) << status.error_message();
  }
  // Of t-0, beside a group "g".
  void Replay(std::int64_t from, std::int64_t to, std::int64_t bytes_per_second = 0) {
    consumer_options_.group.id = "g";
    Consumer source = NewConsumer();
    ASSERT_TRUE(source.Commit({{At(), {0, ""}}}).ok());
    consumer_options_.group.id = "r";
    v1::CreateReplayRequest request;
    request.set_source("g");
    request.set_group("r");
    request.set_bytes_per_second(bytes_per_second);
    auto& range = *request.add_ranges();
    range.set_topic("t");
    range.mutable_from()->set_offset(from);
    range.mutable_to()->set_offset(to);
    v1::CreateReplayResponse response;
    Ask(&v1::GroupAdmin::Stub::CreateReplay, request, &response);
  }
  void Change(v1::ReplayChange change) {
    v1::ChangeReplayRequest request;
    request.set_group("r");
    request.set_change(change);
    v1::ChangeReplayResponse response;
    Ask(&v1::GroupAdmin::Stub::ChangeReplay, request, &response);
  }
  std::string State() {
    v1::DescribeReplayRequest request;
    request.set_group("r");
    v1::DescribeReplayResponse response;
    Ask(&v1::GroupAdmin::Stub::DescribeReplay, request, &response);
    return response.replay().state();
  }
  Consumer Member() {
    Consumer consumer = NewConsumer();
    consumer.Subscribe({"t"}).value();
    return consumer;
  }
  // Polls until the job is so; the values that came.
  static std::string ReadUntil(Consumer& consumer, ReplayState state) {
    std::string values;
    const absl::Time deadline = absl::Now() + kPatience;
    while (consumer.replay() != state && absl::Now() < deadline) {
      const auto records = consumer.Poll(milliseconds(50));
      if (!records) return values + "[" + std::string(records.error().name()) + "]";
      for (const ConsumerRecord& record : *records) values += std::string(record.value()) + " ";
    }
    EXPECT_EQ(consumer.replay(), state);
    return values;
  }
};

TEST_F(GroupReplayTest, TheRangeIsReadOnceAndTheJobIsDone) {
  Append("t", {"0", "1", "2", "3", "4"});
  Replay(1, 4);
  Consumer consumer = Member();
  EXPECT_EQ(consumer.replay(), ReplayState::kNone);
  EXPECT_EQ(ReadUntil(consumer, ReplayState::kDone), "1 2 3 ");
  EXPECT_EQ(consumer.position(At()), 4);
  EXPECT_EQ(State(), "done");
  Append("t", {"5"});
  EXPECT_TRUE(consumer.Poll(milliseconds(100))->empty());
  Consumer late = Member();
  EXPECT_EQ(ReadUntil(late, ReplayState::kDone), "");
}

TEST_F(GroupReplayTest, WhatIsMarkedIsDoneByCloseAlone) {
  Append("t", {"0", "1", "2"});
  Replay(0, 2);
  consumer_options_.group.auto_commit_interval = std::chrono::hours(1);
  Consumer consumer = Member();
  std::vector<ConsumerRecord> records;
  while (records.size() < 2) {
    for (const ConsumerRecord& record : consumer.Poll(milliseconds(5'000)).value()) records.push_back(record);
  }
  consumer.Mark(records.back());
  ASSERT_TRUE(consumer.Close(milliseconds(5'000)).ok());
  EXPECT_EQ(State(), "done");
}

// The last offsets of the range hold no record any more.
TEST_F(GroupReplayTest, TheEndIsCommittedWhereNoRecordIs) {
  Append("t", {"0", "1", "2", "3"});
  Replay(1, 4);
  ASSERT_TRUE(Connect().admin().DeleteRecords(At(), 4).ok());
  Consumer consumer = Member();
  EXPECT_EQ(ReadUntil(consumer, ReplayState::kDone), "");
  EXPECT_EQ(consumer.Committed({At()}).value()[0]->offset, 4);
}

TEST_F(GroupReplayTest, WhatIsNotHandledIsNotDone) {
  Append("t", {"0", "1", "2"});
  Replay(0, 3);
  {
    Consumer consumer = Member();
    EXPECT_EQ(Read(consumer, 3), "0 1 2 ");
    ASSERT_TRUE(consumer.Close(milliseconds(5'000)).ok());
  }
  EXPECT_EQ(State(), "running");
  Consumer next = Member();
  EXPECT_TRUE(ReadUntil(next, ReplayState::kDone).ends_with("2 "));  // what the last poll gave comes again
}

TEST_F(GroupReplayTest, APausedJobGivesNothingAndGoesOnWhereItWas) {
  Append("t", {"0", "1", "2", "3"});
  Replay(0, 4);
  Change(v1::REPLAY_PAUSE);
  Consumer consumer = Member();
  EXPECT_EQ(ReadUntil(consumer, ReplayState::kPaused), "");
  EXPECT_TRUE(consumer.Poll(milliseconds(200))->empty());
  Change(v1::REPLAY_RESUME);
  EXPECT_EQ(ReadUntil(consumer, ReplayState::kDone), "0 1 2 3 ");
}

TEST_F(GroupReplayTest, ACancelledJobEndsAPollThatWaits) {
  Append("t", {"0", "1"});
  Replay(0, 2, 1);  // a byte a second
  Consumer consumer = Member();
  EXPECT_EQ(Read(consumer, 2), "0 1 ");
  std::thread admin([this] { Change(v1::REPLAY_CANCEL); });
  const absl::Time before = absl::Now();
  while (consumer.replay() != ReplayState::kCancelled && absl::Now() < before + kPatience) (void)consumer.Poll(milliseconds(60'000));
  admin.join();
  EXPECT_EQ(consumer.replay(), ReplayState::kCancelled);
  EXPECT_LT(absl::Now() - before, absl::Seconds(60));
  EXPECT_EQ(State(), "cancelled");
}

}  // namespace
}  // namespace cordwood::testing
