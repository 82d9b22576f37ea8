// SPDX-License-Identifier: Apache-2.0
// The metadata values byte for byte, and what is refused.
#include "storage/log/partition_records.h"

#include <gtest/gtest.h>

#include <string>

#include "storage/log/test_bytes.h"

namespace cordwood {
namespace {

constexpr std::string_view kTopicHex = "11111111222243338444555555555555";
constexpr std::string_view kLogHex = "aaaaaaaabbbb4ccc8dddeeeeeeeeeeee";

Uuid UuidOf(std::string_view hex) {
  Uuid id;
  EXPECT_TRUE(Uuid::FromBytes(FromHex(hex), &id));
  return id;
}

const ShardIdentity kShard{1, ShardKind::kLog, ShardId(3), UuidOf(kTopicHex)};
const PartitionIdentity kPartition{UuidOf(kTopicHex), PartitionIndex(5), 1'700'000'000'000, UuidOf(kLogHex)};
const PartitionCheckpoint kClosed{false, Offset(100), Offset(1001), Offset(1001), 4096, 512, 1'700'000'000'000, 1'700'000'000'100,
                                  1'700'000'000'123};
const IndexEntry kIndexed{Offset(1001), 1'700'000'000'000, 1'700'000'000'123, 1'048'700};

// Wrong lengths are refused; a flipped byte is refused, or gives another value that encodes to exactly these bytes.
template <class DecodeFn, class EncodeFn>
void ExpectNoDamagePasses(const std::string& good, DecodeFn decode, EncodeFn encode) {
  for (const std::string& value : WrongLengths(good)) EXPECT_EQ(ReasonOf(decode(value).status()), Reason::kStorageError) << value.size();
  for (const std::string& value : FlippedBytes(good)) {
    const auto decoded = decode(value);
    if (decoded.ok()) {
      EXPECT_EQ(ToHex(encode(*decoded)), ToHex(value));
    }
  }
}

TEST(ShardIdentityTest, BytesAreAsDocumented) {
  EXPECT_EQ(ToHex(Encode(kShard)), "0001"  "00"  "00000003"  "11111111222243338444555555555555");
}

TEST(ShardIdentityTest, DecodeGivesBackEveryField) {
  const ShardIdentity decoded = DecodeShardIdentity(Encode(kShard)).value();
  EXPECT_EQ(decoded.format, 1);
  EXPECT_EQ(decoded.kind, ShardKind::kLog);
  EXPECT_EQ(decoded.shard, ShardId(3));
  EXPECT_EQ(decoded.data_dir_id, kShard.data_dir_id);
}

TEST(ShardIdentityTest, DamageIsRefusedOrAnotherValue) {
  ExpectNoDamagePasses(Encode(kShard), DecodeShardIdentity, [](const ShardIdentity& v) { return Encode(v); });
}

TEST(ShardIdentityTest, NewerFormatIsNamedWhateverItsLength) {
  ShardIdentity newer = kShard;
  newer.format = 2;
  EXPECT_EQ(ReasonOf(DecodeShardIdentity(Encode(newer)).status()), Reason::kFormatTooNew);
  EXPECT_EQ(ReasonOf(DecodeShardIdentity(Encode(newer) + "more").status()), Reason::kFormatTooNew);
}

TEST(ShardIdentityTest, UnknownKindAndFormatZeroAreRefused) {
  ShardIdentity odd = kShard;
  odd.kind = ShardKind{2};
  EXPECT_EQ(ReasonOf(DecodeShardIdentity(Encode(odd)).status()), Reason::kStorageError);
  odd = kShard;
  odd.format = 0;
  EXPECT_EQ(ReasonOf(DecodeShardIdentity(Encode(odd)).status()), Reason::kStorageError);
}

TEST(PartitionIdentityTest, BytesAreAsDocumented) {
  EXPECT_EQ(ToHex(Encode(kPartition)),
            "11111111222243338444555555555555"  "00000005"  "00"  "0000018bcfe56800"  "aaaaaaaabbbb4ccc8dddeeeeeeeeeeee");
}

TEST(PartitionIdentityTest, DecodeGivesBackEveryField) {
  const PartitionIdentity decoded = DecodePartitionIdentity(Encode(kPartition)).value();
  EXPECT_EQ(decoded.topic_id, kPartition.topic_id);
  EXPECT_EQ(decoded.index, PartitionIndex(5));
  EXPECT_EQ(decoded.created_ms, 1'700'000'000'000);
  EXPECT_EQ(decoded.log_id, kPartition.log_id);
}

TEST(PartitionIdentityTest, DamageIsRefusedOrAnotherValue) {
  ExpectNoDamagePasses(Encode(kPartition), DecodePartitionIdentity, [](const PartitionIdentity& v) { return Encode(v); });
}

TEST(PartitionIdentityTest, NegativeIndexIsRefused) {
  PartitionIdentity odd = kPartition;
  odd.index = PartitionIndex(-1);
  EXPECT_EQ(ReasonOf(DecodePartitionIdentity(Encode(odd)).status()), Reason::kStorageError);
}

TEST(PartitionCheckpointTest, BytesAreAsDocumented) {
  EXPECT_EQ(ToHex(Encode(kClosed)),
            "00"  "0000000000000064"  "00000000000003e9"  "00000000000003e9"  "0000000000001000"  "0000000000000200"
            "0000018bcfe56800"  "0000018bcfe56864"  "0000018bcfe5687b");
}

TEST(PartitionCheckpointTest, DecodeGivesBackEveryField) {
  const PartitionCheckpoint decoded = DecodePartitionCheckpoint(Encode(kClosed)).value();
  EXPECT_FALSE(decoded.open);
  EXPECT_EQ(decoded.log_start, Offset(100));
  EXPECT_EQ(decoded.log_end, Offset(1001));
  EXPECT_EQ(decoded.high_watermark, Offset(1001));
  EXPECT_EQ(decoded.bytes, 4096u);
  EXPECT_EQ(decoded.bytes_before_start, 512u);
  EXPECT_EQ(decoded.max_timestamp_ms, 1'700'000'000'000);
  EXPECT_EQ(decoded.first_append_ms, 1'700'000'000'100);
  EXPECT_EQ(decoded.last_append_ms, 1'700'000'000'123);
}

TEST(PartitionCheckpointTest, DamageIsRefusedOrAnotherValue) {
  ExpectNoDamagePasses(Encode(kClosed), DecodePartitionCheckpoint, [](const PartitionCheckpoint& v) { return Encode(v); });
}

TEST(PartitionCheckpointTest, LogStartMayPassAnOldEndOnlyWhileOpen) {
  PartitionCheckpoint moved = kClosed;
  moved.log_start = Offset(2000);
  EXPECT_EQ(ReasonOf(DecodePartitionCheckpoint(Encode(moved)).status()), Reason::kStorageError);
  moved.open = true;
  EXPECT_EQ(DecodePartitionCheckpoint(Encode(moved))->log_start, Offset(2000));
}

TEST(PartitionCheckpointTest, HighWatermarkAboveTheEndIsRefused) {
  PartitionCheckpoint odd = kClosed;
  odd.high_watermark = Offset(1002);
  EXPECT_EQ(ReasonOf(DecodePartitionCheckpoint(Encode(odd)).status()), Reason::kStorageError);
}

TEST(IndexEntryTest, BytesAreAsDocumented) {
  EXPECT_EQ(ToHex(EncodeIndexValue(kIndexed)), "0000018bcfe56800"  "0000018bcfe5687b"  "000000000010007c");
}

TEST(IndexEntryTest, DecodeGivesBackEveryField) {
  const IndexEntry decoded = DecodeIndexValue(Offset(1001), EncodeIndexValue(kIndexed)).value();
  EXPECT_EQ(decoded.offset, Offset(1001));
  EXPECT_EQ(decoded.max_timestamp_ms, 1'700'000'000'000);
  EXPECT_EQ(decoded.append_ms, 1'700'000'000'123);
  EXPECT_EQ(decoded.bytes_before, 1'048'700u);
}

TEST(IndexEntryTest, DamageIsRefusedOrAnotherValue) {
  ExpectNoDamagePasses(
      EncodeIndexValue(kIndexed), [](std::string_view value) { return DecodeIndexValue(Offset(1001), value); },
      [](const IndexEntry& v) { return EncodeIndexValue(v); });
}

}  // namespace
}  // namespace cordwood
