// SPDX-License-Identifier: Apache-2.0
// Facts about the batch header: each flipped byte and each cut is noticed, stamping leaves the CRC alone.
#include "storage/record/record_batch.h"

#include <gtest/gtest.h>

#include <limits>

#include "storage/record/batches_for_test.h"

namespace cordwood {
namespace {

constexpr std::int32_t kInt32Max = std::numeric_limits<std::int32_t>::max();
constexpr std::int64_t kInt64Max = std::numeric_limits<std::int64_t>::max();

Reason ParseAndCheck(std::string_view bytes) {
  const auto batch = RecordBatchView::Parse(bytes);
  return ReasonOf(batch.ok() ? batch->CheckCrc() : batch.status());
}

// The broker writes base offset and leader epoch, so the CRC leaves them out.
bool IsStamped(std::size_t at) { return at < 8 || (at >= 12 && at < 16); }

class RecordBatchCodecTest : public ::testing::TestWithParam<Codec> {};

TEST_P(RecordBatchCodecTest, EveryFlippedByteOutsideTheStampIsNoticed) {
  std::string bytes = BuildBatch(ThreeRecords(), GetParam(), kTestProducer);
  ASSERT_EQ(ParseAndCheck(bytes), Reason::kNone);
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    for (const int mask : {0x01, 0x10, 0x80, 0xFF}) {
      bytes[at] = static_cast<char>(bytes[at] ^ mask);
      EXPECT_EQ(ParseAndCheck(bytes) == Reason::kNone, IsStamped(at)) << at;
      bytes[at] = static_cast<char>(bytes[at] ^ mask);
    }
  }
}

TEST_P(RecordBatchCodecTest, EveryCutIsNoticed) {
  const std::string bytes = BuildBatch(ThreeRecords(), GetParam(), kTestProducer);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    std::string_view cut = std::string_view(bytes).substr(0, size);
    EXPECT_EQ(ParseAndCheck(cut), Reason::kCorruptMessage) << size;
    EXPECT_EQ(ReasonOf(RecordBatchView::TakeFirst(&cut).status()), Reason::kCorruptMessage) << size;
    EXPECT_EQ(cut.size(), size);
  }
}

INSTANTIATE_TEST_SUITE_P(All, RecordBatchCodecTest, ::testing::ValuesIn(kAllCodecs),
                         [](const auto& codec) { return std::string(CodecName(codec.param)); });

TEST(RecordBatchTest, HeaderFieldsAreRead) {
  const std::string bytes = BuildBatch(ThreeRecords(), Codec::kLz4, kTestProducer);
  const RecordBatchView batch = *RecordBatchView::Parse(bytes);
  EXPECT_EQ(batch.base_offset(), Offset(0));
  EXPECT_EQ(batch.last_offset(), Offset(2));
  EXPECT_EQ(batch.end_offset(), Offset(3));
  EXPECT_EQ(batch.leader_epoch(), kNoLeaderEpoch);
  EXPECT_EQ(batch.codec(), Codec::kLz4);
  EXPECT_EQ(batch.base_timestamp_ms(), kTestMs);
  EXPECT_EQ(batch.max_timestamp_ms(), kTestMs + 100);
  EXPECT_EQ(batch.producer_id(), ProducerId(4711));
  EXPECT_EQ(batch.producer_epoch(), ProducerEpoch(3));
  EXPECT_EQ(batch.base_sequence(), Sequence(42));
  EXPECT_EQ(batch.last_sequence(), Sequence(44));
  EXPECT_EQ(batch.record_count(), 3);
  EXPECT_FALSE(batch.is_control() || batch.is_transactional() || batch.is_log_append_time());
}

TEST(RecordBatchTest, MessagesNameWhatIsWrong) {
  std::string bytes = BuildBatch(ThreeRecords());
  EXPECT_EQ(MessageOf(RecordBatchView::Parse("x").status()), "record batch of 1 bytes is shorter than its header of 61");
  EXPECT_EQ(MessageOf(RecordBatchView::Parse(bytes + "x").status()), "record batch says 92 bytes after its length but has 93");
  bytes[16] = 1;
  EXPECT_EQ(MessageOf(RecordBatchView::Parse(bytes).status()), "record batch has magic 1, only 2 is supported");
}

TEST(RecordBatchTest, UnknownCodecIsUnsupportedCompression) {
  for (const std::int16_t codec : {5, 6, 7}) {
    const std::string bytes = WithField(BuildBatch(ThreeRecords()), 21, codec);
    EXPECT_EQ(ParseAndCheck(bytes), Reason::kUnsupportedCompression);
  }
}

