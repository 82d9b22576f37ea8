// SPDX-License-Identifier: Apache-2.0
// Every way a produce request can end, over a real shard.
#include "broker/handlers/produce_handler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <latch>

#include "broker/handlers/handlers_fixture.h"
#include "storage/base/coding.h"

namespace cordwood::broker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ProduceHandlerTest : public HandlerFixture {
 protected:
  void SetUp() override {
    produce_options_.disk_level = [this] { return disk_level_; };
    HandlerFixture::SetUp();
  }
  template <class... Entries>
  static ProduceRequest RequestOf(Entries... entries) {
    ProduceRequest request;
    request.seq = 7;
    (request.entries.push_back(std::move(entries)), ...);
    return request;
  }
  // The outcome of a request that is not refused as a whole.
  const ProduceOutcome& Produce(ProduceRequest request) {
    const std::size_t before = outcomes_.all.size();
    EXPECT_EQ(produce_->Produce(stream_, std::move(request)), absl::OkStatus());
    EXPECT_TRUE(RunUntil([&] { return outcomes_.all.size() > before; }));
    return outcomes_.all.back();
  }
  Reason ReasonOfEntry(ProduceEntry entry) {
    const ProduceOutcome& outcome = Produce(RequestOf(std::move(entry)));
    return outcome.failures.empty() ? Reason::kNone : ReasonOf(outcome.failures[0].status);
  }
  static std::vector<Reason> Reasons(const ProduceOutcome& outcome) {
    std::vector<Reason> reasons;
    for (const EntryFailure& failure : outcome.failures) reasons.push_back(ReasonOf(failure.status));
    return reasons;
  }
  // The shard's thread stands still until the gate opens.
  void HoldShard(std::latch& gate) {
    std::latch held(1);
    shard_.driver().Run([&](ShardTurn&) { held.count_down(); gate.wait(); return absl::OkStatus(); }, [](Status) {});
    held.wait();
  }
  std::string LastMessage() { return MessageOf(outcomes_.all.back().failures.at(0).status); }

  DiskLevel disk_level_ = DiskLevel::kNormal;
  Outcomes outcomes_;
  std::shared_ptr<ProduceStream> stream_ = std::make_shared<ProduceStream>(true, &outcomes_);
};

TEST_F(ProduceHandlerTest, AnswersOneOffsetPerBatchInRequestOrder) {
  const ProduceOutcome& outcome = Produce(RequestOf(EntryFor("t", 0, {"a", "b"}), EntryFor("t", 1, {"c"}), EntryFor("t", 0, {"d"})));
  EXPECT_EQ(outcome.seq, 7u);
  EXPECT_THAT(outcome.base_offsets, ElementsAre(0, 1, 0, 2));
  EXPECT_THAT(outcome.failures, IsEmpty());
  EXPECT_THAT(outcome.partitions, IsEmpty());
  EXPECT_THAT(outcome.append_time_ms, IsEmpty());
}

TEST_F(ProduceHandlerTest, ARefusedEntryLeavesTheOthersInPlace) {
  const ProduceOutcome& outcome = Produce(RequestOf(EntryFor("t", 0, {"a"}), EntryFor("t", 5, {"b", "c"}), EntryFor("t", 1, {"d"})));
  EXPECT_THAT(outcome.base_offsets, ElementsAre(0, -1, -1, 0));
  ASSERT_EQ(outcome.failures.size(), 1u);
  EXPECT_EQ(outcome.failures[0].entry, 1u);
  EXPECT_EQ(MessageOf(outcome.failures[0].status), "no partition 5: topic t has 2");
}

