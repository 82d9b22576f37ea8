// SPDX-License-Identifier: Apache-2.0
// Consumers of a replay job against a real broker: where they stop, what they commit, what they are told.
#include <gtest/gtest.h>
#include <malloc.h>

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
    options_.settings = {"offsets.topic.num.partitions=4", "log.cleaner.backoff.ms=10"};
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
  // Of the topic's partition 0, beside a group "g".
  void Replay(std::int64_t from, std::int64_t to, std::int64_t bytes_per_second = 0, const std::string& topic = "t", bool original_pace = false) {
    consumer_options_.group.id = "g";
    Consumer source = NewConsumer();
    ASSERT_TRUE(source.Commit({{{topic, 0}, {0, ""}}}).ok());
    consumer_options_.group.id = "r";
    v1::CreateReplayRequest request;
    request.set_source("g");
    request.set_group("r");
    request.set_bytes_per_second(bytes_per_second);
    request.set_original_pace(original_pace);
    auto& range = *request.add_ranges();
    range.set_topic(topic);
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
  Consumer Member(const std::string& topic = "t") {
    Consumer consumer = NewConsumer();
    consumer.Subscribe({topic}).value();
    return consumer;
  }
  void Put(const std::string& key) {
    std::vector<RecordView> records{{Offset(0), NowMs(), key, "v", {}}};
    ASSERT_TRUE(client().ProduceBatches("c", 0, BuildBatch(records)).ok());
  }
  // A compacted topic "c" whose offsets 0 to 2 have records, 3 to 5 have none, and 6 has one.
  void MakeCleaned() {
    CreateTopic("c", 1, {{"cleanup.policy", "compact"}, {"min.cleanable.dirty.ratio", "0.01"}});
    for (const char* key : {"0", "1", "2", "x", "x", "x", "x"}) Put(key);
    ASSERT_TRUE(WaitUntil([&] {
      v1::DescribeTopicRequest request;
      request.set_name("c");
      const auto described = client().Call(&v1::Admin::Stub::DescribeTopic, request);
      return described.ok() && described->topic().partitions(0).cleaning().clean_end() == 7;
    }));
    Restart();  // from disk, not from memory
  }
  // In one batch, the values "0", "1", … at these milliseconds after a time long ago.
  void PutAt(const std::vector<std::int64_t>& times_ms) {
    std::vector<std::string> values;
    std::vector<RecordView> records;
    for (std::size_t i = 0; i < times_ms.size(); ++i) values.push_back(std::to_string(i));
    for (std::size_t i = 0; i < times_ms.size(); ++i) {
      records.push_back({Offset(static_cast<std::int64_t>(i)), 1'700'000'000'000 + times_ms[i], "", values[i], {}});
    }
    ASSERT_TRUE(client().ProduceBatches("t", 0, BuildBatch(records)).ok());
  }
  static std::int64_t MarkAll(Consumer& consumer, std::size_t count) {
    std::int64_t last = -1;
    for (std::size_t got = 0; got < count;) {
      for (const ConsumerRecord& record : consumer.Poll(milliseconds(5'000)).value()) {
        ++got;
        last = record.offset();
        consumer.Mark(record);
      }
    }
    return last;
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
  EXPECT_EQ(MarkAll(consumer, 2), 1);
  ASSERT_TRUE(consumer.Close(milliseconds(5'000)).ok());
  EXPECT_EQ(State(), "done");
}

TEST_F(GroupReplayTest, TheEndIsCommittedBehindTheLastRecordThatIsLeft) {
  MakeCleaned();
  Replay(0, 6, 0, "c");
  Consumer polls = Member("c");
  EXPECT_EQ(ReadUntil(polls, ReplayState::kDone), "v v v ");
}

TEST_F(GroupReplayTest, MarkedToTheLastRecordThatIsLeftCloseCommitsTheEnd) {
  MakeCleaned();
  Replay(0, 6, 0, "c");
  consumer_options_.group.auto_commit_interval = std::chrono::hours(1);
  Consumer marks = Member("c");
  EXPECT_EQ(MarkAll(marks, 3), 2);
  ASSERT_TRUE(marks.Close(milliseconds(5'000)).ok());
  EXPECT_EQ(State(), "done");
}

// Retention took the whole range.
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

// Some of what was set aside is due, and more of it is not.
TEST_F(GroupReplayTest, AtTheOriginalPaceTheOrderIsTheLogs) {
  PutAt({0, 100, 200, 150, 300, 300, -5'000, 400});
  Replay(0, 8, 0, "t", true);
  Consumer consumer = Member();
  EXPECT_EQ(ReadUntil(consumer, ReplayState::kDone), "0 1 2 3 4 5 6 7 ");
}

TEST_F(GroupReplayTest, AtTheOriginalPaceWhatIsNotDueIsNotCommitted) {
  PutAt({0, 100, 3'600'000, 7'200'000});
  Replay(0, 4, 0, "t", true);
  Consumer consumer = Member();
  EXPECT_EQ(Read(consumer, 2), "0 1 ");
  EXPECT_EQ(consumer.position(At()), 2);
  ASSERT_TRUE(consumer.Commit().ok());
  EXPECT_EQ(consumer.Committed({At()}).value()[0]->offset, 2);
}

TEST_F(GroupReplayTest, WhatFellDueMeanwhileComesInPollsOfAtMostTheirSize) {
  PutAt({0, 100, 100, 100, 100, 100});
  Replay(0, 6, 0, "t", true);
  consumer_options_.records_max = 2;
  Consumer consumer = Member();
  std::string values;
  while (values.size() < 12) {
    const auto records = consumer.Poll(milliseconds(5'000)).value();
    EXPECT_LE(records.size(), 2u);
    for (const ConsumerRecord& record : records) values += std::string(record.value()) + " ";
  }
  EXPECT_EQ(values, "0 1 2 3 4 5 ");
}

// Of each partition the first record is due, and a megabyte is not.
TEST_F(GroupReplayTest, WhatIsReadAndNotDueIsAPartOfTheMemory) {
  constexpr int kPartitions = 32;
  CreateTopic("wide", kPartitions);
  const std::string value(10'000, 'v');
  std::vector<RecordView> records(100, {Offset(0), 1'700'003'600'000, std::nullopt, value, {}});
  for (std::size_t i = 0; i < records.size(); ++i) records[i].offset = Offset(static_cast<std::int64_t>(i));
  records[0].timestamp_ms = 1'700'000'000'000;
  for (int p = 0; p < kPartitions; ++p) ASSERT_TRUE(client().ProduceBatches("wide", p, BuildBatch(records)).ok());
  Replay(0, 100, 0, "wide", true);
  consumer_options_.memory_bytes_max = 1024 * 1024;
  Consumer consumer = Member("wide");
  const std::size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
  EXPECT_EQ(Read(consumer, kPartitions).size(), kPartitions * (value.size() + 1));
  for (int p = 0; p < kPartitions; ++p) EXPECT_EQ(consumer.position({"wide", p}), 1);
  EXPECT_LT(mallinfo2().uordblks + mallinfo2().hblkhd, before + 10 * 1024 * 1024);
}

// More than there is room for is read again when it is its turn.
TEST_F(GroupReplayTest, WhatThereWasNoRoomForIsReadInOrder) {
  std::vector<std::int64_t> times;
  std::string values;
  for (int i = 0; i < 900; ++i) times.push_back(i);
  for (int i = 0; i < 900; ++i) values += std::to_string(i) + " ";
  PutAt(times);
  Replay(0, 900, 0, "t", true);
  consumer_options_.memory_bytes_max = 64 * 1024;  // in half of it are less than 300 of them
  Consumer consumer = Member();
  EXPECT_EQ(ReadUntil(consumer, ReplayState::kDone), values);
}

TEST_F(GroupReplayTest, ACancelledJobEndsAPollThatWaits) {
  Append("t", std::vector<std::string>(100, "v"));
  Replay(0, 100, 1);  // a byte a second, after the first few
  Consumer consumer = Member();
  EXPECT_TRUE(Read(consumer, 1).starts_with("v "));
  std::thread admin([this] { Change(v1::REPLAY_CANCEL); });
  const absl::Time before = absl::Now();
  while (consumer.replay() != ReplayState::kCancelled && absl::Now() < before + kPatience) (void)consumer.Poll(milliseconds(60'000));
  admin.join();
  EXPECT_EQ(consumer.replay(), ReplayState::kCancelled);
  EXPECT_EQ(State(), "cancelled");
}

}  // namespace
}  // namespace cordwood::testing