TEST(RecordBatchTest, WrongCrcIsNamedWithBothValues) {
  std::string bytes = BuildBatch(ThreeRecords(), Codec::kNone, kTestProducer);
  StoreBigEndian(bytes.data() + 17, 0x12345678);
  EXPECT_EQ(MessageOf(RecordBatchView::Parse(bytes)->CheckCrc()), "record batch has CRC 12345678, its bytes give 02c4f50d");
}

TEST(RecordBatchTest, ConsecutiveBatchesAreTakenOneByOne) {
  const std::string first = BuildBatch(ThreeRecords());
  const std::string second = BuildBatch(ThreeRecords(), Codec::kZstd);
  const std::string both = first + second;
  std::string_view rest = both;
  EXPECT_EQ(RecordBatchView::TakeFirst(&rest)->bytes(), first);
  EXPECT_EQ(RecordBatchView::TakeFirst(&rest)->bytes(), second);
  EXPECT_TRUE(rest.empty());
}

TEST(RecordBatchTest, AbsurdLengthsAreRefused) {
  for (const std::int32_t length : {-1, 0, 48, kInt32Max, std::numeric_limits<std::int32_t>::min()}) {
    const std::string bytes = WithField(BuildBatch(ThreeRecords()), 8, length);
    std::string_view rest = bytes;
    EXPECT_EQ(ReasonOf(RecordBatchView::TakeFirst(&rest).status()), Reason::kCorruptMessage);
    EXPECT_EQ(ParseAndCheck(bytes), Reason::kCorruptMessage);
  }
}

TEST(RecordBatchTest, StampLeavesTheCrcValid) {
  std::string bytes = BuildBatch(ThreeRecords());
  StampBatch(bytes.data(), Offset(1'000'000'007), LeaderEpoch(9));
  const RecordBatchView batch = *RecordBatchView::Parse(bytes);
  EXPECT_TRUE(batch.CheckCrc().ok());
  EXPECT_EQ(batch.base_offset(), Offset(1'000'000'007));
  EXPECT_EQ(batch.last_offset(), Offset(1'000'000'009));
  EXPECT_EQ(batch.leader_epoch(), LeaderEpoch(9));
}

TEST(RecordBatchTest, LogAppendTimeSetsBitTimeAndCrc) {
  std::string bytes = BuildBatch(ThreeRecords(), Codec::kGzip, kTestProducer);
  RewriteToLogAppendTime(bytes.data(), bytes.size(), kTestMs + 5);
  const RecordBatchView batch = *RecordBatchView::Parse(bytes);
  EXPECT_TRUE(batch.CheckCrc().ok());
  EXPECT_TRUE(batch.is_log_append_time());
  EXPECT_EQ(batch.codec(), Codec::kGzip);
  EXPECT_EQ(batch.max_timestamp_ms(), kTestMs + 5);
  EXPECT_EQ(batch.base_timestamp_ms(), kTestMs);
}

TEST(RecordBatchTest, SequencesWrapToZero) {
  EXPECT_EQ(NextSequence(Sequence(5), 0), Sequence(5));
  EXPECT_EQ(NextSequence(Sequence(kInt32Max), 1), Sequence(0));
  EXPECT_EQ(NextSequence(Sequence(kInt32Max - 1), 3), Sequence(1));
  EXPECT_EQ(NextSequence(Sequence(kInt32Max), kInt32Max), Sequence(kInt32Max - 1));
  const std::string bytes = BuildBatch(ThreeRecords(), Codec::kNone, {ProducerId(1), ProducerEpoch(0), Sequence(kInt32Max)});
  EXPECT_EQ(RecordBatchView::Parse(bytes)->last_sequence(), Sequence(1));
}

TEST(RecordBatchTest, ForgedNumbersDoNotOverflow) {
  std::string bytes = WithField(BuildBatch(ThreeRecords()), 23, kInt32Max);
  StoreBigEndian(bytes.data(), kInt64Max);
  const RecordBatchView batch = *RecordBatchView::Parse(bytes);
  EXPECT_LT(batch.last_offset(), Offset(0));
  EXPECT_EQ(batch.end_offset() - batch.last_offset(), 1);
  EXPECT_EQ(batch.last_sequence(), Sequence(-1));
}

}  // namespace
}  // namespace cordwood
