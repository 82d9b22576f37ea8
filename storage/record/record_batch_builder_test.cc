// SPDX-License-Identifier: Apache-2.0
// Facts about building: the format byte by byte, sizes announced before, reuse.
#include "storage/record/record_batch_builder.h"

#include <gtest/gtest.h>

#include "absl/strings/escaping.h"
#include "storage/record/batches_for_test.h"

namespace cordwood {
namespace {

// Made by an independent encoder; the worked example of docs/reference/on-disk-format.md.
constexpr char kGoldenHex[] =
    "0000000000000000"                            // base offset 0
    "0000005c"                                    // 92 bytes follow
    "ffffffff"                                    // leader epoch -1
    "02"                                          // magic
    "02c4f50d"                                    // CRC-32C of all that follows
    "0000"                                        // attributes: no codec, CreateTime
    "00000002"                                    // last offset delta
    "0000018bcfe56800"                            // base timestamp 1 700 000 000 000
    "0000018bcfe56864"                            // max timestamp, 100 later
    "0000000000001267"                            // producer id 4711
    "0003"                                        // producer epoch
    "0000002a"                                    // base sequence 42
    "00000003"                                    // record count
    "1a" "00" "00" "00" "04" "6b31" "0a" "68656c6c6f" "00"          // +0 ms, "k1", "hello"
    "26" "00" "c801" "02" "01" "0a" "776f726c64" "04"               // +100 ms, null key, "world", two headers:
    "02" "68" "02" "76" "02" "6e" "01"                              //   h = "v", n = null
    "10" "00" "63" "04" "04" "6b31" "01" "00";                      // -50 ms, "k1", null value

RecordView Record(std::string_view value) { return {Offset(0), kTestMs, std::nullopt, value, {}}; }

TEST(RecordBatchBuilderTest, BatchHasTheFormatsBytes) {
  const std::string golden = absl::HexStringToBytes(kGoldenHex);
  EXPECT_EQ(absl::BytesToHexString(BuildBatch(ThreeRecords(), Codec::kNone, kTestProducer)), absl::BytesToHexString(golden));
}

TEST(RecordBatchBuilderTest, EachRecordAddsTheBytesItAnnounced) {
  RecordBatchBuilder builder;
  EXPECT_EQ(builder.plain_bytes(), kBatchHeaderBytes);
  for (const std::size_t size : {0u, 1u, 50u, 63u, 64u, 127u, 5000u, 9000u, 100'000u}) {
    const std::string value(size, 'v');
    RecordView record{Offset(0), kTestMs + static_cast<std::int64_t>(size) * 1000, value, value, {{value, value}}};
    const std::size_t before = builder.plain_bytes(), announced = builder.RecordBytes(record);
    builder.Add(record);
    EXPECT_EQ(builder.plain_bytes(), before + announced);
  }
  const std::size_t announced = builder.plain_bytes();
  EXPECT_EQ(builder.Build(Codec::kNone, {})->size(), announced);
}

TEST(RecordBatchBuilderTest, BuilderIsEmptyAfterBuildAndUsedAgain) {
  RecordBatchBuilder builder;
  builder.Add(Record("a"));
  builder.Add(Record("b"));
  EXPECT_EQ(builder.count(), 2);
  const SharedBytes first = *builder.Build(Codec::kZstd, kTestProducer);
  EXPECT_TRUE(builder.empty());
  EXPECT_EQ(builder.plain_bytes(), kBatchHeaderBytes);
  for (const RecordView& record : ThreeRecords()) builder.Add(record);
  EXPECT_EQ(builder.Build(Codec::kNone, kTestProducer)->view(), BuildBatch(ThreeRecords(), Codec::kNone, kTestProducer));
  EXPECT_TRUE(RecordBatchView::Parse(first.view())->CheckCrc().ok());
}

TEST(RecordBatchBuilderTest, HeadroomStandsBeforeTheBatch) {
  RecordBatchBuilder builder;
  for (const RecordView& record : ThreeRecords()) builder.Add(record);
  const SharedBytes block = *builder.Build(Codec::kNone, kTestProducer, 16);
  EXPECT_EQ(block.view().substr(16), BuildBatch(ThreeRecords(), Codec::kNone, kTestProducer));
  EXPECT_TRUE(block.unique());
}

TEST(RecordBatchBuilderTest, MaxTimestampIsTheLatestNotTheLast) {
  const std::string bytes = BuildBatch(ThreeRecords());
  EXPECT_EQ(RecordBatchView::Parse(bytes)->max_timestamp_ms(), kTestMs + 100);
  const std::string older = BuildBatch({{Offset(0), 5, "k", "v", {}}, {Offset(0), 3, "k", "v", {}}});
  EXPECT_EQ(RecordBatchView::Parse(older)->max_timestamp_ms(), 5);
}

TEST(RecordBatchBuilderTest, CompressionShrinksRepetitiveRecords) {
  const std::vector<RecordView> records(100, Record("the same line again and again"));
  const std::size_t plain = BuildBatch(records).size();
  for (const Codec codec : kAllCodecs) {
    const std::string bytes = BuildBatch(records, codec);
    EXPECT_EQ(RecordBatchView::Parse(bytes)->codec(), codec);
    EXPECT_LE(bytes.size(), codec == Codec::kNone ? plain : plain / 2) << CodecName(codec);
  }
}

TEST(RecordBatchBuilderDeathTest, EmptyBatchIsABug) {
  EXPECT_DEATH((void)RecordBatchBuilder().Build(Codec::kNone, {}), "check failed: count_ > 0");
}

}  // namespace
}  // namespace cordwood
