// SPDX-License-Identifier: Apache-2.0
// The public consumer with a broker that is well: positions, order, pausing, failures of partitions.
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>

#include "tests/client/consumer_fixture.h"

namespace cordwood::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_F(ConsumerTest, BeginsAtAnyPosition) {
  Append("t", {"0", "1", "2", "3"});
  client().DeleteRecords("t", 0, 1).value();
  Consumer consumer = NewConsumer();
  ASSERT_TRUE(consumer.Assign(At(), Position::Start()).ok());
  EXPECT_EQ(Read(consumer, 3), "1 2 3 ");
  const auto read_from = [&](const Position& position, std::size_t count) {
    consumer.Seek(At(), position).value();
    return Read(consumer, count);
  };
  EXPECT_EQ(read_from(Position::At(2), 2), "2 3 ");
  EXPECT_EQ(read_from(Position::Last(1), 1), "3 ");
  EXPECT_EQ(read_from(Position::Last(100), 3), "1 2 3 ");
  EXPECT_EQ(read_from(Position::Ago(std::chrono::hours(1)), 3), "1 2 3 ");
  consumer.Seek(At(), Position::End()).value();
  EXPECT_EQ(consumer.position(At()), 4);
  Append("t", {"4"});
  EXPECT_EQ(Read(consumer, 1), "4 ");
  EXPECT_EQ(consumer.Offsets(At()).value(), (PartitionOffsets{1, 5}));
}

TEST_F(ConsumerTest, ATimeIsTheFirstRecordAtOrAfterIt) {
  std::vector<RecordView> records;
  for (const std::int64_t ms : {1000, 2000, 3000}) records.push_back({Offset(0), kTestMs + ms, std::nullopt, "v", {}});
  ASSERT_TRUE(client().ProduceBatches("t", 0, BuildBatch(records)).ok());
  Consumer consumer = NewConsumer();
  const auto at = [&](std::int64_t ms) { return consumer.Resolve(At(), Position::From(Timestamp(milliseconds(kTestMs + ms)))).value(); };
  EXPECT_EQ(at(0), 0);
  EXPECT_EQ(at(2000), 1);
  EXPECT_EQ(at(2001), 2);
  EXPECT_EQ(at(3001), 3);
}

TEST_F(ConsumerTest, EachPartitionComesInItsOrderFromAPositionOfItsOwn) {
  CreateTopic("many", 8);
  std::map<TopicPartition, Position> positions;
  for (int p = 0; p < 8; ++p) {
    for (int i = 0; i < 20; ++i) Append("many", {std::to_string(i), "between"}, p);
    positions.emplace(TopicPartition{"many", p}, Position::At(p));
  }
  consumer_options_.records_max = 7;
  Consumer consumer = NewConsumer();
  ASSERT_TRUE(consumer.Assign(positions).ok());
  std::map<std::int32_t, std::int64_t> next;
  for (std::size_t left = 8 * 40 - 28; left > 0;) {
    const auto records = consumer.Poll(std::chrono::seconds(30)).value();
    ASSERT_FALSE(records.empty());
    ASSERT_LE(records.size(), 7U);
    for (const ConsumerRecord& record : records) {
      const std::int64_t expected = next.emplace(record.partition(), record.partition()).first->second++;
      ASSERT_EQ(record.offset(), expected);
    }
    left -= records.size();
  }
  for (int p = 0; p < 8; ++p) EXPECT_EQ(consumer.position({"many", p}), 40);
}

TEST_F(ConsumerTest, ShowsAllOfARecordWhateverTheCodecAndOutlivesTheConsumer) {
  std::vector<ConsumerRecord> records;
  {
    Consumer consumer = NewConsumer();
    for (const Codec codec : kAllCodecs) ASSERT_TRUE(client().ProduceBatches("t", 0, BuildBatch(ThreeRecords(), codec)).ok());
    ASSERT_TRUE(consumer.Assign(At(), Position::Start()).ok());
    while (records.size() < 15) {
      for (ConsumerRecord& record : consumer.Poll(std::chrono::seconds(30)).value()) records.push_back(record);
    }
  }
  EXPECT_EQ(broker_->Terminate(), 0);
  for (std::size_t i = 0; i < 15; i += 3) {
    EXPECT_EQ(records[i].offset(), static_cast<std::int64_t>(i));
    EXPECT_EQ(records[i].topic(), "t");
    EXPECT_EQ(records[i].key(), "k1");
    EXPECT_EQ(records[i].value(), "hello");
    EXPECT_EQ(records[i].timestamp(), Timestamp(milliseconds(kTestMs)));
    EXPECT_FALSE(records[i + 1].has_key());
    EXPECT_THAT(records[i + 1].headers(), ElementsAre(HeaderView{"h", "v"}, HeaderView{"n", std::nullopt}));
    EXPECT_FALSE(records[i + 2].has_value());
    EXPECT_TRUE(records[i + 2].has_key());
  }
}

