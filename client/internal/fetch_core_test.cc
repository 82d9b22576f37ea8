// SPDX-License-Identifier: Apache-2.0
// Positions, credit and checks of what a broker sends; and the bytes of both streams.
#include "client/internal/fetch_core.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "client/internal/rpc_error.h"
#include "client/internal/stream_codec.h"
#include "storage/record/record_batch_builder.h"
#include "storage/record/record_reader.h"

namespace cordwood::client {
namespace {

SharedBytes Batch(std::int64_t base, int count) {
  RecordBatchBuilder builder;
  for (int i = 0; i < count; ++i) {
    const std::string value = std::to_string(base + i);
    builder.Add({Offset(0), 1, std::nullopt, std::string_view(value), {}});
  }
  SharedBytes bytes = *builder.Build(Codec::kNone, {});
  StampBatch(bytes.mutable_data(), Offset(base), LeaderEpoch(3));
  return bytes;
}

class FetchCoreTest : public ::testing::Test {
 protected:
  FetchCoreTest() { EXPECT_EQ(Add(0, 10), 0U); }

  std::size_t Add(int partition, std::int64_t from) { return core_.AddPartition(TopicId{{1}}, PartitionIndex(partition), Offset(from)).value(); }

  void Open() {
    core_.StreamOpened();
    request_ = core_.NextRequest(now_);
  }
  v1::FetchResult* Result(std::uint32_t position = 0) {
    v1::FetchResult* result = response_.add_results();
    result->set_handle(1);
    result->set_position(position);
    result->set_high_watermark(100);
    return result;
  }
  void AddBatch(std::int64_t base, int count, std::uint32_t position = 0) { Result(position)->set_batches(std::string(Batch(base, count).view())); }
  // Two batches of one record, of a log that was cleaned from 10 to `to`.
  void AddCleaned(std::int64_t to, std::int64_t base, std::int64_t second_base) {
    v1::FetchResult* result = Result();
    result->mutable_gap()->set_from(10);
    result->mutable_gap()->set_to(to);
    result->mutable_gap()->set_reason(v1::Gap::COMPACTION);
    result->set_batches(std::string(Batch(base, 1).view()) + std::string(Batch(second_base, 1).view()));
  }
  static std::string Records(const RecordBatchView& batch, Offset wanted) {
    EXPECT_EQ(batch.leader_epoch().value(), 3);
    RecordReader reader(batch);
    EXPECT_TRUE(reader.Open().ok());
    std::string text;
    for (RecordView record; reader.Next(&record).value();) {
      EXPECT_EQ(*record.value, ToString(record.offset));
      if (record.offset >= wanted) text += ToString(record.offset) + " ";
    }
    return text;
  }
  // What the caller gets, as offsets, or the error.
  std::string Answer() {
    std::vector<FetchedChunk> chunks;
    const Status status = core_.Answered(SharedBytes::CopyOf(response_.SerializeAsString()), now_, &chunks);
    response_.Clear();
    if (!status.ok()) return std::string(ReasonName(ReasonOf(status)));
    std::string text;
    for (const FetchedChunk& chunk : chunks) {
      if (!chunk.status.ok()) text += MessageOf(chunk.status) + ";";
      taken_ += chunk.memory_bytes;
      for (std::string_view rest = chunk.batches; !rest.empty();) text += Records(RecordBatchView::TakeFirst(&rest).value(), chunk.wanted);
    }
    return text;
  }

