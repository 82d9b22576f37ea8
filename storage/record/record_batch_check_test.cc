// SPDX-License-Identifier: Apache-2.0
// Facts about what a client's batch must satisfy, one refusal each.
#include "storage/record/record_batch_check.h"

#include <gtest/gtest.h>

#include <limits>

#include "storage/record/batches_for_test.h"

namespace cordwood {
namespace {

constexpr std::int64_t kNowMs = kTestMs + 1000;

std::string Good() { return BuildBatch(ThreeRecords(), Codec::kNone, kTestProducer); }

Status Check(const std::string& bytes, const BatchLimits& limits = {}, std::int64_t reference_ms = kNowMs) {
  const auto batch = RecordBatchView::Parse(bytes);
  return batch.ok() ? CheckAppend(*batch, limits, reference_ms) : batch.status();
}
Reason ReasonFor(const std::string& bytes, const BatchLimits& limits = {}, std::int64_t reference_ms = kNowMs) {
  return ReasonOf(Check(bytes, limits, reference_ms));
}

TEST(CheckAppendTest, GoodBatchesOfEveryCodecPass) {
  for (const Codec codec : kAllCodecs) EXPECT_TRUE(Check(BuildBatch(ThreeRecords(), codec, kTestProducer)).ok());
  EXPECT_TRUE(Check(BuildBatch(ThreeRecords())).ok());
}

TEST(CheckAppendTest, BatchOverTheLimitIsTooLarge) {
  BatchLimits limits;
  limits.batch_bytes_max = Good().size();
  EXPECT_EQ(ReasonFor(Good(), limits), Reason::kNone);
  --limits.batch_bytes_max;
  EXPECT_EQ(ReasonFor(Good(), limits), Reason::kMessageTooLarge);
  EXPECT_EQ(MessageOf(Check(Good(), limits)), "record batch of 104 bytes is larger than max.message.bytes=103");
}

TEST(CheckAppendTest, SizeIsJudgedBeforeTheCrcAndTheCrcBeforeTheRest) {
  std::string bytes = WithField(Good(), 57, std::int32_t{9});
  bytes[20] = static_cast<char>(~bytes[20]);
  EXPECT_EQ(ReasonFor(bytes), Reason::kCorruptMessage);
  BatchLimits limits;
  limits.batch_bytes_max = 10;
  EXPECT_EQ(ReasonFor(bytes, limits), Reason::kMessageTooLarge);
}

TEST(CheckAppendTest, CountMustBePositiveAndAgreeWithTheLastOffsetDelta) {
  for (const std::int32_t count : {0, -1, 2, 4}) {
    EXPECT_EQ(ReasonFor(WithField(Good(), 57, count)), Reason::kInvalidRecord) << count;
  }
  for (const std::int32_t delta : {-1, 0, 3, std::numeric_limits<std::int32_t>::max()}) {
    EXPECT_EQ(ReasonFor(WithField(Good(), 23, delta)), Reason::kInvalidRecord) << delta;
  }
  EXPECT_EQ(MessageOf(Check(WithField(Good(), 57, 0))), "record batch has 0 records");
  EXPECT_EQ(MessageOf(Check(WithField(Good(), 57, 4))), "record batch has 4 records but last offset delta 2");
}

TEST(CheckAppendTest, PlainBatchMustHaveRoomForItsRecords) {
  const std::string seven = WithField(WithField(Good(), 23, 6), 57, 7);
  EXPECT_EQ(ReasonFor(seven), Reason::kInvalidRecord);  // 7 records need 49 bytes, there are 43
  const std::string six = WithField(WithField(Good(), 23, 5), 57, 6);
  EXPECT_EQ(ReasonFor(six), Reason::kNone);
}

TEST(CheckAppendTest, ControlTransactionalAndUnknownBitsAreRefused) {
  for (const std::int16_t bit : {0x10, 0x20, 0x30, 0x40, 0x80, 0x100, 0x4000}) {
    EXPECT_EQ(ReasonFor(WithField(Good(), 21, bit)), Reason::kInvalidRecord) << bit;
  }
  EXPECT_EQ(ReasonFor(WithField(Good(), 21, std::numeric_limits<std::int16_t>::min())), Reason::kInvalidRecord);
  EXPECT_EQ(ReasonFor(WithField(Good(), 21, std::int16_t{0x08})), Reason::kInvalidTimestamp);
}

TEST(CheckAppendTest, ClientMayNotGiveOffsetsButAnyLeaderEpoch) {
  std::string bytes = Good();
  StampBatch(bytes.data(), Offset(0), LeaderEpoch(7));
  EXPECT_EQ(ReasonFor(bytes), Reason::kNone);
  StampBatch(bytes.data(), Offset(1), LeaderEpoch(7));
  EXPECT_EQ(ReasonFor(bytes), Reason::kInvalidRecord);
}

TEST(CheckAppendTest, ProducerIdNeedsEpochAndSequence) {
  EXPECT_EQ(ReasonFor(WithField(Good(), 43, std::int64_t{-2})), Reason::kInvalidRecord);
  EXPECT_EQ(ReasonFor(WithField(Good(), 51, std::int16_t{-1})), Reason::kInvalidRecord);
  EXPECT_EQ(ReasonFor(WithField(Good(), 53, std::int32_t{-1})), Reason::kInvalidRecord);
  EXPECT_EQ(ReasonFor(WithField(Good(), 43, std::int64_t{0})), Reason::kNone);
}

TEST(CheckAppendTest, WithoutAProducerIdEpochAndSequenceDoNotMatter) {
  EXPECT_EQ(ReasonFor(BuildBatch(ThreeRecords(), Codec::kNone, {kNoProducerId, ProducerEpoch(0), Sequence(0)})), Reason::kNone);
}

TEST(CheckAppendTest, TimestampWindowIsInclusiveAtBothEnds) {
  BatchLimits limits;
  limits.before_ms_max = 1000;
  limits.after_ms_max = 60;
  EXPECT_EQ(ReasonFor(Good(), limits, kTestMs + 1000), Reason::kNone);
  EXPECT_EQ(ReasonFor(Good(), limits, kTestMs + 1001), Reason::kInvalidTimestamp);
  EXPECT_EQ(ReasonFor(Good(), limits, kTestMs + 40), Reason::kNone);  // the latest record is at + 100
  EXPECT_EQ(ReasonFor(Good(), limits, kTestMs + 39), Reason::kInvalidTimestamp);
}

TEST(CheckAppendTest, TimestampsAreNotJudgedWhereTheBrokerSetsThem) {
  BatchLimits limits;
  limits.log_append_time = true;
  limits.before_ms_max = limits.after_ms_max = 0;
  EXPECT_EQ(ReasonFor(Good(), limits, 0), Reason::kNone);
}

TEST(CheckAppendTest, NoTimestampAtAllPassesAndOneBefore1970DoesNot) {
  const std::string timeless = BuildBatch({{Offset(0), kNoTimestampMs, "k", "v", {}}});
  BatchLimits limits;
  limits.before_ms_max = 0;
  EXPECT_EQ(ReasonFor(timeless, limits), Reason::kNone);
  EXPECT_EQ(ReasonFor(WithField(Good(), 27, std::int64_t{-2})), Reason::kInvalidTimestamp);
  EXPECT_EQ(ReasonFor(WithField(Good(), 35, std::numeric_limits<std::int64_t>::min())), Reason::kInvalidTimestamp);
  EXPECT_EQ(ReasonFor(WithField(Good(), 35, std::numeric_limits<std::int64_t>::max())), Reason::kInvalidTimestamp);
}

TEST(CheckAppendTest, MaxTimestampBeforeTheFirstIsRefused) {
  EXPECT_EQ(ReasonFor(WithField(Good(), 35, kTestMs - 1)), Reason::kInvalidTimestamp);
}

}  // namespace
}  // namespace cordwood
