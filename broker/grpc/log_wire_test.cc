// SPDX-License-Identifier: Apache-2.0
// The hand-made parser and writer against the generated ones, on good, cut, flipped and random bytes.
#include "broker/grpc/log_wire.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "cordwood/v1/log.pb.h"
#include "storage/log/side_header.h"
#include "storage/record/record_batch_builder.h"
#include "storage/record/record_reader.h"

namespace cordwood::broker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::int64_t kNowMs = 1'700'000'000'000;

// In pieces of at most `piece` bytes, as a socket may deliver it.
grpc::ByteBuffer Buffer(std::string_view bytes, std::size_t piece = 1 << 20) {
  std::vector<grpc::Slice> slices;
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    const std::string_view part = bytes.substr(at, piece);
    slices.emplace_back(part.data(), part.size());
  }
  if (slices.empty()) slices.emplace_back();
  return grpc::ByteBuffer(slices.data(), slices.size());
}
std::string TextOf(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  EXPECT_TRUE(buffer.Dump(&slices).ok());
  std::string text;
  for (const grpc::Slice& slice : slices) text.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return text;
}
std::string BatchText(const std::string& value, Codec codec = Codec::kNone) {
  RecordBatchBuilder builder;
  RecordView record;
  record.timestamp_ms = kNowMs;
  record.key = "k";
  record.value = value;
  builder.Add(record);
  return std::string(builder.Build(codec, {})->view());
}

cordwood::v1::ProduceRequest SomeRequest() {
  cordwood::v1::ProduceRequest request;
  request.set_seq(300);
  request.set_acks(cordwood::v1::ACKS_LEADER);
  request.set_timeout_ms(1234);
  cordwood::v1::ProduceEntry& batches = *request.add_entries();
  batches.set_handle(70);
  batches.set_topic("orders");
  batches.set_topic_id(std::string(16, '\x07'));
  batches.set_partition(-3);
  batches.set_current_leader_epoch(5);
  batches.set_expected_offset(std::int64_t{1} << 40);
  batches.set_batches(BatchText("first") + BatchText(std::string(3000, 'x')) + BatchText("third", Codec::kLz4));
  cordwood::v1::ProduceEntry& plain = *request.add_entries();
  plain.set_topic("plain");
  for (const char* value : {"a", "b"}) {
    cordwood::v1::Record& record = *plain.add_records();
    record.set_key("key");
    record.set_value(value);
    record.add_headers()->set_key("h");
  }
  plain.mutable_records(1)->set_timestamp_ms(42);
  return request;
}

// What the struct says must be what the generated class says, batches apart where they are no batches.
void ExpectSame(const ProduceRequest& ours, const cordwood::v1::ProduceRequest& theirs) {
  EXPECT_EQ(ours.seq, theirs.seq());
  EXPECT_EQ(ours.acks, static_cast<int>(theirs.acks()));
  EXPECT_EQ(ours.timeout_ms, theirs.timeout_ms());
  ASSERT_EQ(ours.entries.size(), static_cast<std::size_t>(theirs.entries_size()));
  for (int i = 0; i < theirs.entries_size(); ++i) {
    const ProduceEntry& a = ours.entries[static_cast<std::size_t>(i)];
    const cordwood::v1::ProduceEntry& b = theirs.entries(i);
    EXPECT_EQ(a.ref.handle, b.handle());
    EXPECT_EQ(a.ref.topic, b.topic());
    EXPECT_EQ(a.ref.topic_id, b.topic_id());
    EXPECT_EQ(a.ref.partition, b.has_partition() ? std::optional<std::int32_t>(b.partition()) : std::nullopt);
    EXPECT_EQ(a.expected_offset, b.has_expected_offset() ? std::optional<Offset>(b.expected_offset()) : std::nullopt);
    if (!a.malformed.ok() || a.plain) continue;
    std::string batches;
    for (const SharedBytes& value : a.values) batches += BatchOf(value.view());
    EXPECT_EQ(batches, b.batches());
  }
}

StatusOr<ProduceRequest> Parse(grpc::ByteBuffer message, std::int64_t now_ms) {
  static BytesPool buffers;
  ProduceRequest request;
  CORDWOOD_RETURN_IF_ERROR(ParseProduceRequest(std::move(message), now_ms, buffers, &request));
  return request;
}