TEST_F(ConsumerTest, APausedPartitionWaitsWhereItWas) {
  CreateTopic("two", 2);
  Append("two", {"a", "b"}, 0);
  Append("two", {"x"}, 1);
  consumer_options_.records_max = 1;
  Consumer consumer = NewConsumer();
  const TopicPartition first{"two", 0};
  ASSERT_TRUE(consumer.Assign(first, Position::Start()).ok());
  EXPECT_EQ(Read(consumer, 1), "a ");
  consumer.Pause(first);
  EXPECT_THAT(consumer.paused(), ElementsAre(first));
  ASSERT_TRUE(consumer.AssignTopic("two", Position::Start()).ok());
  EXPECT_EQ(consumer.position(first), 1);
  Append("two", {"c"}, 0);
  Append("two", {"y"}, 1);
  EXPECT_EQ(Read(consumer, 2), "x y ");
  consumer.Resume(first);
  EXPECT_EQ(Read(consumer, 2), "b c ");
  EXPECT_TRUE(consumer.paused().empty());
}

TEST_F(ConsumerTest, WhatIsNoLongerAssignedDoesNotCome) {
  CreateTopic("two", 2);
  for (int p = 0; p < 2; ++p) Append("two", {"a" + std::to_string(p), "b" + std::to_string(p)}, p);
  Consumer consumer = NewConsumer();
  ASSERT_TRUE(consumer.AssignTopic("two", Position::Start()).ok());
  ASSERT_TRUE(WaitUntil([&] { return consumer.buffered_bytes() > 100; }));
  consumer.Unassign({"two", 0});
  EXPECT_EQ(Read(consumer, 2), "a1 b1 ");
  for (int round = 0; round < 20; ++round) {
    const int p = round % 2;
    ASSERT_TRUE(consumer.Assign({"two", p}, Position::Start()).ok());
    ASSERT_TRUE(consumer.SeekAll(Position::Start()).ok());
    EXPECT_EQ(Read(consumer, 2), p == 0 ? "a0 b0 " : "a1 b1 ");
  }
  EXPECT_EQ(consumer.Seek({"two", 0}, Position::Start()).error().code(), Errc::kInvalidRequest);
}

TEST_F(ConsumerTest, WhatCannotBeAssignedChangesNothing) {
  Append("t", {"a"});
  Consumer consumer = NewConsumer();
  ASSERT_TRUE(consumer.Assign(At(), Position::Start()).ok());
  CreateTopic("orders");
  const auto unknown = consumer.Assign({"order", 0}, Position::Start());
  EXPECT_EQ(unknown.error().code(), Errc::kUnknownTopicOrPartition);
  EXPECT_THAT(unknown.error().message(), HasSubstr("orders"));
  EXPECT_THAT(consumer.Assign(At(1), Position::Start()).error().message(), HasSubstr("has no partition 1; it has 1"));
  EXPECT_THAT(consumer.Assign(TopicPartition{"orders", 0}, Position::At(5)).error().message(), HasSubstr("starts at 0 and ends at 0"));
  EXPECT_THAT(consumer.assignment(), ElementsAre(At()));
  EXPECT_EQ(Read(consumer, 1), "a ");
  consumer_options_.records_max = 0;
  EXPECT_THAT(Connect().NewConsumer(consumer_options_).error().message(), HasSubstr("records_max is 0"));
}

