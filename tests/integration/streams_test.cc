// SPDX-License-Identifier: Apache-2.0
// ProduceStream and FetchStream: handles, windows, credit, positions.
#include <set>
#include <thread>

#include "tests/integration/broker_fixture.h"

namespace cordwood::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

v1::ProduceRequest Numbered(std::uint64_t seq, v1::ProduceRequest request) {
  request.set_seq(seq);
  return request;
}

v1::ProduceRequest ByHandle(std::uint64_t seq, unsigned handle, const std::string& batches) {
  v1::ProduceRequest request;
  request.set_seq(seq);
  v1::ProduceEntry& entry = *request.add_entries();
  entry.set_handle(handle);
  entry.set_batches(batches);
  return request;
}

class ProduceStreamTest : public BrokerTest {
 protected:
  // Reads until `count` messages are done; by seq, what they answered.
  std::map<std::uint64_t, v1::Done> ReadDones(ProduceStream& stream, std::size_t count) {
    std::map<std::uint64_t, v1::Done> dones;
    v1::ProduceResponse response;
    while (dones.size() < count && stream.Read(&response)) {
      if (response.window_bytes() > 0) window_bytes_ = response.window_bytes();
      for (const v1::Done& done : response.done()) EXPECT_TRUE(dones.emplace(done.seq(), done).second) << done.seq();
    }
    EXPECT_EQ(dones.size(), count);
    return dones;
  }
  std::uint64_t window_bytes_ = 0;
};

TEST_F(ProduceStreamTest, PipelinedMessagesAreAppendedInOrderAndAllAnswered) {
  CreateTopic("t");
  ProduceStream stream(client());
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(stream.Send(Numbered(100 + i, RecordsRequest("t", 0, {std::to_string(i)}))));
  const auto dones = ReadDones(stream, 50);
  for (int i = 0; i < 50; ++i) EXPECT_THAT(dones.at(100 + i).base_offset(), ElementsAre(i));
  EXPECT_GT(window_bytes_, 0u);
  stream.CloseSending();
  EXPECT_TRUE(stream.Finish().ok());
}