// Both accept or both refuse, and mean the same.
bool Agrees(const std::string& bytes, std::size_t piece = 1 << 20) {
  cordwood::v1::ProduceRequest theirs;
  const bool accepted = theirs.ParseFromString(bytes);
  const StatusOr<ProduceRequest> ours = Parse(Buffer(bytes, piece), kNowMs);
  if (ours.ok()) ExpectSame(*ours, theirs);
  if (!ours.ok()) {
    EXPECT_EQ(ReasonOf(ours.status()), Reason::kMalformedRequest);
  }
  return accepted == ours.ok();
}

TEST(LogWireTest, AProduceRequestMeansWhatTheGeneratedParserSays) {
  const std::string bytes = SomeRequest().SerializeAsString();
  for (const std::size_t piece : {1, 7, 100, 1 << 20}) EXPECT_TRUE(Agrees(bytes, piece));
  const StatusOr<ProduceRequest> request = Parse(Buffer(bytes, 5), kNowMs);
  ASSERT_TRUE(request.ok());
  EXPECT_EQ(request->entries[0].values.size(), 3u);
  EXPECT_TRUE(request->entries[0].values[1].unique());
  EXPECT_EQ(request->entries[0].current_leader_epoch, LeaderEpoch(5));
}

TEST(LogWireTest, PlainRecordsBecomeOneBatch) {
  const StatusOr<ProduceRequest> request = Parse(Buffer(SomeRequest().SerializeAsString()), kNowMs);
  ASSERT_TRUE(request.ok());
  const ProduceEntry& entry = request->entries[1];
  EXPECT_TRUE(entry.plain);
  EXPECT_EQ(entry.key, "key");
  ASSERT_EQ(entry.values.size(), 1u);
  const RecordBatchView batch = RecordBatchView::Parse(BatchOf(entry.values[0].view())).value();
  EXPECT_EQ(batch.CheckCrc(), absl::OkStatus());
  EXPECT_EQ(batch.record_count(), 2);
  EXPECT_EQ(batch.base_timestamp_ms(), kNowMs) << "the broker's clock where none is given";
  EXPECT_EQ(batch.codec(), Codec::kNone);
}

TEST(LogWireTest, AnyOrderOfFieldsRepeatedFieldsAndUnknownOnesAreTaken) {
  cordwood::v1::ProduceRequest first, second;
  first.add_entries()->set_batches(BatchText("a"));
  second.set_seq(9);
  const std::string unknown("\xfa\x07\x03xyz\x98\x08\x01\xa3\x08\x08\x01\xa4\x08", 15);  // bytes, varint, a group
  cordwood::v1::ProduceEntry late;
  late.set_topic("t");
  cordwood::v1::ProduceEntry early;
  early.set_batches(BatchText("dropped"));
  const std::string entry = early.SerializeAsString() + early.SerializeAsString() + unknown + late.SerializeAsString();
  cordwood::v1::ProduceRequest holder;
  holder.add_entries();
  const std::string wrapped = "\x82\x01" + std::string(1, static_cast<char>(entry.size() | 0x80)) + std::string(1, static_cast<char>(entry.size() >> 7)) + entry;
  EXPECT_TRUE(Agrees(first.SerializeAsString() + unknown + wrapped + second.SerializeAsString()));
}

TEST(LogWireTest, EveryCutAgreesWithTheGeneratedParser) {
  const std::string bytes = SomeRequest().SerializeAsString();
  for (std::size_t length = 0; length < bytes.size(); length += length > 400 ? 13 : 1) {
    EXPECT_TRUE(Agrees(bytes.substr(0, length), 64)) << length;
  }
}

TEST(LogWireTest, EveryFlippedByteAgreesWithTheGeneratedParser) {
  const std::string bytes = SomeRequest().SerializeAsString();
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    if (at > 300 && at + 300 < bytes.size()) continue;  // the inside of a long value
    for (const int flip : {0x01, 0x04, 0x80, 0xff}) {
      std::string bad = bytes;
      bad[at] = static_cast<char>(bad[at] ^ flip);
      EXPECT_TRUE(Agrees(bad, 97)) << at << " " << flip;
    }
  }
}