TEST_F(ConsumerTest, ALogStartThatPassesThePositionIsAFailureUntilASeek) {
  CreateTopic("u");
  consumer_options_.records_max = 1;
  Consumer consumer = NewConsumer();
  ASSERT_TRUE(consumer.Assign({At(), {"u", 0}}, Position::Start()).ok());
  consumer.Pause(At());
  Append("t", {"0", "1", "2"});
  client().DeleteRecords("t", 0, 2).value();
  consumer.Resume(At());
  const Failure failure = ReadFailure(consumer);
  EXPECT_EQ(failure.code(), Errc::kOffsetOutOfRange);
  EXPECT_THAT(failure.message(), HasSubstr("t-0"));
  Append("u", {"other"});
  EXPECT_EQ(Read(consumer, 1), "other ");                         // the others go on
  EXPECT_EQ(ReadFailure(consumer).code(), Errc::kOffsetOutOfRange);  // and it is not forgotten
  ASSERT_TRUE(consumer.Seek(At(), Position::Start()).ok());
  EXPECT_EQ(Read(consumer, 1), "2 ");
}

TEST_F(ConsumerTest, ThePolicyGoesOnAtTheStartOrTheEnd) {
  for (const OffsetReset reset : {OffsetReset::kStart, OffsetReset::kEnd}) {
    const std::string topic = reset == OffsetReset::kStart ? "start" : "end";
    const TopicPartition partition{topic, 0};
    CreateTopic(topic);
    consumer_options_.offset_reset = reset;
    Consumer consumer = NewConsumer();
    ASSERT_TRUE(consumer.Assign(partition, Position::Start()).ok());
    consumer.Pause(partition);
    Append(topic, {"0", "1", "2"});
    client().DeleteRecords(topic, 0, 2).value();
    consumer.Resume(partition);
    if (reset == OffsetReset::kEnd) {
      ASSERT_TRUE(WaitUntil([&] { return consumer.Poll(milliseconds(5)).value().empty() && consumer.position(partition) == 3; }));
    }
    Append(topic, {"3"});
    EXPECT_EQ(Read(consumer, reset == OffsetReset::kEnd ? 1 : 2), reset == OffsetReset::kEnd ? "3 " : "2 3 ");
    EXPECT_EQ(consumer.Resolve(partition, Position::At(77)).value(), reset == OffsetReset::kEnd ? 4 : 2);
  }
}

TEST_F(ConsumerTest, ATopicThatIsDeletedOrCreatedAgainIsAFailureUntilItIsAssignedAnew) {
  Append("t", {"old"});
  Consumer consumer = NewConsumer();
  ASSERT_TRUE(consumer.Assign(At(), Position::Start()).ok());
  EXPECT_EQ(Read(consumer, 1), "old ");
  ASSERT_TRUE(client().DeleteTopic("t").ok());
  const Errc code = ReadFailure(consumer).code();
  EXPECT_TRUE(code == Errc::kUnknownTopicOrPartition || code == Errc::kUnknownTopicId) << static_cast<int>(code);
  EXPECT_EQ(consumer.Assign(At(), Position::Start()).error().code(), Errc::kUnknownTopicOrPartition);
  CreateTopic("t");
  Append("t", {"new"});
  EXPECT_FALSE(ReadFailure(consumer).retriable());
  ASSERT_TRUE(consumer.Assign(At(), Position::Start()).ok());
  EXPECT_EQ(Read(consumer, 1), "new ");
}

TEST_F(ConsumerTest, WakeupEndsThePollUnderWayOrElseTheNext) {
  Consumer consumer = NewConsumer();
  ASSERT_TRUE(consumer.Assign(At(), Position::Start()).ok());
  consumer.Wakeup();
  EXPECT_TRUE(InTime(milliseconds(0), [&] { EXPECT_TRUE(consumer.Poll(std::chrono::hours(1)).value().empty()); }));
  std::thread waker([&] { consumer.Wakeup(); });
  EXPECT_TRUE(InTime(milliseconds(0), [&] { EXPECT_TRUE(consumer.Poll(std::chrono::hours(1)).value().empty()); }));
  waker.join();
  Append("t", {"a"});
  EXPECT_EQ(Read(consumer, 1), "a ");
}

TEST_F(ConsumerTest, MovedFromItMayBeDestroyedAndAssignedTo) {
  Append("t", {"a"});
  Consumer first = NewConsumer();
  ASSERT_TRUE(first.Assign(At(), Position::Start()).ok());
  Consumer second(std::move(first));
  first = std::move(second);
  EXPECT_EQ(Read(first, 1), "a ");
  const Consumer third(std::move(first));
  first = NewConsumer();
  ASSERT_TRUE(first.Assign(At(), Position::Start()).ok());
  EXPECT_EQ(Read(first, 1), "a ");
}

}  // namespace
}  // namespace cordwood::testing
