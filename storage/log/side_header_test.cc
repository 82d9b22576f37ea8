// SPDX-License-Identifier: Apache-2.0
// A stored batch byte for byte, and that its two checksums together leave no byte unwatched.
#include "storage/log/side_header.h"

#include <gtest/gtest.h>

#include <string>

#include "storage/log/test_bytes.h"
#include "storage/record/record_batch_builder.h"

namespace cordwood {
namespace {

// One record "k" = "value" at offset 1001, leader epoch 3, producer 42 epoch 0 sequence 0.
std::string StoredBatch() {
  RecordBatchBuilder builder;
  RecordView record;
  record.timestamp_ms = 1'700'000'000'000;
  record.key = "k";
  record.value = "value";
  builder.Add(record);
  SharedBytes value = builder.Build(Codec::kNone, {ProducerId(42), ProducerEpoch(0), Sequence(0)}, kSideHeaderBytes).value();
  StampBatch(value.mutable_data() + kSideHeaderBytes, Offset(1001), LeaderEpoch(3));
  WriteSideHeader(value.mutable_data(), {1'700'000'000'123});
  return std::string(value.view());
}

// The worked example of docs/reference/on-disk-format.md.
TEST(SideHeaderTest, StoredBatchIsAsDocumented) {
  const std::string value = StoredBatch();
  EXPECT_EQ(ToHex(value.substr(0, 16)), "01" "00" "0000" "dbb9fab1" "0000018bcfe5687b");
  EXPECT_EQ(ToHex(value.substr(16, 61)), "00000000000003e9" "0000003e" "00000003" "02" "eafece60" "0000" "00000000"
                                            "0000018bcfe56800" "0000018bcfe56800" "000000000000002a" "0000" "00000000" "00000001");
  EXPECT_EQ(ToHex(value.substr(77)), "18" "00" "00" "00" "02" "6b" "0a" "76616c7565" "00");
}

TEST(SideHeaderTest, ReadGivesBackTheAppendTime) {
  const auto header = ReadSideHeader(StoredBatch());
  ASSERT_TRUE(header.ok()) << header.status();
  EXPECT_EQ(header->append_ms, 1'700'000'000'123);
}

TEST(SideHeaderTest, BatchFollowsTheSideHeader) {
  const std::string value = StoredBatch();
  const auto batch = RecordBatchView::Parse(BatchOf(value));
  ASSERT_TRUE(batch.ok()) << batch.status();
  EXPECT_EQ(batch->base_offset(), Offset(1001));
  EXPECT_EQ(batch->leader_epoch(), LeaderEpoch(3));
  EXPECT_TRUE(batch->CheckCrc().ok());
}

TEST(SideHeaderTest, RoomIsOverwrittenWhateverItHeld) {
  std::string value = StoredBatch();
  value.replace(0, kSideHeaderBytes, kSideHeaderBytes, '\xAB');
  WriteSideHeader(value.data(), {1'700'000'000'123});
  EXPECT_EQ(value, StoredBatch());
}

TEST(SideHeaderTest, EveryFlippedByteOfHeaderOrStampIsStorageError) {
  const std::string covered = StoredBatch().substr(0, kSideHeaderBytes + 17);
  ASSERT_TRUE(ReadSideHeader(covered).ok());
  for (const std::string& value : FlippedBytes(covered)) EXPECT_EQ(ReasonOf(ReadSideHeader(value).status()), Reason::kStorageError);
}

TEST(SideHeaderTest, EveryByteOfAStoredBatchIsUnderOneChecksum) {
  for (const std::string& value : FlippedBytes(StoredBatch())) {
    const auto batch = RecordBatchView::Parse(BatchOf(value));
    EXPECT_FALSE(ReadSideHeader(value).ok() && batch.ok() && batch->CheckCrc().ok()) << ToHex(value);
  }
}

TEST(SideHeaderTest, EveryLengthBelowHeaderAndStampIsStorageError) {
  const std::string covered = StoredBatch().substr(0, kSideHeaderBytes + 17);
  for (std::size_t length = 0; length < covered.size(); ++length) {
    EXPECT_EQ(ReasonOf(ReadSideHeader(covered.substr(0, length)).status()), Reason::kStorageError) << length;
  }
}

TEST(SideHeaderTest, ZeroedPageIsStorageError) {
  EXPECT_EQ(ReasonOf(ReadSideHeader(std::string(4096, '\0')).status()), Reason::kStorageError);
}

TEST(SideHeaderTest, UnknownFormatIsNamed) {
  std::string value = StoredBatch();
  value[0] = 2;
  EXPECT_EQ(MessageOf(ReadSideHeader(value).status()), "side header of format 2 with flags 0: damaged, or written by a newer version");
}

}  // namespace
}  // namespace cordwood