TEST(LogWireTest, RandomBytesAgreeWithTheGeneratedParser) {
  std::mt19937_64 random(20261121);
  const std::string seed = SomeRequest().SerializeAsString();
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = random() % 2 == 0 ? seed.substr(0, random() % 200) : std::string();
    for (std::size_t n = random() % 30; n > 0; --n) {
      bytes.insert(bytes.begin() + static_cast<long>(random() % (bytes.size() + 1)), static_cast<char>(random() % 3 == 0 ? random() : random() % 0x20));
    }
    ASSERT_TRUE(Agrees(bytes, 1 + random() % 40)) << round;
  }
}

TEST(LogWireTest, ABatchOfTheWrongLengthIsTheEntrysOwnError) {
  for (const std::string& batches : {std::string("short"), BatchText("a") + "rest", BatchText("a").substr(0, 65)}) {
    cordwood::v1::ProduceRequest request;
    request.add_entries()->set_batches(batches);
    request.add_entries()->set_batches(BatchText("good"));
    const StatusOr<ProduceRequest> parsed = Parse(Buffer(request.SerializeAsString(), 11), kNowMs);
    ASSERT_TRUE(parsed.ok());
    EXPECT_EQ(ReasonOf(parsed->entries[0].malformed), Reason::kCorruptMessage);
    EXPECT_EQ(parsed->entries[1].values.size(), 1u);
  }
}

TEST(LogWireTest, BatchesAndRecordsInOneEntryAreRefused) {
  cordwood::v1::ProduceRequest request;
  request.add_entries()->set_batches(BatchText("a"));
  request.mutable_entries(0)->add_records()->set_value("b");
  EXPECT_EQ(ReasonOf(Parse(Buffer(request.SerializeAsString()), kNowMs)->entries[0].malformed), Reason::kInvalidRequest);
}

TEST(LogWireTest, MixedKeysAreNoted) {
  cordwood::v1::ProduceRequest request;
  cordwood::v1::ProduceEntry& entry = *request.add_entries();
  entry.add_records()->set_key("a");
  entry.add_records();
  EXPECT_TRUE(Parse(Buffer(request.SerializeAsString()), kNowMs)->entries[0].mixed_keys);
}