  FetchCore core_{FetchCoreOptions{1000, 500}};
  std::optional<v1::FetchRequest> request_;
  v1::FetchResponse response_;
  std::size_t taken_ = 0;  // memory_bytes of all chunks
  absl::Duration now_ = absl::Seconds(5);
};

TEST_F(FetchCoreTest, TheFirstRequestNamesBindsAndGivesCredit) {
  Open();
  ASSERT_TRUE(request_.has_value());
  EXPECT_EQ(request_->add_credit_bytes(), 1000U);
  ASSERT_EQ(request_->partitions_size(), 1);
  EXPECT_EQ(request_->partitions(0).handle(), 1U);
  EXPECT_EQ(request_->partitions(0).topic_id().size(), 16U);
  EXPECT_EQ(request_->partitions(0).fetch_offset(), 10);
  EXPECT_FALSE(core_.NextRequest(now_).has_value());
}

TEST_F(FetchCoreTest, TheFirstBatchMayBeginBeforeThePosition) {
  Open();
  AddBatch(8, 4);
  EXPECT_EQ(Answer(), "10 11 ");
  AddBatch(12, 2);
  EXPECT_EQ(Answer(), "12 13 ");
  EXPECT_EQ(core_.position(0).value(), 14);
}

TEST_F(FetchCoreTest, AHoleBetweenBatchesIsAnError) {
  Open();
  AddBatch(10, 2);
  AddBatch(13, 1);
  EXPECT_EQ(Answer(), "10 11 expected offset 12, the broker sent a batch that begins at 13;");
}

TEST_F(FetchCoreTest, AnAnnouncedGapIsNone) {
  Open();
  v1::FetchResult* result = Result();
  result->mutable_gap()->set_from(10);
  result->mutable_gap()->set_to(13);
  result->set_batches(std::string(Batch(13, 1).view()));
  EXPECT_EQ(Answer(), "13 ");
}

TEST_F(FetchCoreTest, WhatWasCleanedAwayMayBeMissingBetweenBatches) {
  Open();
  AddCleaned(22, 12, 20);
  EXPECT_EQ(Answer(), "12 20 ");
  EXPECT_EQ(core_.position(0).value(), 21);
}

TEST_F(FetchCoreTest, AHoleBehindWhatWasCleanedAwayIsAnError) {
  Open();
  AddCleaned(13, 12, 20);
  EXPECT_EQ(Answer(), "expected offset 13, the broker sent a batch that begins at 20;");
}

TEST_F(FetchCoreTest, EveryFlippedByteBehindTheStampedPartIsDetected) {
  const std::string good(Batch(10, 3).view());
  for (std::size_t at = 0; at < good.size(); ++at) {
    if (at >= 12 && at < 16) continue;  // the leader epoch is outside the CRC and means nothing here
    FetchCore core(FetchCoreOptions{});
    ASSERT_TRUE(core.AddPartition(TopicId{{1}}, PartitionIndex(0), Offset(10)).ok());
    core.StreamOpened();
    (void)core.NextRequest(now_);
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x40);
    Result()->set_batches(bad);
    std::vector<FetchedChunk> chunks;
    ASSERT_TRUE(core.Answered(SharedBytes::CopyOf(response_.SerializeAsString()), now_, &chunks).ok());
    response_.Clear();
    ASSERT_EQ(chunks.size(), 1U);
    EXPECT_FALSE(chunks[0].status.ok()) << at;
  }
}

TEST_F(FetchCoreTest, AnswersFromBeforeASeekAreDropped) {
  Open();
  core_.Seek(0, Offset(50));
  AddBatch(10, 2, 0);
  EXPECT_EQ(Answer(), "");
  const auto seek = core_.NextRequest(now_);
  ASSERT_TRUE(seek.has_value());
  EXPECT_EQ(seek->partitions(0).position(), 1U);
  EXPECT_EQ(seek->partitions(0).fetch_offset(), 50);
  AddBatch(50, 1, 1);
  EXPECT_EQ(Answer(), "50 ");
}

TEST_F(FetchCoreTest, AfterABrokenStreamItGoesOnAtTheNextOffset) {
  Open();
  AddBatch(10, 5);
  EXPECT_EQ(Answer(), "10 11 12 13 14 ");
  core_.StreamBroken();
  EXPECT_FALSE(core_.NextRequest(now_).has_value());
  Open();
  ASSERT_TRUE(request_.has_value());
  EXPECT_EQ(request_->partitions(0).fetch_offset(), 15);
  EXPECT_EQ(request_->partitions(0).topic_id().size(), 16U);
}

TEST_F(FetchCoreTest, WhatIsHeldGetsNoCreditFromANewStream) {
  Open();
  AddBatch(10, 5);
  EXPECT_EQ(Answer(), "10 11 12 13 14 ");
  core_.StreamBroken();
  Open();
  ASSERT_TRUE(request_.has_value());
  EXPECT_EQ(request_->add_credit_bytes(), 1000U - taken_);
  core_.Consumed(taken_);
  core_.StreamBroken();
  Open();
  EXPECT_EQ(request_->add_credit_bytes(), 1000U);
}

TEST_F(FetchCoreTest, AfterABrokenStreamItNamesTheEpochItReadLast) {
  Open();
  EXPECT_FALSE(request_->partitions(0).has_last_fetched_epoch());
  AddBatch(10, 5);
  EXPECT_EQ(Answer(), "10 11 12 13 14 ");
  core_.StreamBroken();
  Open();
  EXPECT_EQ(request_->partitions(0).last_fetched_epoch(), 3);
  core_.Seek(0, Offset(12));
  EXPECT_FALSE(core_.NextRequest(now_)->partitions(0).has_last_fetched_epoch());
}

TEST_F(FetchCoreTest, ALogThatWasCutBelowThePositionIsAnError) {
  Open();
  v1::FetchResult* result = Result();
  result->mutable_diverging()->set_epoch(2);
  result->mutable_diverging()->set_end_offset(7);
  EXPECT_EQ(Answer(), "the log was cut at offset 7 after records up to offset 10 were read; what follows there now are other records;");
}

TEST_F(FetchCoreTest, ASilentPartitionIsTakenBackFromTheBrokerUntilASeek) {
  Open();
  core_.Silence(0);
  AddBatch(10, 2);
  EXPECT_EQ(Answer(), "");
  EXPECT_EQ(core_.NextRequest(now_)->partitions(0).action(), v1::FetchPartition::REMOVE);
  core_.StreamBroken();
  Open();
  EXPECT_EQ(request_->partitions_size(), 0);
  core_.Seek(0, Offset(11));
  const auto request = core_.NextRequest(now_);
  EXPECT_EQ(request->partitions(0).fetch_offset(), 11);
  EXPECT_EQ(request->partitions(0).topic_id().size(), 16U);
}

TEST_F(FetchCoreTest, ASlotIsGivenAgainOnceTheBrokerWasTold) {
  Open();
  core_.Remove(0);
  EXPECT_EQ(Add(1, 0), 1U);
  const auto request = core_.NextRequest(now_);
  ASSERT_EQ(request->partitions_size(), 2);
  EXPECT_EQ(request->partitions(0).action(), v1::FetchPartition::REMOVE);
  EXPECT_EQ(request->partitions(1).action(), v1::FetchPartition::SET);
  EXPECT_EQ(Add(2, 40), 0U);
  EXPECT_EQ(core_.slots(), 2U);
  AddBatch(10, 2, 1);  // of the slot's last owner
  EXPECT_EQ(Answer(), "");
  EXPECT_EQ(core_.NextRequest(now_)->partitions(0).partition(), 2);
  AddBatch(40, 1, 2);
  EXPECT_EQ(Answer(), "40 ");
}

TEST_F(FetchCoreTest, MorePartitionsThanOneStreamTakesAreRefused) {
  for (std::size_t i = 1; i < kFetchPartitionsMax; ++i) EXPECT_EQ(Add(static_cast<int>(i), 0), i);
  EXPECT_EQ(ReasonOf(core_.AddPartition(TopicId{{2}}, PartitionIndex(0), Offset(0)).status()), Reason::kLimitExceeded);
  core_.Remove(17);
  EXPECT_EQ(core_.AddPartition(TopicId{{2}}, PartitionIndex(0), Offset(0)).value(), 17U);
}

TEST_F(FetchCoreTest, OutOfRangeSurfacesAndSilencesThePartition) {
  Open();
  v1::EntryError* error = Result()->mutable_error();
  error->set_reason(v1::OFFSET_OUT_OF_RANGE);
  error->set_log_start(20);
  error->set_log_end(30);
  EXPECT_EQ(Answer(), "the log starts at 20 and ends at 30;");
  EXPECT_FALSE(core_.NextRequest(now_).has_value());
  core_.Seek(0, Offset(20));
  EXPECT_TRUE(core_.NextRequest(now_).has_value());
}

TEST_F(FetchCoreTest, AnErrorThatPassesIsTriedAgainLater) {
  Open();
  v1::EntryError* error = Result()->mutable_error();
  error->set_reason(v1::LEADER_NOT_AVAILABLE);
  error->set_retry_after_ms(300);
  EXPECT_EQ(Answer(), "");
  EXPECT_EQ(core_.retry_at(), now_ + absl::Milliseconds(300));
  EXPECT_FALSE(core_.NextRequest(now_).has_value());
  now_ += absl::Milliseconds(300);
  EXPECT_TRUE(core_.NextRequest(now_).has_value());
}

TEST_F(FetchCoreTest, CreditGoesBackInQuarters) {
  Open();
  core_.Consumed(249);
  EXPECT_FALSE(core_.NextRequest(now_).has_value());
  core_.Consumed(1);
  const auto request = core_.NextRequest(now_);
  ASSERT_TRUE(request.has_value());
  EXPECT_EQ(request->add_credit_bytes(), 250U);
}

TEST_F(FetchCoreTest, DroppedAnswersGiveTheirCreditBack) {
  Open();
  core_.Remove(0);
  (void)core_.NextRequest(now_);
  for (int i = 0; i < 10; ++i) AddBatch(10, 2);
  EXPECT_EQ(Answer(), "");
  const auto request = core_.NextRequest(now_);
  ASSERT_TRUE(request.has_value());
  EXPECT_EQ(request->add_credit_bytes(), 10 * Batch(10, 2).size());
}

TEST_F(FetchCoreTest, HandlesNobodyGaveAreIgnored) {
  Open();
  for (const std::uint32_t handle : {0U, 2U, 65'535U, 0xFFFF'FFFFU}) Result()->set_handle(handle);
  EXPECT_EQ(Answer(), "");
}

TEST(StreamCodecTest, AnAnswerCutAnywhereIsRefusedOrShort) {
  v1::FetchResponse response;
  response.set_seq(7);
  for (int i = 0; i < 2; ++i) {
    v1::FetchResult* result = response.add_results();
    result->set_handle(5);
    result->set_log_start(-1);
    result->mutable_error()->set_message("why");
    result->set_batches(std::string(300, 'b'));
  }
  const std::string whole = response.SerializeAsString();
  const auto parsed = ParseFetchResponse(whole);
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed->seq, 7U);
  ASSERT_EQ(parsed->results.size(), 2U);
  EXPECT_EQ(parsed->results[1].fields.error().message(), "why");
  EXPECT_EQ(parsed->results[1].fields.log_start(), -1);
  EXPECT_EQ(parsed->results[1].batches, std::string(300, 'b'));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto cut = ParseFetchResponse(std::string_view(whole).substr(0, size));
    if (cut.ok()) {
      EXPECT_LT(cut->results.size(), 2U) << size;
    }
  }
}