TEST_F(ProduceHandlerTest, RequestsThatAreWrongAsAWholeAreRefusedAsAWhole) {
  EXPECT_THAT(produce_->Produce(stream_, RequestOf()), FailsWith(Reason::kInvalidRequest));
  ProduceRequest request = RequestOf(EntryFor("t", 0, {"a"}));
  request.acks = 4;
  EXPECT_THAT(produce_->Produce(stream_, std::move(request)), FailsWith(Reason::kInvalidRequiredAcks));
  request = RequestOf(EntryFor("t", 0, {"a"}));
  request.timeout_ms = 300'001;
  EXPECT_THAT(produce_->Produce(stream_, std::move(request)), FailsWith(Reason::kInvalidRequest));
  request = ProduceRequest();
  request.entries.resize(kProduceEntriesMax + 1);
  EXPECT_THAT(produce_->Produce(stream_, std::move(request)), FailsWith(Reason::kRecordListTooLarge));
  EXPECT_EQ(shard_.Replica("t", 0)->snapshot().log_end, Offset(0));
}

TEST_F(ProduceHandlerTest, UnknownNamesAreNamedAndTheNearestIsSuggested) {
  CreateTopic("orders", 1);
  EXPECT_EQ(ReasonOfEntry(EntryFor("order", 0, {"a"})), Reason::kUnknownTopicOrPartition);
  EXPECT_EQ(LastMessage(), "no topic \"order\"; did you mean \"orders\"?");
  EXPECT_EQ(ReasonOfEntry(EntryFor("a/b", 0, {"a"})), Reason::kInvalidTopic);
  ProduceEntry by_id = EntryFor("", 0, {"a"});
  by_id.ref.topic_id = std::string(16, 'x');
  EXPECT_EQ(ReasonOfEntry(std::move(by_id)), Reason::kUnknownTopicId);
  EXPECT_EQ(ReasonOfEntry(EntryFor("t", -1, {"a"})), Reason::kUnknownTopicOrPartition);
  ProduceEntry nothing = EntryFor("", 0, {"a"});
  EXPECT_EQ(ReasonOfEntry(std::move(nothing)), Reason::kInvalidRequest);
}

// Each suggestion is a comparison with every topic: thousands of unknown names would hold the thread for seconds.
TEST_F(ProduceHandlerTest, OnlyTheFirstFewUnknownNamesGetASuggestion) {
  CreateTopic("orders", 1);
  int suggested = 0;
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(ReasonOfEntry(EntryFor("order", 0, {"a"})), Reason::kUnknownTopicOrPartition);
    suggested += LastMessage().find("did you mean") != std::string::npos;
  }
  EXPECT_EQ(suggested, 16);
}

