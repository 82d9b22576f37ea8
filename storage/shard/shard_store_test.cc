// SPDX-License-Identifier: Apache-2.0
// Commit, throttling, sync, partition ids, and what the start-up scan finds.
#include "storage/shard/shard_store.h"

#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "storage/base/crc32c.h"
#include "storage/log/keys.h"
#include "storage/log/synced_slot.h"
#include "storage/shard/internal/flush_pace.h"
#include "storage/shard/partition_catalog.h"
#include "storage/shard/testing/shard_fixture.h"

namespace cordwood::testing {
namespace {

class ShardStoreTest : public ShardFixture {
 protected:
  // By the two slots that are synced.
  std::uint64_t SyncedSequence() const {
    const std::string bytes = ReadFile(options_.synced_file);
    return std::max(DecodeSyncedSlot(bytes.substr(0, kSyncedSlotUsedBytes)).value(),
                    DecodeSyncedSlot(bytes.substr(kSyncedSlotDistance, kSyncedSlotUsedBytes)).value());
  }
};

TEST_F(ShardStoreTest, ANewShardSaysSo) {
  ASSERT_OK(Open());
  EXPECT_TRUE(store_->recovery().created);
  Crash();
  ASSERT_OK(Open());
  EXPECT_FALSE(store_->recovery().created);
}

TEST_F(ShardStoreTest, RocksDbComputesChecksumsWithOurRoutine) {
  ASSERT_OK(Open());
  EXPECT_TRUE(RocksDbUsesOurCrc32c());
}

TEST_F(ShardStoreTest, ACommittedGroupIsEmptyAgain) {
  ASSERT_OK(Open());
  WriteGroup group;
  PartitionLog::StageCreate(group, kPartition, PartitionIdentity());
  group.AskSync();
  EXPECT_EQ(group.operations(), 2);
  ASSERT_OK(store_->Commit(group));
  EXPECT_TRUE(group.empty());
  EXPECT_FALSE(group.sync_asked());
}

TEST_F(ShardStoreTest, WhoClosesAStoreWaitsForNoPace) {
  Start();
  ASSERT_OK(Append("a").status());
  const auto limiter = store_->db().GetOptions().rate_limiter;
  clock_.Advance(absl::Hours(24));
  CloseStore();
  EXPECT_EQ(limiter->GetBytesPerSecond(), kFlushRateUnlimited);
}

TEST_F(ShardStoreTest, AThrottledGroupIsKeptAndCommitsLater) {
  options_.write_buffer_bytes = 1 << 20;
  options_.write_buffers = 2;
  Start();
  ASSERT_TRUE(store_->db().PauseBackgroundWork().ok());  // so that no flush keeps pace
  bool throttled = false;
  for (int i = 0; i < 20 && !throttled; ++i) {
    SharedBytes value = BatchOfText({std::string(500'000, 'x')});
    WriteGroup group;
    ASSERT_OK(log_->StageAppend(group, {&value, 1}, LeaderEpoch(0), 1, false).status());
    const Status first = store_->Commit(group);
    throttled = ReasonOf(first) == Reason::kThrottled;
    EXPECT_EQ(group.empty(), first.ok());
    if (throttled) {
      ASSERT_TRUE(store_->db().ContinueBackgroundWork().ok());
    }
    ASSERT_OK(Commit(group));
  }
  EXPECT_TRUE(throttled);
  EXPECT_FALSE(store_->poisoned());
  EXPECT_EQ(ReadAll().size(), static_cast<std::size_t>(log_->log_end().value()));
}

TEST_F(ShardStoreTest, TheSyncedFileFollowsAtMostOncePerInterval) {
  Start();
  const std::uint64_t at_open = SyncedSequence();
  clock_.Advance(absl::Seconds(1));
  ASSERT_OK(Append("a").status());
  ASSERT_OK(store_->Tick());
  EXPECT_EQ(SyncedSequence(), at_open);  // nothing was synced yet
  ASSERT_OK(store_->Sync());
  ASSERT_OK(store_->Tick());
  const std::uint64_t after = SyncedSequence();
  EXPECT_GT(after, at_open);
  ASSERT_OK(Append("b").status());
  ASSERT_OK(store_->Sync());
  clock_.Advance(absl::Milliseconds(99));
  ASSERT_OK(store_->Tick());
  EXPECT_EQ(SyncedSequence(), after);
  clock_.Advance(absl::Milliseconds(1));
  ASSERT_OK(store_->Tick());
  EXPECT_GT(SyncedSequence(), after);
}

TEST_F(ShardStoreTest, PartitionIdsAreNeverHandedOutTwice) {
  ASSERT_OK(Open());
  EXPECT_EQ(store_->ReservePartitionIds(3).value(), PartitionId(1));
  EXPECT_EQ(store_->ReservePartitionIds(2000).value(), PartitionId(4));
  EXPECT_EQ(store_->ReservePartitionIds(1).value(), PartitionId(2004));
  Crash();
  ASSERT_OK(Open());
  EXPECT_GE(store_->ReservePartitionIds(1).value(), PartitionId(2005));
}

TEST_F(ShardStoreTest, TheSyncedFileCoversAReservationOfPartitionIdsAtOnce) {
  ASSERT_OK(Open());
  const std::uint64_t at_open = SyncedSequence();
  ASSERT_OK(store_->ReservePartitionIds(1).status());
  const std::uint64_t reserved = SyncedSequence();
  EXPECT_GT(reserved, at_open);
  ASSERT_OK(store_->ReservePartitionIds(1).status());
  EXPECT_EQ(SyncedSequence(), reserved);  // from the same block
}

TEST_F(ShardStoreTest, ManyPartitionsAreListedWithoutBeingOpened) {
  ASSERT_OK(Open());
  WriteGroup group;
  for (std::uint64_t id = 1; id <= 10'000; ++id) {
    PartitionIdentity identity;
    identity.index = PartitionIndex(static_cast<std::int32_t>(id));
    PartitionLog::StageCreate(group, PartitionId(id), identity);
  }
  ASSERT_OK(CommitGroup(group));
  CloseStore();
  ASSERT_OK(Open());
  const auto stubs = ReadPartitionStubs(*store_).value();
  ASSERT_EQ(stubs.size(), 10'000u);
  EXPECT_EQ(stubs[4711].id, PartitionId(4712));
  EXPECT_EQ(stubs[4711].identity.index, PartitionIndex(4712));
}

TEST_F(ShardStoreTest, AnIdentityWithoutCheckpointIsNamed) {
  Start();
  WriteGroup group;
  group.Delete(PartitionKey(MetadataKind::kCheckpoint, kPartition).view());
  ASSERT_OK(CommitGroup(group));
  EXPECT_THAT(MessageOf(ReadPartitionStubs(*store_).status()), ::testing::HasSubstr("partition 7"));
}

// 7.8.3 corrupts its memtable where a range tombstone begins on a key with an insert hint.
TEST(WriteGroupDeathTest, ARangeMustNotBeginOnABatchKey) {
  WriteGroup group;
  EXPECT_DEATH(group.DeleteRange(BatchKey(PartitionId(1), Offset(5)).view(), PartitionPrefix(PartitionId(2)).view()), "MayStartRangeTombstone");
}

}  // namespace
}  // namespace cordwood::testing