TEST_F(ProduceStreamTest, AHandleStandsForItsNames) {
  CreateTopic("t", 2);
  ProduceStream stream(client());
  v1::ProduceRequest bind = Numbered(1, BatchesRequest("t", 1, Batch({"a"})));
  bind.mutable_entries(0)->set_handle(65'535);
  ASSERT_TRUE(stream.Send(bind));
  ASSERT_TRUE(stream.Send(ByHandle(2, 65'535, Batch({"b"}))));
  const auto dones = ReadDones(stream, 2);
  EXPECT_THAT(dones.at(2).base_offset(), ElementsAre(1));
  EXPECT_EQ(Values("t", 1), "a b");
}

TEST_F(ProduceStreamTest, AReboundHandleMeansItsNewNamesAndOneBeyondTheCapIsRefused) {
  CreateTopic("t", 2);
  ProduceStream stream(client());
  for (int i = 0; i < 2; ++i) {
    v1::ProduceRequest bind = Numbered(i, BatchesRequest("t", i, Batch({std::to_string(i)})));
    bind.mutable_entries(0)->set_handle(7);
    ASSERT_TRUE(stream.Send(bind));
  }
  ASSERT_TRUE(stream.Send(ByHandle(2, 7, Batch({"2"}))));
  v1::ProduceRequest beyond = Numbered(3, BatchesRequest("t", 0, Batch({"3"})));
  beyond.mutable_entries(0)->set_handle(65'536);
  ASSERT_TRUE(stream.Send(beyond));
  const auto dones = ReadDones(stream, 4);
  ASSERT_THAT(dones.at(3).errors(), SizeIs(1));
  EXPECT_EQ(dones.at(3).errors(0).reason(), v1::INVALID_REQUEST);
  EXPECT_EQ(Values("t", 0), "0");
  EXPECT_EQ(Values("t", 1), "1 2");
}

TEST_F(ProduceStreamTest, AHandleOfADeletedTopicAnswersUnknownTopicId) {
  CreateTopic("t");
  ProduceStream stream(client());
  v1::ProduceRequest bind = Numbered(1, BatchesRequest("t", 0, Batch({"a"})));
  bind.mutable_entries(0)->set_handle(7);
  ASSERT_TRUE(stream.Send(bind));
  ReadDones(stream, 1);
  ASSERT_TRUE(client().DeleteTopic("t").ok());
  CreateTopic("t");
  ASSERT_TRUE(stream.Send(ByHandle(2, 7, Batch({"b"}))));
  const auto dones = ReadDones(stream, 1);
  ASSERT_THAT(dones.at(2).errors(), SizeIs(1));
  EXPECT_EQ(dones.at(2).errors(0).reason(), v1::UNKNOWN_TOPIC_ID);
  EXPECT_EQ(Values("t"), "");
}

TEST_F(ProduceStreamTest, ARefusedMessageLeavesTheStreamOpen) {
  CreateTopic("t");
  ProduceStream stream(client());
  std::string damaged = Batch({"x"});
  damaged.back() = static_cast<char>(~damaged.back());
  ASSERT_TRUE(stream.Send(Numbered(1, BatchesRequest("t", 0, damaged))));
  ASSERT_TRUE(stream.Send(ByHandle(2, 9, Batch({"never bound"}))));
  ASSERT_TRUE(stream.Send(Numbered(3, BatchesRequest("t", 0, Batch({"good"})))));
  const auto dones = ReadDones(stream, 3);
  EXPECT_EQ(dones.at(1).errors(0).reason(), v1::CORRUPT_MESSAGE);
  EXPECT_EQ(dones.at(2).errors(0).reason(), v1::UNKNOWN_HANDLE);
  EXPECT_THAT(dones.at(3).base_offset(), ElementsAre(0));
  EXPECT_EQ(Values("t"), "good");
}

TEST_F(ProduceStreamTest, AcksNoneAnswersOnlyRefusals) {
  CreateTopic("t");
  ProduceStream stream(client());
  for (int i = 0; i < 3; ++i) {
    v1::ProduceRequest request = Numbered(i, RecordsRequest(i == 1 ? "missing" : "t", 0, {std::to_string(i)}));
    request.set_acks(v1::ACKS_NONE);
    ASSERT_TRUE(stream.Send(request));
  }
  ASSERT_TRUE(stream.Send(Numbered(3, RecordsRequest("t", 0, {"3"}))));
  std::set<std::uint64_t> answered;
  v1::ProduceResponse response;
  while (!answered.contains(3) && stream.Read(&response)) {
    for (const v1::Done& done : response.done()) answered.insert(done.seq());
  }
  EXPECT_THAT(answered, ElementsAre(1, 3));
  EXPECT_EQ(Values("t"), "0 2 3");
}

TEST_F(ProduceStreamTest, MoreThanTheWindowIsReadLaterAndNotRefused) {
  CreateTopic("t");
  ProduceStream stream(client());
  const std::string batch = Batch({std::string(500'000, 'x')});
  std::thread writer([&] {
    for (int i = 0; i < 40; ++i) stream.Send(Numbered(i, BatchesRequest("t", 0, batch)));
  });
  const auto dones = ReadDones(stream, 40);
  writer.join();
  for (const auto& [seq, done] : dones) EXPECT_THAT(done.base_offset(), ElementsAre(static_cast<std::int64_t>(seq)));
  EXPECT_EQ(LogEnd("t"), 40);
}

TEST_F(ProduceStreamTest, BothDurabilitiesShareAStream) {
  CreateTopic("os", 1, {{"durability", "os"}});
  CreateTopic("fsync", 1, {{"durability", "fsync"}});
  ProduceStream stream(client());
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(stream.Send(Numbered(i, RecordsRequest(i % 2 == 0 ? "os" : "fsync", 0, {"v"}))));
  const auto dones = ReadDones(stream, 20);
  for (int i = 0; i < 20; ++i) EXPECT_THAT(dones.at(i).base_offset(), ElementsAre(i / 2));
}

class FetchStreamTest : public BrokerTest {
 protected:
  static v1::FetchRequest Set(unsigned handle, const std::string& topic, int partition, std::int64_t offset, unsigned position = 0) {
    v1::FetchRequest request = FetchFrom(topic, partition, offset);
    request.set_as_records(true);
    request.mutable_partitions(0)->set_handle(handle);
    request.mutable_partitions(0)->set_position(position);
    return request;
  }
  static v1::FetchRequest Change(unsigned handle, v1::FetchPartition::Action action) {
    v1::FetchRequest request;
    request.add_partitions()->set_handle(handle);
    request.mutable_partitions(0)->set_action(action);
    return request;
  }
  static v1::FetchRequest WithCredit(v1::FetchRequest request, std::uint64_t bytes = 64 << 20) {
    request.set_add_credit_bytes(bytes);
    return request;
  }
  // Reads on until `count` values of this position (any handle) are there: "handle:value …" in the order of arrival.
  std::string ReadValues(FetchStream& stream, std::size_t count, unsigned position = 0) {
    std::string text;
    std::size_t seen = 0;
    v1::FetchResponse response;
    while (seen < count && stream.Read(&response)) {
      for (const v1::FetchResult& result : response.results()) {
        if (result.position() != position) continue;
        EXPECT_EQ(result.error().reason(), v1::NONE) << result.error().message();
        for (const v1::Record& record : result.records()) {
          text += (seen++ == 0 ? "" : " ") + std::to_string(result.handle()) + ":" + record.value();
        }
      }
    }
    return text;
  }
  v1::EntryError ReadError(FetchStream& stream) {
    v1::FetchResponse response;
    while (stream.Read(&response)) {
      for (const v1::FetchResult& result : response.results()) {
        if (result.error().reason() != v1::NONE) return result.error();
      }
    }
    return {};
  }
};

TEST_F(FetchStreamTest, WhatIsThereAndWhatComesIsPushed) {
  CreateTopic("t");
  Append("t", {"a", "b"});
  FetchStream stream(client());
  ASSERT_TRUE(stream.Send(WithCredit(Set(1, "t", 0, 0))));
  EXPECT_EQ(ReadValues(stream, 2), "1:a 1:b");
  Append("t", {"c"});
  EXPECT_EQ(ReadValues(stream, 1), "1:c");
  stream.CloseSending();
  stream.Cancel();
  EXPECT_FALSE(stream.Finish().ok());
}

TEST_F(FetchStreamTest, APositionMakesASeekExact) {
  CreateTopic("t");
  Append("t", {"a", "b", "c"});
  FetchStream stream(client());
  ASSERT_TRUE(stream.Send(WithCredit(Set(1, "t", 0, 3))));
  ASSERT_TRUE(stream.Send(Set(1, "t", 0, 0, 1)));
  EXPECT_THAT(ReadValues(stream, 3, 1), ::testing::HasSubstr("1:a 1:b 1:c"));
  ASSERT_TRUE(stream.Send(Set(1, "t", 0, 0, 2)));
  EXPECT_THAT(ReadValues(stream, 3, 2), ::testing::HasSubstr("1:a 1:b 1:c"));
}

TEST_F(FetchStreamTest, NothingComesWithoutCredit) {
  CreateTopic("t");
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(client().ProduceBatches("t", 0, Batch({std::string(50'000, 'x')})).ok());
  FetchStream stream(client());
  v1::FetchRequest set = WithCredit(Set(1, "t", 0, 0), 120'000);
  set.set_as_records(false);
  ASSERT_TRUE(stream.Send(set));
  std::size_t bytes = 0;
  v1::FetchResponse response;
  while (bytes < 120'000 && stream.Read(&response)) {
    for (const v1::FetchResult& result : response.results()) bytes += result.batches().size();
  }
  EXPECT_LT(bytes, 250'000u);  // at most one batch more, and what came in one answer
  ASSERT_TRUE(stream.Send(WithCredit({}, 10 << 20)));
  while (bytes < 1'000'000 && stream.Read(&response)) {
    for (const v1::FetchResult& result : response.results()) bytes += result.batches().size();
  }
  EXPECT_GT(bytes, 1'000'000u);
}

TEST_F(FetchStreamTest, AbsurdCreditCountsAsTheMost) {
  CreateTopic("t");
  Append("t", {"a"});
  FetchStream stream(client());
  for (const std::uint64_t credit : {std::uint64_t{1} << 63, (std::uint64_t{1} << 63) - 1, ~std::uint64_t{0}}) {
    ASSERT_TRUE(stream.Send(WithCredit({}, credit)));
  }
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(stream.Send(WithCredit({}, std::uint64_t{1} << 62)));  // added up, they are more than 64 bits
  ASSERT_TRUE(stream.Send(Set(1, "t", 0, 0)));
  EXPECT_EQ(ReadValues(stream, 1), "1:a");
  Append("t", {"b"});
  EXPECT_EQ(ReadValues(stream, 1), "1:b");
}

TEST_F(FetchStreamTest, AHandleWithOtherNamesEndsTheFetchOfItsOldPartition) {
  CreateTopic("t", 1);
  CreateTopic("u", 1);
  FetchStream stream(client());
  ASSERT_TRUE(stream.Send(WithCredit(Set(1, "t", 0, 0))));
  ASSERT_TRUE(stream.Send(Set(1, "u", 0, 0, /*position=*/7)));
  Append("t", {"a"});
  Append("u", {"b"});
  EXPECT_EQ(ReadValues(stream, 1, 7), "1:b");
}

TEST_F(FetchStreamTest, AReboundHandleMeansItsNewNames) {
  CreateTopic("t", 2);
  Append("t", {"a"}, 0);
  Append("t", {"b"}, 1);
  FetchStream stream(client());
  ASSERT_TRUE(stream.Send(WithCredit(Set(1, "t", 0, 0))));
  EXPECT_EQ(ReadValues(stream, 1), "1:a");
  ASSERT_TRUE(stream.Send(Set(1, "t", 1, 0, 1)));
  EXPECT_EQ(ReadValues(stream, 1, 1), "1:b");
}

TEST_F(FetchStreamTest, APausedPartitionIsSilentUntilItIsSetAgain) {
  CreateTopic("t", 2);
  FetchStream stream(client());
  ASSERT_TRUE(stream.Send(WithCredit(Set(1, "t", 0, 0))));
  v1::FetchRequest second = Set(2, "t", 1, 0);
  second.set_seq(1);
  ASSERT_TRUE(stream.Send(second));
  v1::FetchRequest pause = Change(1, v1::FetchPartition::PAUSE);
  pause.set_seq(2);
  ASSERT_TRUE(stream.Send(pause));
  // An answer that carries seq 2 shows that the pause is applied: it comes with the first value of the other partition after that.
  v1::FetchResponse response;
  for (int i = 0; response.seq() < 2; ++i) {
    Append("t", {std::to_string(i)}, 1);
    ASSERT_TRUE(stream.Read(&response));
  }
  Append("t", {"silent"}, 0);
  Append("t", {"loud"}, 1);
  EXPECT_THAT(ReadValues(stream, 1), ::testing::StartsWith("2:"));
  ASSERT_TRUE(stream.Send(Set(1, "t", 0, 0, 5)));
  EXPECT_EQ(ReadValues(stream, 1, 5), "1:silent");
}

TEST_F(FetchStreamTest, ARemovedPartitionIsSilentAndItsHandleStaysBound) {
  CreateTopic("t", 2);
  FetchStream stream(client());
  ASSERT_TRUE(stream.Send(WithCredit(Set(1, "t", 0, 0))));
  ASSERT_TRUE(stream.Send(Change(1, v1::FetchPartition::REMOVE)));
  ASSERT_TRUE(stream.Send(Set(2, "t", 1, 0)));
  Append("t", {"loud"}, 1);
  EXPECT_EQ(ReadValues(stream, 1), "2:loud");
  Append("t", {"silent"}, 0);
  v1::FetchRequest again = Change(1, v1::FetchPartition::SET);
  again.set_as_records(true);
  again.mutable_partitions(0)->set_position(9);
  ASSERT_TRUE(stream.Send(again));
  EXPECT_EQ(ReadValues(stream, 1, 9), "1:silent");
}

TEST_F(FetchStreamTest, AHandleThatWasNeverBoundIsRefusedAndTheStreamGoesOn) {
  CreateTopic("t");
  Append("t", {"a"});
  FetchStream stream(client());
  ASSERT_TRUE(stream.Send(WithCredit(Change(7, v1::FetchPartition::SET))));
  EXPECT_EQ(ReadError(stream).reason(), v1::UNKNOWN_HANDLE);
  ASSERT_TRUE(stream.Send(Set(1, "t", 0, 0, 1)));
  EXPECT_EQ(ReadValues(stream, 1, 1), "1:a");
}

TEST_F(FetchStreamTest, AnOffsetOutOfRangeWaitsToBeSetAgain) {
  CreateTopic("t");
  Append("t", {"a"});
  FetchStream stream(client());
  ASSERT_TRUE(stream.Send(WithCredit(Set(1, "t", 0, 5))));
  const v1::EntryError error = ReadError(stream);
  EXPECT_EQ(error.reason(), v1::OFFSET_OUT_OF_RANGE);
  EXPECT_EQ(error.log_start(), 0);
  EXPECT_EQ(error.log_end(), 1);
  ASSERT_TRUE(stream.Send(Set(1, "t", 0, 0, 1)));
  EXPECT_EQ(ReadValues(stream, 1, 1), "1:a");
}

TEST_F(FetchStreamTest, ASlowConsumerHoldsNobodyUp) {
  CreateTopic("t");
  FetchStream slow(client());
  ASSERT_TRUE(slow.Send(WithCredit(Set(1, "t", 0, 0), 1 << 30)));
  const std::string batch = Batch({std::string(1'000'000, 'x')});
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(client().ProduceBatches("t", 0, batch).ok());
  EXPECT_EQ(LogEnd("t"), 100);
}

}  // namespace
}  // namespace cordwood::testing