TEST(LogWireTest, TooManyEntriesAreRefused) {
  cordwood::v1::ProduceRequest request;
  for (int i = 0; i < 10'001; ++i) request.add_entries();
  EXPECT_EQ(ReasonOf(Parse(Buffer(request.SerializeAsString()), kNowMs).status()), Reason::kRecordListTooLarge);
}

TEST(LogWireTest, AFetchRequestIsCheckedForItsBounds) {
  cordwood::v1::FetchRequest request;
  request.set_max_wait_ms(60'000);
  cordwood::v1::FetchPartition& partition = *request.add_partitions();
  partition.set_fetch_offset(7);
  partition.set_partition(2);
  const StatusOr<FetchRequest> parsed = ParseFetchRequest(Buffer(request.SerializeAsString(), 3));
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed->partitions[0].fetch_offset, Offset(7));
  EXPECT_EQ(parsed->partitions[0].ref.partition, 2);
  request.set_max_wait_ms(60'001);
  EXPECT_EQ(ReasonOf(ParseFetchRequest(Buffer(request.SerializeAsString())).status()), Reason::kInvalidRequest);
  EXPECT_EQ(ReasonOf(ParseFetchRequest(Buffer("\x82")).status()), Reason::kMalformedRequest);
  EXPECT_TRUE(ParseFetchRequest(Buffer("")).ok());
}

TEST(LogWireTest, AProduceAnswerReadsBack) {
  std::vector<ProduceOutcome> outcomes(2);
  outcomes[0].seq = 5;
  outcomes[0].base_offsets = {10, -1};
  outcomes[0].failures.emplace_back();
  outcomes[0].failures[0].entry = 1;
  outcomes[0].failures[0].status = Error(Reason::kExpectedOffsetMismatch, "elsewhere \xff");
  outcomes[0].failures[0].log_end = Offset(12);
  outcomes[1].seq = 6;
  cordwood::v1::ProduceResponse response;
  ASSERT_TRUE(response.ParseFromString(TextOf(AnswerEncoder().Encode(outcomes, 1000))));
  EXPECT_EQ(response.window_bytes(), 1000u);
  EXPECT_THAT(response.done(0).base_offset(), ElementsAre(10, -1));
  EXPECT_EQ(response.done(0).errors(0).reason(), cordwood::v1::EXPECTED_OFFSET_MISMATCH);
  EXPECT_EQ(response.done(0).errors(0).log_end(), 12);
  EXPECT_EQ(response.done(0).errors(0).message(), "elsewhere ?");
  EXPECT_EQ(response.done(1).seq(), 6u);
}

TEST(LogWireTest, AnEmptyProduceAnswerIsAValidMessage) {
  const grpc::ByteBuffer buffer = AnswerEncoder().Encode({}, 0);
  EXPECT_TRUE(buffer.Valid());
  EXPECT_EQ(buffer.Length(), 0u);
}

TEST(LogWireTest, AFetchRequestMayNameNoEpochButNoneBelowThatNorAnUnknownIsolation) {
  cordwood::v1::FetchRequest request;
  cordwood::v1::FetchPartition& partition = *request.add_partitions();
  const auto reason = [&] { return ReasonOf(ParseFetchRequest(Buffer(request.SerializeAsString())).status()); };
  partition.set_last_fetched_epoch(-1);
  partition.set_current_leader_epoch(-1);
  request.set_isolation(cordwood::v1::READ_COMMITTED);
  EXPECT_EQ(reason(), Reason::kNone);
  partition.set_last_fetched_epoch(-9);
  EXPECT_EQ(reason(), Reason::kInvalidRequest);
  partition.clear_last_fetched_epoch();
  partition.set_current_leader_epoch(-2);
  EXPECT_EQ(reason(), Reason::kInvalidRequest);
  partition.clear_current_leader_epoch();
  request.set_isolation(static_cast<cordwood::v1::Isolation>(9));
  EXPECT_EQ(reason(), Reason::kInvalidRequest);
}

TEST(LogWireTest, AFetchAnswerReadsBackWhateverThePiecesAre) {
  FetchAnswer answer;
  answer.seq = 9;
  std::string expected;
  FetchResult& result = answer.results.emplace_back();
  PartitionRef ref;
  ref.topic = "t";
  ref.partition = 0;
  result.ref = std::make_shared<const PartitionRef>(ref);
  result.high_watermark = Offset(77);
  for (const std::size_t size : {10, 5000, 100, 4096, 300'000}) {
    const std::string piece(size, static_cast<char>('a' + size % 26));
    result.pieces.push_back(FetchPiece{SharedBytes::CopyOf("0123456789abcdef" + piece), 16});
    expected += piece;
  }
  FetchResult& refused = answer.results.emplace_back();
  refused.ref = std::make_shared<const PartitionRef>();
  refused.failure.emplace().status = Error(Reason::kOffsetOutOfRange, "out");
  cordwood::v1::FetchResponse response;
  ASSERT_TRUE(response.ParseFromString(TextOf(AnswerEncoder().Encode(answer))));
  EXPECT_EQ(response.seq(), 9u);
  EXPECT_EQ(response.results(0).high_watermark(), 77);
  EXPECT_TRUE(response.results(0).has_partition());
  EXPECT_TRUE(response.results(0).batches() == expected);
  EXPECT_EQ(response.results(1).error().reason(), cordwood::v1::OFFSET_OUT_OF_RANGE);
  EXPECT_FALSE(response.results(1).has_partition());
}

TEST(LogWireTest, RecordsAreEncodedFromTheOffsetOnAndInPortions) {
  RecordBatchBuilder builder;
  for (const char* value : {"a", "b", "c"}) {
    RecordView record;
    record.timestamp_ms = kNowMs;
    record.value = value;
    builder.Add(record);
  }
  SharedBytes batch = builder.Build(Codec::kZstd, {}).value();
  StampBatch(batch.mutable_data(), Offset(100), LeaderEpoch(0));
  FetchAnswer answer;
  const EncodedRecords encoded = EncodeRecords(batch.view(), Offset(101), 1 << 20).value();
  EXPECT_EQ(encoded.next, Offset(103));
  FetchResult& result = answer.results.emplace_back();
  result.ref = std::make_shared<const PartitionRef>();
  result.as_records = true;
  result.pieces.push_back(FetchPiece{encoded.bytes, 0});
  cordwood::v1::FetchResponse response;
  ASSERT_TRUE(response.ParseFromString(TextOf(AnswerEncoder().Encode(answer))));
  ASSERT_EQ(response.results(0).records_size(), 2);
  EXPECT_EQ(response.results(0).records(0).offset(), 101);
  EXPECT_EQ(response.results(0).records(1).value(), "c");
  EXPECT_FALSE(response.results(0).records(1).has_key());
  EXPECT_EQ(EncodeRecords(batch.view(), Offset(100), 1)->next, Offset(101)) << "at least one";
}

std::string BatchAt(Offset base, const std::vector<std::string>& values, Codec codec, std::size_t headers = 0) {
  RecordBatchBuilder builder;
  for (const std::string& value : values) {
    RecordView record;
    record.timestamp_ms = kNowMs;
    record.value = value;
    record.headers.resize(headers, RecordHeader{"", std::nullopt});
    builder.Add(record);
  }
  SharedBytes batch = builder.Build(codec, {}).value();
  StampBatch(batch.mutable_data(), base, LeaderEpoch(0));
  return std::string(batch.view());
}

std::size_t RecordsIn(const EncodedRecords& encoded) {
  cordwood::v1::FetchResult result;
  EXPECT_TRUE(result.ParseFromArray(encoded.bytes.view().data(), static_cast<int>(encoded.bytes.size())));
  return static_cast<std::size_t>(result.records_size());
}

class DecodedRecordsTest : public ::testing::TestWithParam<Codec> {};

TEST_P(DecodedRecordsTest, ABatchThatExplodesIsRefusedAtTheLimitAndOneBelowItIsNot) {
  const std::string fits = BatchAt(Offset(0), {std::string(kDecodedBatchBytesMax - 100, 'x')}, GetParam());
  EXPECT_EQ(RecordsIn(EncodeRecords(fits, Offset(0), 1).value()), 1u);
  const std::string bomb = BatchAt(Offset(0), {std::string(kDecodedBatchBytesMax, 'x')}, GetParam());
  EXPECT_LT(bomb.size(), std::size_t{1} << 20) << "small enough for any topic";
  const auto refused = EncodeRecords(bomb, Offset(0), 1);
  EXPECT_EQ(ReasonOf(refused.status()), Reason::kCorruptMessage);
  EXPECT_THAT(MessageOf(refused.status()), HasSubstr("holds more than 16777216 bytes"));
}

TEST_P(DecodedRecordsTest, WhatStandsBeforeAndBehindABombIsGiven) {
  const std::string bomb = BatchAt(Offset(2), {std::string(kDecodedBatchBytesMax, 'x')}, GetParam());
  const std::string log = BatchAt(Offset(0), {"a", "b"}, GetParam()) + bomb + BatchAt(Offset(3), {"c"}, GetParam());
  const EncodedRecords before = EncodeRecords(log, Offset(0), 1 << 20).value();
  EXPECT_EQ(RecordsIn(before), 2u);
  EXPECT_EQ(before.next, Offset(2));
  const std::string_view rest = std::string_view(log).substr(log.find(bomb));
  EXPECT_THAT(MessageOf(EncodeRecords(rest, Offset(2), 1 << 20).status()), HasSubstr("batch at offset 2"));
  EXPECT_EQ(RecordsIn(EncodeRecords(rest.substr(bomb.size()), Offset(3), 1 << 20).value()), 1u);
}

TEST_P(DecodedRecordsTest, HeadersWithoutNumberAreRefusedBeforeTheyAreHeld) {
  EXPECT_EQ(RecordsIn(EncodeRecords(BatchAt(Offset(0), {"a"}, GetParam(), kDecodedHeadersMax), Offset(0), 1).value()), 1u);
  const auto refused = EncodeRecords(BatchAt(Offset(0), {"a"}, GetParam(), kDecodedHeadersMax + 1), Offset(0), 1);
  EXPECT_EQ(ReasonOf(refused.status()), Reason::kCorruptMessage);
  EXPECT_THAT(MessageOf(refused.status()), HasSubstr("too many headers"));
}

INSTANTIATE_TEST_SUITE_P(Compressed, DecodedRecordsTest, ::testing::Values(Codec::kGzip, Codec::kSnappy, Codec::kLz4, Codec::kZstd),
                         [](const auto& codec) { return std::string(CodecName(codec.param)); });

}  // namespace
}  // namespace cordwood::broker