TEST_F(ProduceHandlerTest, AHandleIsBoundAtFirstUseAndFollowsItsTopicsDeletion) {
  ProduceEntry binding = EntryFor("t", 1, {"a"});
  binding.ref.handle = 9;
  EXPECT_EQ(ReasonOfEntry(std::move(binding)), Reason::kNone);
  const auto by_handle = [&](std::uint32_t handle) {
    ProduceEntry entry = EntryFor("", 0, {"b"});
    entry.ref.partition.reset();
    entry.ref.handle = handle;
    return entry;
  };
  EXPECT_EQ(ReasonOfEntry(by_handle(9)), Reason::kNone);
  EXPECT_THAT(outcomes_.all.back().base_offsets, ElementsAre(1));
  EXPECT_EQ(ReasonOfEntry(by_handle(10)), Reason::kUnknownHandle);
  EXPECT_EQ(ReasonOfEntry(by_handle(70'000)), Reason::kInvalidRequest);
  SetImage(shard_.DeleteTopic("t"));
  EXPECT_EQ(ReasonOfEntry(by_handle(9)), Reason::kUnknownTopicId);
}

TEST_F(ProduceHandlerTest, AHandleStandsForTheNamesItWasSentWithLast) {
  CreateTopic("u", 1);
  const auto named = [](const std::string& topic, int partition) {
    ProduceEntry entry = EntryFor(topic, partition, {"a"});
    entry.ref.handle = 9;
    return entry;
  };
  ProduceEntry bare = EntryFor("", 0, {"b"});
  bare.ref = PartitionRef();
  bare.ref.handle = 9;
  EXPECT_EQ(ReasonOfEntry(named("t", 5)), Reason::kUnknownTopicOrPartition);
  EXPECT_EQ(ReasonOfEntry(named("t", 1)), Reason::kNone);
  EXPECT_EQ(ReasonOfEntry(named("u", 0)), Reason::kNone);
  SetImage(shard_.DeleteTopic("t"));
  EXPECT_EQ(ReasonOfEntry(std::move(bare)), Reason::kNone) << "it stands for u";
}

TEST_F(ProduceHandlerTest, HandlesAreForStreams) {
  stream_ = std::make_shared<ProduceStream>(false, &outcomes_);
  ProduceEntry entry = EntryFor("t", 0, {"a"});
  entry.ref.handle = 1;
  EXPECT_EQ(ReasonOfEntry(std::move(entry)), Reason::kInvalidRequest);
}

TEST_F(ProduceHandlerTest, BatchesAreCheckedBeforeTheyTravel) {
  SharedBytes bad_crc = MakeBatch({"a"});
  bad_crc.mutable_data()[kSideHeaderBytes + 17] ^= 1;
  EXPECT_EQ(ReasonOfEntry(EntryOfBatch("t", 0, std::move(bad_crc))), Reason::kCorruptMessage);
  EXPECT_THAT(LastMessage(), HasSubstr("t-0: "));
  EXPECT_EQ(ReasonOfEntry(EntryOfBatch("t", 0, MakeBatch({std::string(2 << 20, 'x')}))), Reason::kMessageTooLarge);
  EXPECT_EQ(ReasonOfEntry(EntryOfBatch("t", 0, MakeBatch({"a"}, Codec::kNone, kNowMs + 3'600'001))), Reason::kInvalidTimestamp);
  EXPECT_EQ(ReasonOfEntry(EntryFor("t", 0, {})), Reason::kInvalidRequest);
  EXPECT_EQ(shard_.Replica("t", 0)->snapshot().log_end, Offset(0));
}

TEST_F(ProduceHandlerTest, AClockSetBackRefusesNobody) {
  EXPECT_EQ(ReasonOfEntry(EntryOfBatch("t", 0, MakeBatch({"a"}, Codec::kNone, kNowMs + 3'000'000))), Reason::kNone);
  clock_.SetWall(kNowMs - 3'600'000);
  EXPECT_EQ(ReasonOfEntry(EntryOfBatch("t", 0, MakeBatch({"a"}, Codec::kNone, kNowMs + 3'000'000))), Reason::kNone);
}

TEST_F(ProduceHandlerTest, PlainRecordsGoByTheirKeyElseRoundRobin) {
  const auto plain = [&](std::optional<std::string> key) {
    ProduceEntry entry = EntryFor("t", 0, {"a"});
    entry.ref.partition.reset();
    entry.plain = true;
    entry.key = std::move(key);
    return entry;
  };
  const std::int32_t of_key = PartitionOfKey("user-17", 2).value();
  EXPECT_THAT(Produce(RequestOf(plain("user-17"), plain("user-17"))).partitions, ElementsAre(of_key, of_key));
  EXPECT_THAT(Produce(RequestOf(plain(std::nullopt), EntryFor("t", 0, {"b"}), plain(std::nullopt))).partitions, ElementsAre(0, -1, 1));
  ProduceEntry mixed = plain(std::nullopt);
  mixed.mixed_keys = true;
  EXPECT_EQ(ReasonOfEntry(std::move(mixed)), Reason::kInvalidRequest);
  ProduceEntry batches = EntryFor("t", 0, {"a"});
  batches.ref.partition.reset();
  EXPECT_EQ(ReasonOfEntry(std::move(batches)), Reason::kInvalidRequest);
}

TEST(PartitionOfKeyTest, AgreesWithKafkasDefaultPartitioner) {
  // From Kafka's UtilsTest.testMurmur2.
  EXPECT_EQ(static_cast<std::int32_t>(Murmur2("21")), -973932308);
  EXPECT_EQ(static_cast<std::int32_t>(Murmur2("foobar")), -790332482);
  EXPECT_EQ(static_cast<std::int32_t>(Murmur2("a-little-bit-long-string")), -985981536);
  EXPECT_EQ(static_cast<std::int32_t>(Murmur2("a-little-bit-longer-string")), -1486304829);
  EXPECT_EQ(static_cast<std::int32_t>(Murmur2("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8")), -58897971);
  EXPECT_EQ(static_cast<std::int32_t>(Murmur2("abc")), 479470107);
}

TEST_F(ProduceHandlerTest, AFullDiskIsADefiniteError) {
  disk_level_ = DiskLevel::kRefuseProduce;
  EXPECT_EQ(ReasonOfEntry(EntryFor("t", 0, {"a"})), Reason::kDiskFull);
  disk_level_ = DiskLevel::kRefusePartitions;
  EXPECT_EQ(ReasonOfEntry(EntryFor("t", 0, {"a"})), Reason::kNone);
}

TEST_F(ProduceHandlerTest, AConditionalAppendThatMissesSaysWhereTheLogEnds) {
  Produce(RequestOf(EntryFor("t", 0, {"a", "b"})));
  ProduceEntry entry = EntryFor("t", 0, {"c"});
  entry.expected_offset = Offset(1);
  EXPECT_EQ(ReasonOfEntry(std::move(entry)), Reason::kExpectedOffsetMismatch);
  EXPECT_EQ(outcomes_.all.back().failures[0].log_end, Offset(2));
}

TEST_F(ProduceHandlerTest, AcksNoneIsSilentUnlessRefused) {
  ProduceRequest request = RequestOf(EntryFor("t", 0, {"a"}));
  request.acks = 1;
  EXPECT_TRUE(Produce(std::move(request)).silent);
  request = RequestOf(EntryFor("t", 9, {"a"}));
  request.acks = 1;
  EXPECT_FALSE(Produce(std::move(request)).silent);
}

TEST_F(ProduceHandlerTest, LogAppendTimeIsAnswered) {
  CreateTopic("lat", 1, [](TopicConfig& config) { config.batch.log_append_time = true; });
  EXPECT_THAT(Produce(RequestOf(EntryFor("t", 0, {"a"}), EntryFor("lat", 0, {"b"}))).append_time_ms, ElementsAre(-1, kNowMs));
}

TEST_F(ProduceHandlerTest, WhatTheShardHasNotBegunWithWhenItsTimeIsUpIsNeverAppended) {
  std::latch gate(1);
  HoldShard(gate);
  ProduceRequest request = RequestOf(EntryFor("t", 0, {"a"}), EntryFor("t", 1, {"b"}));
  request.timeout_ms = 100;
  request.charge = ByteCharge(lease_, 1000);
  EXPECT_EQ(produce_->Produce(stream_, std::move(request)), absl::OkStatus());
  clock_.Advance(absl::Milliseconds(110));
  Turn();
  const std::size_t answered = outcomes_.all.size();
  const std::int64_t used = lease_.used();
  gate.count_down();
  ASSERT_EQ(answered, 1u);
  EXPECT_THAT(Reasons(outcomes_.all[0]), ElementsAre(Reason::kThrottled, Reason::kThrottled)) << "definite";
  EXPECT_GT(outcomes_.all[0].failures[0].retry_after_ms, 0);
  EXPECT_EQ(used, 1000) << "its bytes are still here";
  EXPECT_TRUE(RunUntil([&] { return lease_.used() == 0; }));
  EXPECT_EQ(outcomes_.all.size(), 1u);
  EXPECT_EQ(shard_.Replica("t", 0)->snapshot().log_end, Offset(0));
  EXPECT_EQ(shard_.driver().measures().expired.value(), 1u);
}

TEST_F(ProduceHandlerTest, WhatTheShardHasBegunWithMayBeAppendedAfterItsTimeIsUp) {
  std::latch gate(1), staged(1), commit(1);
  HoldShard(gate);
  ProduceRequest request = RequestOf(EntryFor("t", 0, {"a"}));
  request.timeout_ms = 100;
  EXPECT_EQ(produce_->Produce(stream_, std::move(request)), absl::OkStatus());
  shard_.driver().Run([&](ShardTurn&) { staged.count_down(); commit.wait(); return absl::OkStatus(); }, [](Status) {});
  gate.count_down();
  staged.wait();
  clock_.Advance(absl::Milliseconds(110));
  Turn();
  const std::size_t answered = outcomes_.all.size();
  commit.count_down();
  ASSERT_EQ(answered, 1u);
  EXPECT_THAT(Reasons(outcomes_.all[0]), ElementsAre(Reason::kRequestTimedOut));
  EXPECT_TRUE(RunUntil([&] { return produce_->appends_outstanding() == 0; }));
  EXPECT_EQ(shard_.Replica("t", 0)->snapshot().log_end, Offset(1)) << "indefinite: it was appended after all";
}

TEST_F(ProduceHandlerTest, TheCallsDeadlineCountsLikeTheTimeout) {
  std::latch gate(1);
  HoldShard(gate);
  stream_->deadline = clock_.Monotonic() + absl::Milliseconds(50);
  EXPECT_EQ(produce_->Produce(stream_, RequestOf(EntryFor("t", 0, {"a"}))), absl::OkStatus());
  stream_->listener = nullptr;  // as gRPC ends it
  clock_.Advance(absl::Milliseconds(60));
  Turn();
  gate.count_down();
  EXPECT_TRUE(RunUntil([&] { return produce_->appends_outstanding() == 0; }));
  EXPECT_EQ(shard_.Replica("t", 0)->snapshot().log_end, Offset(0));
}

TEST_F(ProduceHandlerTest, BehindABatchThatWasGivenUpAProducersNextOnesWaitForItsReturn) {
  std::latch gate(1);
  HoldShard(gate);
  ProduceRequest first = RequestOf(EntryOfBatch("t", 0, MakeBatch({"a"}, ProducerStamp{ProducerId(7), ProducerEpoch(0), Sequence(0)})));
  first.timeout_ms = 100;
  EXPECT_EQ(produce_->Produce(stream_, std::move(first)), absl::OkStatus());
  const auto second = [&] { return EntryOfBatch("t", 0, MakeBatch({"b"}, ProducerStamp{ProducerId(7), ProducerEpoch(0), Sequence(1)})); };
  EXPECT_EQ(produce_->Produce(stream_, RequestOf(second())), absl::OkStatus());
  clock_.Advance(absl::Milliseconds(110));
  Turn();
  gate.count_down();
  ASSERT_TRUE(RunUntil([&] { return outcomes_.all.size() == 2; }));
  EXPECT_THAT(Reasons(outcomes_.all[0]), ElementsAre(Reason::kThrottled));
  EXPECT_THAT(Reasons(outcomes_.all[1]), ElementsAre(Reason::kUnknownProducerId));
  EXPECT_EQ(ReasonOfEntry(EntryOfBatch("t", 0, MakeBatch({"a"}, ProducerStamp{ProducerId(7), ProducerEpoch(0), Sequence(0)}))), Reason::kNone);
  EXPECT_EQ(ReasonOfEntry(second()), Reason::kNone);
  EXPECT_THAT(outcomes_.all.back().base_offsets, ElementsAre(1));
}

TEST_F(ProduceHandlerTest, ACallThatEndedHearsNothingAndItsAppendsGoOn) {
  ASSERT_EQ(produce_->Produce(stream_, RequestOf(EntryFor("t", 0, {"a"}))), absl::OkStatus());
  stream_->listener = nullptr;
  EXPECT_TRUE(RunUntil([&] { return produce_->appends_outstanding() == 0; }));
  EXPECT_THAT(outcomes_.all, IsEmpty());
  EXPECT_EQ(shard_.Replica("t", 0)->snapshot().log_end, Offset(1));
}

TEST_F(ProduceHandlerTest, AfterTheShardStoppedEntriesAreRefused) {
  shard_.Stop();
  EXPECT_EQ(ReasonOfEntry(EntryFor("t", 0, {"a"})), Reason::kShuttingDown);
}

}  // namespace
}  // namespace cordwood::broker
