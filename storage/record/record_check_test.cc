// SPDX-License-Identifier: Apache-2.0
// Facts about the records inside a client's batch: each lie under a correct CRC is refused by its rule.
#include "storage/record/record_check.h"

#include <gtest/gtest.h>

#include "storage/record/batches_for_test.h"
#include "storage/record/record_reader.h"

namespace cordwood {
namespace {

constexpr std::int64_t kNowMs = kTestMs + 1000;

// One record's fields, any of which may lie.
struct Fields {
  std::int64_t timestamp_delta = 0;
  int attributes = 0, offset_delta = 0, key_length = 1, value_length = 1, header_count = 1, header_key_length = 1, header_value_length = 1;
  int length_error = 0;
};

std::string Encoded(const Fields& fields) {
  std::string body(1, static_cast<char>(fields.attributes));
  AppendVarlong(&body, fields.timestamp_delta);
  AppendVarint(&body, fields.offset_delta);
  for (const int number : {fields.key_length, fields.value_length}) {
    AppendVarint(&body, number);
    body += 'x';
  }
  AppendVarint(&body, fields.header_count);
  for (const int number : {fields.header_key_length, fields.header_value_length}) {
    AppendVarint(&body, number);
    body += 'h';
  }
  std::string record;
  AppendVarint(&record, static_cast<std::int32_t>(body.size()) + fields.length_error);
  return record + body;
}

// A batch that claims to hold `count` records in `records`, the latest at `max_ms`.
std::string BatchOf(std::string_view records, std::int32_t count = 1, std::int64_t max_ms = kTestMs) {
  std::string batch = WithRecords(BuildBatch({{Offset(0), kTestMs, {}, "x", {}}}), records);
  return WithField(WithField(WithField(batch, 23, count - 1), 57, count), 35, max_ms);
}

Status Check(const std::string& bytes, const BatchLimits& limits = {}) {
  const auto batch = RecordBatchView::Parse(bytes);
  if (!batch.ok()) return batch.status();
  const Status header = CheckAppend(*batch, limits, kNowMs);
  return header.ok() ? CheckRecords(*batch, limits, kNowMs) : header;
}
void ExpectRefused(const std::string& bytes, Reason reason, const std::string& text, const BatchLimits& limits = {}) {
  const Status status = Check(bytes, limits);
  EXPECT_EQ(ReasonOf(status), reason) << status;
  EXPECT_EQ(MessageOf(status), text);
}
void ExpectInvalid(const Fields& fields, const std::string& rule) {
  ExpectRefused(BatchOf(Encoded(fields)), Reason::kInvalidRecord, "record 0 of the batch " + rule);
}

TEST(CheckRecordsTest, WellMadeRecordsPass) {
  EXPECT_EQ(Check(BatchOf(Encoded({}))), absl::OkStatus());
  for (const Codec codec : kAllCodecs) EXPECT_EQ(Check(BuildBatch(ThreeRecords(), codec, kTestProducer)), absl::OkStatus());
  EXPECT_EQ(Check(BuildBatch({{Offset(0), kNoTimestampMs, {}, {}, {}}})), absl::OkStatus());
}

TEST(CheckRecordsTest, LengthMustFitTheBatchAndTheFields) {
  ExpectInvalid({.length_error = 1}, "is longer than what is left of the batch");
  ExpectInvalid({.length_error = -1}, "has headers that do not fit its length");
  ExpectInvalid({.length_error = -1000}, "is longer than what is left of the batch");
  ExpectInvalid({.header_count = 0}, "is longer than its fields by 4 bytes");
  ExpectRefused(BatchOf(std::string(20, '\xff')), Reason::kInvalidRecord, "record 0 of the batch is longer than what is left of the batch");
  ExpectRefused(BatchOf(std::string("\4\0\0", 3) + std::string(6, '\0')), Reason::kInvalidRecord,
                "record 0 of the batch ends within its attributes, timestamp delta or offset delta");
}

TEST(CheckRecordsTest, AttributesAreZero) { ExpectInvalid({.attributes = 1}, "has attributes 1; there are none"); }

TEST(CheckRecordsTest, OffsetDeltasCountFromZero) {
  ExpectInvalid({.offset_delta = 9}, "has offset delta 9 instead of 0");
  ExpectInvalid({.offset_delta = -1}, "has offset delta -1 instead of 0");
  ExpectRefused(BatchOf(Encoded({}) + Encoded({}), 2), Reason::kInvalidRecord, "record 1 of the batch has offset delta 0 instead of 1");
}

TEST(CheckRecordsTest, KeysAndValuesLieWithinTheirRecord) {
  for (const int length : {1000, -2, INT32_MAX, INT32_MIN}) {
    ExpectInvalid({.key_length = length}, "has a key length that does not fit its length");
    ExpectInvalid({.value_length = length}, "has a value length that does not fit its length");
  }
}

TEST(CheckRecordsTest, HeadersLieWithinTheirRecordAndHaveAKey) {
  for (const int number : {-1, 2, INT32_MAX, INT32_MIN}) ExpectInvalid({.header_count = number}, "has headers that do not fit its length");
  for (const int number : {-1, -2, 1000, INT32_MAX}) ExpectInvalid({.header_key_length = number}, "has headers that do not fit its length");
  for (const int number : {-2, 1000, INT32_MAX}) ExpectInvalid({.header_value_length = number}, "has headers that do not fit its length");
}

TEST(CheckRecordsTest, NothingLiesBehindTheLastRecord) {
  ExpectRefused(BatchOf(Encoded({}) + "zz"), Reason::kInvalidRecord, "record batch has 2 bytes behind the last of its 1 records");
  ExpectRefused(BatchOf(Encoded({}) + Encoded({.offset_delta = 1}), 1), Reason::kInvalidRecord,
                "record batch has 13 bytes behind the last of its 1 records");
  const Fields second{.offset_delta = 1};
  ExpectRefused(BatchOf(Encoded({}) + Encoded(second), 3), Reason::kInvalidRecord, "record 2 of the batch is longer than what is left of the batch");
}

TEST(CheckRecordsTest, MaxTimestampIsThatOfTheLatestRecord) {
  EXPECT_EQ(Check(BatchOf(Encoded({.timestamp_delta = 500}), 1, kTestMs + 500)), absl::OkStatus());
  ExpectRefused(BatchOf(Encoded({}), 1, kTestMs + 1), Reason::kInvalidTimestamp,
                "record batch has max timestamp 1700000000001, but the latest of its records is of 1700000000000");
}

TEST(CheckRecordsTest, EachTimeLiesWithinTheWindowWhateverTheHeaderSays) {
  BatchLimits limits;
  limits.before_ms_max = 1000;
  const auto at = [](std::int64_t delta) { return BatchOf(Encoded({.timestamp_delta = delta})); };
  const std::string record = "record 0 of the batch is of ";
  ExpectRefused(at(3'601'001), Reason::kInvalidTimestamp,
                record + "1700003601001 ms, more than message.timestamp.after.max.ms=3600000 after 1700000001000");
  ExpectRefused(at(-1), Reason::kInvalidTimestamp,
                record + "1699999999999 ms, more than message.timestamp.before.max.ms=1000 before 1700000001000", limits);
  ExpectRefused(at(-kTestMs - 2), Reason::kInvalidTimestamp, record + "-2 ms, before 1970");
  EXPECT_EQ(ReasonOf(Check(at(INT64_MAX))), Reason::kInvalidTimestamp);
  EXPECT_EQ(Check(BatchOf(Encoded({}) + Encoded({.timestamp_delta = 3'601'000, .offset_delta = 1}), 2, kTestMs + 3'601'000)), absl::OkStatus());
}

TEST(CheckRecordsTest, TimesAreNotJudgedWhereTheBrokerSetsThem) {
  BatchLimits limits;
  limits.log_append_time = true;
  EXPECT_EQ(Check(BatchOf(Encoded({.timestamp_delta = 1'000'000'000})), limits), absl::OkStatus());
}

// The walk and the reader agree: what passes can be read to its end.
TEST(CheckRecordsTest, WhateverByteIsChangedNoBatchPassesThatTheReaderRefuses) {
  const std::string good = BuildBatch(ThreeRecords());
  int passed = 0;
  for (std::size_t at = kBatchHeaderBytes; at < good.size(); ++at) {
    for (int byte = 0; byte < 256; ++byte) {
      const std::string bytes = WithField(good, at, static_cast<std::int8_t>(byte));
      if (!Check(bytes).ok()) continue;
      ++passed;
      RecordReader reader(*RecordBatchView::Parse(bytes));
      ASSERT_EQ(reader.Open(), absl::OkStatus());
      RecordView record;
      StatusOr<bool> more = true;
      while ((more = reader.Next(&record)).value_or(false)) continue;
      EXPECT_EQ(more.status(), absl::OkStatus()) << at << " " << byte;
    }
  }
  EXPECT_GT(passed, 256);  // keys, values and header texts may be anything
}

TEST(CheckKeysTest, TheFirstRecordWithoutKeyIsNamedWhateverTheCodec) {
  for (const Codec codec : {Codec::kNone, Codec::kGzip, Codec::kSnappy, Codec::kLz4, Codec::kZstd}) {
    const std::string sound = BuildBatch({{Offset(0), kTestMs, "a", "1", {}}, {Offset(0), kTestMs, "", {}, {}}}, codec);
    EXPECT_EQ(CheckKeys(RecordBatchView::Parse(sound).value()), absl::OkStatus());
    const std::string keyless = BuildBatch({{Offset(0), kTestMs, "a", "1", {}}, {Offset(0), kTestMs, {}, "2", {}}, {Offset(0), kTestMs, {}, "3", {}}}, codec);
    const Status refused = CheckKeys(RecordBatchView::Parse(keyless).value());
    EXPECT_EQ(ReasonOf(refused), Reason::kInvalidRecord);
    EXPECT_NE(MessageOf(refused).find("record 1 of the batch has no key"), std::string::npos) << MessageOf(refused);
  }
}

}  // namespace
}  // namespace cordwood
