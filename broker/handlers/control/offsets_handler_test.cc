// SPDX-License-Identifier: Apache-2.0
// Offsets by position, time and epoch over a real shard, and the log start.
#include "broker/handlers/control/offsets_handler.h"

#include <limits>

#include "broker/handlers/handlers_fixture.h"
#include "storage/base/coding.h"
#include "storage/base/crc32c.h"

namespace cordwood::broker {
namespace {

using cordwood::v1::DeleteRecordsRequest;
using cordwood::v1::ListOffsetsRequest;
using cordwood::v1::ListOffsetsResponse;
using cordwood::v1::OffsetForLeaderEpochRequest;

class OffsetsHandlerTest : public HandlerFixture {
 protected:
  // One batch of one record.
  void Append(int partition, std::int64_t timestamp_ms, const std::string& topic = "t") {
    Append(partition, MakeBatch({"v"}, Codec::kNone, timestamp_ms), topic);
  }
  void Append(int partition, SharedBytes value, const std::string& topic = "t") {
    auto stream = std::make_shared<ProduceStream>(false, &outcomes_);
    ProduceRequest request;
    request.entries.push_back(EntryOfBatch(topic, partition, std::move(value)));
    const std::size_t before = outcomes_.all.size();
    ASSERT_EQ(produce_->Produce(stream, std::move(request)), absl::OkStatus());
    ASSERT_TRUE(RunUntil([&] { return outcomes_.all.size() > before; }));
    ASSERT_TRUE(outcomes_.all.back().failures.empty()) << outcomes_.all.back().failures[0].status;
  }
  static ListOffsetsRequest::Query& Ask(ListOffsetsRequest& request, const std::string& topic, int partition) {
    auto& query = *request.add_queries();
    query.mutable_partition()->set_topic(topic);
    query.mutable_partition()->set_partition(partition);
    return query;
  }
  ListOffsetsResponse::Answer List(const std::function<void(ListOffsetsRequest::Query&)>& position, const std::string& topic = "t", int partition = 0) {
    ListOffsetsRequest request;
    position(Ask(request, topic, partition));
    return handler_.ListOffsets(request)->answers(0);
  }
  ListOffsetsResponse::Answer ByTime(std::int64_t timestamp_ms) {
    return List([&](auto& query) { query.set_timestamp_ms(timestamp_ms); });
  }
  cordwood::v1::DeleteRecordsResponse::Answer DeleteBefore(std::int64_t offset) {
    DeleteRecordsRequest request;
    auto& target = *request.add_targets();
    target.mutable_partition()->set_topic("t");
    target.set_before_offset(offset);
    return handler_.DeleteRecords(request)->answers(0);
  }

