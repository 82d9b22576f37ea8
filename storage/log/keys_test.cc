// SPDX-License-Identifier: Apache-2.0
// The bytes of every key, their order, and that nothing else is taken for one.
#include "storage/log/keys.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "storage/log/test_bytes.h"

namespace cordwood {
namespace {

TEST(KeysTest, BytesAreAsDocumented) {
  EXPECT_EQ(ToHex(BatchKey(PartitionId(7), Offset(1001)).view()), "000000000000000700000000000003e9");
  EXPECT_EQ(ToHex(PartitionPrefix(PartitionId(7)).view()), "0000000000000007");
  EXPECT_EQ(ToHex(ShardKey(MetadataKind::kShardIdentity).view()), "ff00");
  EXPECT_EQ(ToHex(ShardKey(MetadataKind::kEpochFloor).view()), "ff01");
  EXPECT_EQ(ToHex(ShardKey(MetadataKind::kNextPartitionId).view()), "ff02");
  EXPECT_EQ(ToHex(ShardKey(MetadataKind::kCleanStop).view()), "ff03");
  EXPECT_EQ(ToHex(PartitionKey(MetadataKind::kIdentity, PartitionId(7)).view()), "ff100000000000000007");
  EXPECT_EQ(ToHex(PartitionKey(MetadataKind::kCheckpoint, PartitionId(7)).view()), "ff110000000000000007");
  EXPECT_EQ(ToHex(PartitionKey(MetadataKind::kEpochs, PartitionId(7)).view()), "ff120000000000000007");
  EXPECT_EQ(ToHex(PartitionKey(MetadataKind::kProducers, PartitionId(7)).view()), "ff130000000000000007");
  EXPECT_EQ(ToHex(PartitionKey(MetadataKind::kCleaning, PartitionId(7)).view()), "ff150000000000000007");
  EXPECT_EQ(ToHex(IndexKey(PartitionId(7), Offset(1001)).view()), "ff14000000000000000700000000000003e9");
}

TEST(KeysTest, SortByPartitionThenOffsetThenMetadata) {
  const std::vector<std::string> sorted = {
      std::string(PartitionPrefix(PartitionId(1)).view()),
      std::string(BatchKey(PartitionId(1), Offset(0)).view()),
      std::string(BatchKey(PartitionId(1), Offset(255)).view()),
      std::string(BatchKey(PartitionId(1), Offset(256)).view()),
      std::string(BatchKey(PartitionId(1), Offset(INT64_MAX)).view()),
      std::string(PartitionPrefix(PartitionId(2)).view()),
      std::string(BatchKey(PartitionId(2), Offset(0)).view()),
      std::string(BatchKey(kPartitionIdMax, Offset(INT64_MAX)).view()),
      std::string(PartitionPrefix(kPartitionIdMax + 1).view()),
      std::string(ShardKey(MetadataKind::kShardIdentity).view()),
      std::string(PartitionKey(MetadataKind::kIdentity, PartitionId(1)).view()),
      std::string(IndexKey(PartitionId(1), Offset(5)).view()),
      std::string(IndexKey(PartitionId(1), Offset(6)).view()),
      std::string(PartitionKey(MetadataKind::kIndex, PartitionId(2)).view()),
      std::string(IndexKey(PartitionId(2), Offset(0)).view())};
  for (std::size_t i = 1; i < sorted.size(); ++i) EXPECT_LT(sorted[i - 1], sorted[i]) << i;
}

// A seek to (partition, offset) must land on the batch whose last offset is the first at or above it.
TEST(KeysTest, LastOffsetInTheKeyMakesSeekLandOnTheContainingBatch) {
  const auto wanted = BatchKey(PartitionId(1), Offset(15));
  EXPECT_LT(BatchKey(PartitionId(1), Offset(9)).view(), wanted.view());   // batch 0-9
  EXPECT_GE(BatchKey(PartitionId(1), Offset(19)).view(), wanted.view());  // batch 10-19
}

TEST(KeysTest, ParseGivesBackWhatWasPutIn) {
  for (const PartitionId partition : {PartitionId(1), PartitionId(0x1234'5678), kPartitionIdMax}) {
    for (const Offset offset : {Offset(0), Offset(1001), Offset(INT64_MAX)}) {
      const auto batch = ParseBatchKey(BatchKey(partition, offset).view());
      ASSERT_TRUE(batch.has_value());
      EXPECT_EQ(batch->partition, partition);
      EXPECT_EQ(batch->last_offset, offset);
      const auto index = ParseIndexKey(IndexKey(partition, offset).view());
      ASSERT_TRUE(index.has_value());
      EXPECT_EQ(index->partition, partition);
      EXPECT_EQ(index->last_offset, offset);
    }
    EXPECT_EQ(ParsePartitionKey(MetadataKind::kEpochs, PartitionKey(MetadataKind::kEpochs, partition).view()), partition);
  }
}

TEST(KeysTest, ParseTakesNoKeyOfAnotherLengthOrKind) {
  const std::string batch(BatchKey(PartitionId(7), Offset(1)).view());
  for (const std::string& other : WrongLengths(batch)) EXPECT_FALSE(ParseBatchKey(other).has_value()) << other.size();
  const std::string index(IndexKey(PartitionId(7), Offset(1)).view());
  for (const std::string& other : WrongLengths(index)) EXPECT_FALSE(ParseIndexKey(other).has_value()) << other.size();
  const std::string epochs(PartitionKey(MetadataKind::kEpochs, PartitionId(7)).view());
  for (const std::string& other : WrongLengths(epochs)) {
    EXPECT_FALSE(ParsePartitionKey(MetadataKind::kEpochs, other).has_value()) << other.size();
  }
  EXPECT_FALSE(ParsePartitionKey(MetadataKind::kProducers, epochs).has_value());
}

TEST(KeysTest, ParseTakesNoIdOrOffsetOutOfRange) {
  EXPECT_FALSE(ParseBatchKey(FromHex("0100000000000000 0000000000000000")).has_value());
  EXPECT_FALSE(ParseBatchKey(FromHex("0000000000000001 8000000000000000")).has_value());
  EXPECT_FALSE(ParseBatchKey(FromHex("ff00000000000001 0000000000000000")).has_value());
  EXPECT_FALSE(ParseIndexKey(FromHex("ff14 0100000000000000 0000000000000000")).has_value());
  EXPECT_FALSE(ParseIndexKey(FromHex("ff14 0000000000000001 ffffffffffffffff")).has_value());
  EXPECT_FALSE(ParsePartitionKey(MetadataKind::kEpochs, FromHex("ff12 0100000000000000")).has_value());
}

TEST(KeysTest, RangeTombstonesStartOnEveryKeyButABatchKey) {
  EXPECT_FALSE(MayStartRangeTombstone(BatchKey(PartitionId(1), Offset(0)).view()));
  EXPECT_TRUE(MayStartRangeTombstone(PartitionPrefix(PartitionId(1)).view()));
  EXPECT_TRUE(MayStartRangeTombstone(ShardKey(MetadataKind::kShardIdentity).view()));
  EXPECT_TRUE(MayStartRangeTombstone(PartitionKey(MetadataKind::kIndex, PartitionId(1)).view()));
  EXPECT_TRUE(MayStartRangeTombstone(IndexKey(PartitionId(1), Offset(0)).view()));
}

TEST(KeysDeathTest, OutOfRangeIsABugOfTheCaller) {
  EXPECT_DEATH(BatchKey(PartitionId(1), Offset(-1)), "check failed");
  EXPECT_DEATH(BatchKey(kPartitionIdMax + 1, Offset(0)), "check failed");
  EXPECT_DEATH(IndexKey(PartitionId(1), Offset(-1)), "check failed");
}

}  // namespace
}  // namespace cordwood
