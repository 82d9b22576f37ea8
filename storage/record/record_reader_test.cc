// SPDX-License-Identifier: Apache-2.0
// Facts about decoding: what was built comes back, and records that contradict their header are corrupt.
#include "storage/record/record_reader.h"

#include <gtest/gtest.h>

#include <random>

#include "storage/record/batches_for_test.h"

namespace cordwood {
namespace {

std::string Show(const std::optional<std::string_view>& bytes) { return bytes.has_value() ? "'" + std::string(*bytes) + "'" : "null"; }

std::string Show(const RecordView& record) {
  std::string text = ToString(record.offset) + "@" + std::to_string(record.timestamp_ms - kTestMs) + " " + Show(record.key) + "=" +
                     Show(record.value);
  for (const RecordHeader& header : record.headers) text += " " + std::string(header.key) + ":" + Show(header.value);
  return text;
}

// One line per record, or the reason that ended the reading.
std::string ReadAll(const std::string& bytes, std::size_t plain_max = kPlainBatchBytesMax) {
  RecordReader reader(*RecordBatchView::Parse(bytes));
  const Status opened = reader.Open(plain_max);
  if (!opened.ok()) return std::string(ReasonName(ReasonOf(opened)));
  RecordView record;
  std::string text;
  while (true) {
    const auto more = reader.Next(&record);
    if (!more.ok()) return std::string(ReasonName(ReasonOf(more.status())));
    if (!*more) return text;
    text += Show(record) + "\n";
  }
}

// A record whose fields are given raw.
std::string RawRecord(std::string_view fields) {
  std::string record;
  AppendVarint(&record, static_cast<std::int32_t>(fields.size()));
  return record.append(fields);
}
std::string OneRecord(std::string_view records) { return WithRecords(BuildBatch({{Offset(0), kTestMs, "k", "v", {}}}), records); }

constexpr std::string_view kEmptyRecord("\0\0\0\1\1\0", 6);  // attributes, +0 ms, offset +0, null, null, no headers
constexpr char kCorrupt[] = "CORRUPT_MESSAGE";
constexpr char kThreeRecordsRead[] =
    "0@0 'k1'='hello'\n"
    "1@100 null='world' h:'v' n:null\n"
    "2@-50 'k1'=null\n";

class RecordReaderCodecTest : public ::testing::TestWithParam<Codec> {};

TEST_P(RecordReaderCodecTest, BuiltRecordsComeBack) {
  EXPECT_EQ(ReadAll(BuildBatch(ThreeRecords(), GetParam())), kThreeRecordsRead);
}

TEST_P(RecordReaderCodecTest, ThousandRandomRecordsComeBack) {
  std::mt19937 random(static_cast<unsigned>(GetParam()));
  std::vector<std::string> values;
  for (int i = 0; i < 1000; ++i) values.emplace_back(random() % 300, static_cast<char>('a' + random() % 26));
  std::vector<RecordView> records;
  std::string expected;
  for (const std::string& value : values) {
    const std::int64_t ms = kTestMs + static_cast<std::int64_t>(random() % 100'000) - 50'000;
    records.push_back({Offset(static_cast<std::int64_t>(records.size())), ms, value, value, {{value, value}}});
    expected += Show(records.back()) + "\n";
  }
  EXPECT_EQ(ReadAll(BuildBatch(records, GetParam())), expected);
}

TEST_P(RecordReaderCodecTest, FlippedByteUnderACorrectCrcNeverCrashes) {
  const std::string good = BuildBatch(ThreeRecords(), GetParam());
  for (std::size_t at = kBatchHeaderBytes; at < good.size(); ++at) {
    for (int mask = 1; mask < 256; mask += mask < 128 ? mask : 127) {
      std::string bytes = good;
      bytes[at] = static_cast<char>(bytes[at] ^ mask);
      FixCrc(&bytes);
      ReadAll(bytes, 10'000);
    }
  }
}

TEST_P(RecordReaderCodecTest, PlainSizeIsBounded) {
  const std::string bytes = BuildBatch({{Offset(0), kTestMs, "k", std::string_view(kThreeRecordsRead), {}}}, GetParam());
  EXPECT_EQ(ReadAll(bytes, 20), GetParam() == Codec::kNone ? ReadAll(bytes) : kCorrupt);  // plain records are not copied
}

INSTANTIATE_TEST_SUITE_P(All, RecordReaderCodecTest, ::testing::ValuesIn(kAllCodecs),
                         [](const auto& codec) { return std::string(CodecName(codec.param)); });

TEST(RecordReaderTest, NullAndEmptyAreDifferent) {
  const std::string bytes = BuildBatch({{Offset(0), kTestMs, "", "", {{"", ""}, {"", std::nullopt}}},
                                        {Offset(1), kTestMs, std::nullopt, std::nullopt, {}}});
  EXPECT_EQ(ReadAll(bytes), "0@0 ''='' :'' :null\n1@0 null=null\n");
}

TEST(RecordReaderTest, OffsetsCountFromTheBaseOffset) {
  std::string bytes = BuildBatch({{Offset(77), kTestMs, "a", "b", {}}, {Offset(5), kTestMs, "c", "d", {}}});
  StampBatch(bytes.data(), Offset(1000), LeaderEpoch(1));
  EXPECT_EQ(ReadAll(bytes), "1000@0 'a'='b'\n1001@0 'c'='d'\n");
}

TEST(RecordReaderTest, BatchThatEndsBeyondTheLargestOffsetIsCorrupt) {
  std::string bytes = BuildBatch({{Offset(0), kTestMs, "a", "b", {}}, {Offset(0), kTestMs, "c", "d", {}}});
  StampBatch(bytes.data(), Offset(INT64_MAX - 1), LeaderEpoch(1));
  EXPECT_EQ(ReadAll(bytes), kCorrupt);
  StampBatch(bytes.data(), Offset(INT64_MAX - 2), LeaderEpoch(1));
  EXPECT_EQ(ReadAll(bytes), "9223372036854775805@0 'a'='b'\n9223372036854775806@0 'c'='d'\n");
}

TEST(RecordReaderTest, LogAppendTimeGivesEveryRecordTheMaxTimestamp) {
  std::string bytes = BuildBatch(ThreeRecords(), Codec::kSnappy);
  RewriteToLogAppendTime(bytes.data(), bytes.size(), kTestMs + 7);
  EXPECT_EQ(ReadAll(bytes), "0@7 'k1'='hello'\n1@7 null='world' h:'v' n:null\n2@7 'k1'=null\n");
}

TEST(RecordReaderTest, ExtremeTimestampsComeBack) {
  constexpr std::int64_t kMin = INT64_MIN, kMax = INT64_MAX;
  const std::string bytes = BuildBatch({{Offset(0), kMax, "a", "b", {}}, {Offset(1), kMin, "c", "d", {}}});
  RecordReader reader(*RecordBatchView::Parse(bytes));
  ASSERT_TRUE(reader.Open().ok());
  RecordView record;
  ASSERT_TRUE(*reader.Next(&record));
  EXPECT_EQ(record.timestamp_ms, kMax);
  ASSERT_TRUE(*reader.Next(&record));
  EXPECT_EQ(record.timestamp_ms, kMin);
}

TEST(RecordReaderTest, CountThatContradictsTheRecordsIsCorrupt) {
  const std::string good = BuildBatch(ThreeRecords());
  for (const std::int32_t count : {-1, 0, 1, 2, 4, INT32_MAX}) EXPECT_EQ(ReadAll(WithField(good, 57, count)), kCorrupt) << count;
  EXPECT_EQ(ReadAll(WithField(WithField(good, 57, 4), 23, 3)), kCorrupt);
  EXPECT_EQ(ReadAll(WithField(good, 23, 1)), kCorrupt);
  EXPECT_EQ(ReadAll(WithField(good, 23, -1)), kCorrupt);
}

TEST(RecordReaderTest, RecordsCutAtAnyLengthAreCorrupt) {
  const std::string good = BuildBatch(ThreeRecords());
  const std::string_view records = std::string_view(good).substr(kBatchHeaderBytes);
  for (std::size_t size = 0; size < records.size(); ++size) {
    EXPECT_EQ(ReadAll(WithRecords(good, records.substr(0, size))), kCorrupt) << size;
  }
  EXPECT_EQ(ReadAll(WithRecords(good, std::string(records) + "x")), kCorrupt);
}

TEST(RecordReaderTest, CompactedBatchWithFewerRecordsThanOffsetsIsRead) {
  EXPECT_EQ(ReadAll(WithField(BuildBatch(ThreeRecords()), 23, 10)), kThreeRecordsRead);
  const std::string emptied = WithField(WithRecords(BuildBatch(ThreeRecords()), ""), 57, 0);
  EXPECT_EQ(ReadAll(emptied), "");
}

TEST(RecordReaderTest, OffsetDeltasMustRiseWithinTheBatch) {
  const std::string two = WithField(WithField(OneRecord(""), 23, 1), 57, 2);
  const std::string at_0 = RawRecord(kEmptyRecord), at_1 = RawRecord({"\0\0\2\1\1\0", 6});
  const std::string at_2 = RawRecord({"\0\0\4\1\1\0", 6}), at_minus_1 = RawRecord({"\0\0\1\1\1\0", 6});
  EXPECT_EQ(ReadAll(WithRecords(two, at_0 + at_1)), "0@0 null=null\n1@0 null=null\n");
  for (const std::string& records : {at_0 + at_0, at_1 + at_0, at_0 + at_2, at_minus_1 + at_0}) {
    EXPECT_EQ(ReadAll(WithRecords(two, records)), kCorrupt);
  }
}

TEST(RecordReaderTest, ImpossibleLengthsAreCorrupt) {
  EXPECT_EQ(ReadAll(OneRecord(RawRecord(kEmptyRecord))), "0@0 null=null\n");
  const std::string_view bad_fields[] = {
      {"\0\0\0\3\1\0", 6},               // key length -2
      {"\0\0\0\1\3\0", 6},               // value length -2
      {"\0\0\0\1\1\1", 6},               // header count -1
      {"\0\0\0\1\1\2", 6},               // one header, no bytes
      {"\0\0\0\1\1\2\1\1", 8},           // header with null key
      {"\0\0\0\1\1\2\0\3", 8},           // header value length -2
      {"\0\0\0\1\1\xFE\xFF\xFF\xFF\x0F", 10},  // 2^31 - 1 headers
      {"\0\0\0\xFE\xFF\xFF\xFF\x0F\1\0", 10},  // key of 2^31 - 1 bytes
      {"\0\0\0\1\1\0\0", 7},             // a byte after the headers
      {"", 0},
  };
  for (const std::string_view fields : bad_fields) EXPECT_EQ(ReadAll(OneRecord(RawRecord(fields))), kCorrupt);
  EXPECT_EQ(ReadAll(OneRecord("\x01")), kCorrupt);                  // record length -1
  EXPECT_EQ(ReadAll(OneRecord("\xFE\xFF\xFF\xFF\x0F")), kCorrupt);  // record of 2^31 - 1 bytes
}

TEST(RecordReaderTest, ErrorSaysWhichRecordOfWhichBatch) {
  std::string bytes = WithField(BuildBatch(ThreeRecords()), 57, 2);
  StampBatch(bytes.data(), Offset(40), LeaderEpoch(0));
  RecordReader reader(*RecordBatchView::Parse(bytes));
  ASSERT_TRUE(reader.Open().ok());
  RecordView record;
  ASSERT_TRUE(*reader.Next(&record));
  ASSERT_TRUE(*reader.Next(&record));
  EXPECT_EQ(MessageOf(reader.Next(&record).status()), "record 2 of the batch at offset 40: bytes after the last record");
}

}  // namespace
}  // namespace cordwood