  Outcomes outcomes_;
  OffsetsHandler handler_{[this] { return shard_.image(); }, shard_.table()};
};

TEST_F(OffsetsHandlerTest, StartAndEndAreTheLogStartAndTheHighWatermark) {
  for (int i = 0; i < 3; ++i) Append(0, kNowMs + i);
  const auto start = List([](auto& query) { query.set_start(true); });
  EXPECT_EQ(start.offset(), 0);
  EXPECT_EQ(start.timestamp_ms(), -1);
  EXPECT_EQ(start.high_watermark(), 3);
  const auto end = List([](auto& query) { query.set_end(true); });
  EXPECT_EQ(end.offset(), 3);
  EXPECT_EQ(end.timestamp_ms(), -1);
}

TEST_F(OffsetsHandlerTest, TimestampFindsTheFirstRecordAtLeastThatLateOrTheEnd) {
  for (const int ms : {10, 30, 20}) Append(0, kNowMs + ms);
  EXPECT_EQ(ByTime(kNowMs).offset(), 0);
  EXPECT_EQ(ByTime(kNowMs + 11).offset(), 1);
  EXPECT_EQ(ByTime(kNowMs + 11).timestamp_ms(), kNowMs + 30);
  EXPECT_EQ(ByTime(kNowMs + 31).offset(), 3);
  EXPECT_EQ(ByTime(kNowMs + 31).timestamp_ms(), -1);
}

TEST_F(OffsetsHandlerTest, TheLeaderEpochIsThatOfTheRecordFound) {
  for (const int ms : {10, 40}) Append(0, kNowMs + ms);
  ASSERT_EQ(shard_.driver().RunAndWait([&](ShardTurn& turn) {
    return turn.StageTruncate(shard_.Replica("t", 0), Offset(2), LeaderEpoch(5)).status();
  }), absl::OkStatus());
  Append(0, kNowMs + 30);
  EXPECT_EQ(List([](auto& query) { query.set_start(true); }).leader_epoch(), 0);
  EXPECT_EQ(List([](auto& query) { query.set_max_timestamp(true); }).leader_epoch(), 0);
  EXPECT_EQ(List([](auto& query) { query.set_end(true); }).leader_epoch(), 5);
  EXPECT_EQ(ByTime(kNowMs + 20).leader_epoch(), 0);
  EXPECT_EQ(DeleteBefore(2).log_start(), 2);
  EXPECT_EQ(ByTime(kNowMs + 20).leader_epoch(), 5);
  EXPECT_EQ(ByTime(kNowMs + 50).leader_epoch(), 5);
}

TEST_F(OffsetsHandlerTest, MaxTimestampIsTheLatestRecordAlsoAfterTheLatestWasDeleted) {
  for (const int ms : {50, 10, 30, 20}) Append(0, kNowMs + ms);
  const auto latest = [this] { return List([](auto& query) { query.set_max_timestamp(true); }); };
  EXPECT_EQ(latest().offset(), 0);
  EXPECT_EQ(latest().timestamp_ms(), kNowMs + 50);
  EXPECT_EQ(DeleteBefore(1).log_start(), 1);
  EXPECT_EQ(latest().offset(), 2);
  EXPECT_EQ(latest().timestamp_ms(), kNowMs + 30);
  EXPECT_EQ(DeleteBefore(-1).log_start(), 4);
  EXPECT_EQ(latest().offset(), 4);
  EXPECT_EQ(latest().timestamp_ms(), -1);
}

// The broker does not look into compressed records, so a header may be silent about one of the end of time.
TEST_F(OffsetsHandlerTest, MaxTimestampMayBeTheLargestThereIs) {
  RecordView record;
  RecordBatchBuilder builder;
  for (const std::int64_t ms : {kNowMs, std::numeric_limits<std::int64_t>::max()}) {
    record.timestamp_ms = ms;
    builder.Add(record);
  }
  SharedBytes value = builder.Build(Codec::kLz4, {}, kSideHeaderBytes).value();
  char* const batch = value.mutable_data() + kSideHeaderBytes;
  StoreBigEndian(batch + 35, kNowMs);  // its max timestamp
  StoreBigEndian(batch + 17, Crc32c({batch + kBatchCrcStart, value.size() - kSideHeaderBytes - kBatchCrcStart}));
  Append(0, std::move(value));
  EXPECT_EQ(DeleteBefore(1).log_start(), 1);
  const auto latest = List([](auto& query) { query.set_max_timestamp(true); });
  EXPECT_EQ(latest.offset(), 1);
  EXPECT_EQ(latest.timestamp_ms(), std::numeric_limits<std::int64_t>::max());
}

TEST_F(OffsetsHandlerTest, WhatIsWrongWithOneQueryLeavesTheOthers) {
  ListOffsetsRequest request;
  Ask(request, "tt", 0).set_end(true);
  Ask(request, "t", 7).set_end(true);
  Ask(request, "t", 1);
  Ask(request, "t", 1).set_end(true);
  const auto response = handler_.ListOffsets(request).value();
  EXPECT_EQ(response.answers(0).error().reason(), cordwood::v1::UNKNOWN_TOPIC_OR_PARTITION);
  EXPECT_EQ(response.answers(0).error().message(), "no topic \"tt\"; did you mean \"t\"?");
  EXPECT_EQ(response.answers(1).error().reason(), cordwood::v1::UNKNOWN_TOPIC_OR_PARTITION);
  EXPECT_EQ(response.answers(2).error().reason(), cordwood::v1::INVALID_REQUEST);
  EXPECT_EQ(response.answers(2).error().entry(), 2u);
  EXPECT_FALSE(response.answers(3).has_error());
}

TEST_F(OffsetsHandlerTest, UnknownTopicIdIsRefusedAsSuch) {
  ListOffsetsRequest request;
  Ask(request, "t", 0).mutable_partition()->set_topic_id(std::string(16, 'x'));
  EXPECT_EQ(handler_.ListOffsets(request)->answers(0).error().reason(), cordwood::v1::UNKNOWN_TOPIC_ID);
}

TEST_F(OffsetsHandlerTest, TooManyQueriesAreRefusedAsAWhole) {
  OffsetForLeaderEpochRequest request;
  for (int i = 0; i <= kEpochQueriesMax; ++i) request.add_queries();
  EXPECT_THAT(handler_.OffsetForLeaderEpoch(request).status(), FailsWith(Reason::kRecordListTooLarge));
}

TEST_F(OffsetsHandlerTest, DeleteRecordsMovesTheLogStartOnlyForward) {
  for (int i = 0; i < 4; ++i) Append(0, kNowMs);
  EXPECT_EQ(DeleteBefore(3).log_start(), 3);
  EXPECT_EQ(DeleteBefore(2).log_start(), 3);
  EXPECT_EQ(List([](auto& query) { query.set_start(true); }).offset(), 3);
  EXPECT_EQ(DeleteBefore(-1).log_start(), 4);
}

TEST_F(OffsetsHandlerTest, DeleteRecordsAboveTheEndIsRefusedWithBothEnds) {
  Append(0, kNowMs);
  for (const std::int64_t offset : {std::int64_t{2}, INT64_MAX, std::int64_t{-2}}) {
    const auto answer = DeleteBefore(offset);
    EXPECT_EQ(answer.error().reason(), cordwood::v1::OFFSET_OUT_OF_RANGE) << offset;
    EXPECT_EQ(answer.error().log_start(), 0);
    EXPECT_EQ(answer.error().log_end(), 1);
  }
  EXPECT_EQ(List([](auto& query) { query.set_start(true); }).offset(), 0);
}

TEST_F(OffsetsHandlerTest, EpochEndsWhereTheLogEndsWhileItIsTheLatest) {
  for (int i = 0; i < 2; ++i) Append(0, kNowMs);
  OffsetForLeaderEpochRequest request;
  for (const int epoch : {0, 5}) {
    auto& query = *request.add_queries();
    query.mutable_partition()->set_topic("t");
    query.set_leader_epoch(epoch);
  }
  const auto response = handler_.OffsetForLeaderEpoch(request).value();
  EXPECT_EQ(response.answers(0).leader_epoch(), 0);
  EXPECT_EQ(response.answers(0).end_offset(), 2);
  EXPECT_EQ(response.answers(1).leader_epoch(), 0);
}

TEST_F(OffsetsHandlerTest, CallerInAnotherLeaderEpochIsFenced) {
  Append(0, kNowMs);
  OffsetForLeaderEpochRequest request;
  for (const int epoch : {-1, 1}) {
    auto& query = *request.add_queries();
    query.mutable_partition()->set_topic("t");
    query.set_current_leader_epoch(epoch);
  }
  const auto response = handler_.OffsetForLeaderEpoch(request).value();
  EXPECT_EQ(response.answers(0).error().reason(), cordwood::v1::FENCED_LEADER_EPOCH);
  EXPECT_EQ(response.answers(1).error().reason(), cordwood::v1::UNKNOWN_LEADER_EPOCH);
}

}  // namespace
}  // namespace cordwood::broker