TEST(StreamCodecTest, AnyFlippedByteOfAnAnswerIsSurvived) {
  v1::FetchResponse response;
  v1::FetchResult* result = response.add_results();
  result->set_handle(5);
  result->mutable_gap()->set_to(9);
  result->set_batches("bytes");
  const std::string whole = response.SerializeAsString();
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string bad = whole;
      bad[at] = static_cast<char>(bad[at] ^ (1 << bit));
      (void)ParseFetchResponse(bad);
    }
  }
}

TEST(StreamCodecTest, AProduceRequestReadsBackAsItsMessage) {
  ProduceMessage message;
  message.seq = 300;
  message.entries.push_back({4, {0, 1}, {SharedBytes::CopyOf("first"), SharedBytes::CopyOf("second")}});
  message.entries.push_back({5, {0}, {SharedBytes::CopyOf(std::string(200, 'x'))}});
  const std::string id(16, '\7');
  std::string bytes;
  for (const auto& piece : EncodeProduceRequest(message, {{5, id, 2}, {6, {}, 0}}, Acks::kAll, 30'000)) {
    if (const auto* text = std::get_if<std::string>(&piece)) {
      bytes += *text;
    } else {
      bytes += std::get<SharedBytes>(piece).view();
    }
  }
  v1::ProduceRequest request;
  ASSERT_TRUE(request.ParseFromString(bytes));
  EXPECT_EQ(request.seq(), 300U);
  EXPECT_EQ(request.acks(), v1::ACKS_ALL);
  EXPECT_EQ(request.timeout_ms(), 30'000);
  ASSERT_EQ(request.entries_size(), 2);
  EXPECT_EQ(request.entries(0).handle(), 5U);
  EXPECT_EQ(request.entries(0).topic_id(), id);
  EXPECT_EQ(request.entries(0).partition(), 2);
  EXPECT_EQ(request.entries(0).batches(), "firstsecond");
  EXPECT_EQ(request.entries(1).handle(), 6U);
  EXPECT_FALSE(request.entries(1).has_partition());
  EXPECT_EQ(request.entries(1).batches(), std::string(200, 'x'));
}

TEST(RpcErrorTest, EntryErrorsBecomeStatuses) {
  v1::EntryError error;
  EXPECT_TRUE(FromEntryError(error).ok());
  error.set_reason(v1::THROTTLING_QUOTA_EXCEEDED);
  error.set_retry_after_ms(70);
  const Status status = FromEntryError(error);
  EXPECT_EQ(ReasonOf(status), Reason::kThrottled);
  EXPECT_TRUE(IsRetriable(status));
  EXPECT_EQ(RetryAfter(status), absl::Milliseconds(70));
  error.set_reason(static_cast<v1::Reason>(777));
  EXPECT_EQ(ReasonOf(FromEntryError(error)), Reason::kUnknownServerError);
  EXPECT_FALSE(IsRetriable(FromEntryError(error)));
}

}  // namespace
}  // namespace cordwood::client
