// SPDX-License-Identifier: Apache-2.0
// Moving the log start, dropping what lies below, cutting the tail: what is left is whole, and is rebuilt as it was.
#include <filesystem>

#include "storage/log/keys.h"
#include "storage/shard/internal/partition_records_io.h"
#include "storage/shard/retention.h"
#include "storage/shard/testing/shard_fixture.h"
#include "tests/support/wait_until.h"

namespace cordwood::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class PartitionTrimTest : public ShardFixture {
 protected:
  PartitionTrimTest() { options_.write_buffer_bytes = 1 << 20; }

  // `count` batches of three records each, of 300 KB in all; a batch is named after its first offset.
  void AppendBatches(int count) {
    for (int i = 0; i < count; ++i) {
      std::string value = std::to_string(log_->log_end().value());
      value.resize(100'000, '.');
      const std::int32_t sequence = sequence_;
      sequence_ += 3;
      ASSERT_OK(Append(BatchOfText({value, value, value}, 1000 + sequence, Stamp(5, sequence)), 5000 + sequence).status());
    }
  }
  Status MoveStart(std::int64_t start) {
    WriteGroup group;
    CORDWOOD_RETURN_IF_ERROR(log_->StageLogStart(group, Offset(start)));
    return Commit(group);
  }
  bool Drop() {
    WriteGroup group;
    const bool any = log_->StageDropBelowStart(group);
    EXPECT_OK(CommitGroup(group));
    return any;
  }
  StatusOr<Offset> Truncate(std::int64_t end, std::int32_t epoch = 1) {
    WriteGroup group;
    CORDWOOD_ASSIGN_OR_RETURN(const Offset result, log_->StageTruncate(group, Offset(end), {LeaderEpoch(epoch), Offset(end)}));
    CORDWOOD_RETURN_IF_ERROR(Commit(group));
    return result;
  }
  // The first offsets of the batches from `from` on.
  std::vector<std::string> Batches(std::int64_t from = 0) {
    std::vector<std::string> names;
    for (const std::string& value : ReadAll(Offset(from))) {
      const std::string name = value.substr(0, value.find('.'));
      if (names.empty() || names.back() != name) names.push_back(name);
    }
    return names;
  }
  std::vector<std::int64_t> IndexOffsets() {
    std::vector<std::int64_t> offsets;
    IndexCursor index(*store_, kPartition);
    for (auto entry = index.SeekAtOrAbove(Offset(0)).value(); entry.has_value(); entry = index.Next().value()) {
      offsets.push_back(entry->offset.value());
    }
    return offsets;
  }
  void ExpectRebuiltAsItWas() {
    ASSERT_OK(log_->Invariants());
    const std::string checkpoint = Encode(log_->Checkpoint(true, Offset(0)));
    const std::string producers = log_->producers().Encode(log_->log_end());
    const std::string epochs = log_->epochs().Encode();
    Reopen();
    ASSERT_OK(log_->Invariants());
    EXPECT_EQ(Encode(log_->Checkpoint(true, Offset(0))), checkpoint);
    EXPECT_EQ(log_->producers().Encode(log_->log_end()), producers);
    EXPECT_EQ(log_->epochs().Encode(), epochs);
  }
  void StartWith(int batches) {
    Start();
    AppendBatches(batches);
  }
  std::int32_t sequence_ = 0;
};

TEST_F(PartitionTrimTest, TheIndexHasAnEntryPerMebibyte) {
  StartWith(12);
  EXPECT_THAT(IndexOffsets(), ElementsAre(12, 24, 36));
}

TEST_F(PartitionTrimTest, TheLogStartMovesAndStays) {
  StartWith(8);
  ASSERT_OK(MoveStart(9));
  EXPECT_EQ(log_->log_start(), Offset(9));
  ExpectRebuiltAsItWas();
  EXPECT_EQ(log_->log_start(), Offset(9));
  EXPECT_EQ(log_->size_bytes(), log_->total_bytes() / 8 * 5);
}

TEST_F(PartitionTrimTest, TheLogStartMayLieInsideABatch) {
  StartWith(4);
  ASSERT_OK(MoveStart(7));
  EXPECT_TRUE(Drop());
  EXPECT_THAT(Batches(7), ElementsAre("6", "9"));
  EXPECT_EQ(log_->size_bytes(), log_->total_bytes() / 2);
  ExpectRebuiltAsItWas();
}

TEST_F(PartitionTrimTest, TheLogStartIsKeptInRange) {
  StartWith(4);
  ASSERT_OK(MoveStart(6));
  EXPECT_THAT(MoveStart(5), FailsWith(Reason::kOffsetOutOfRange));
  EXPECT_THAT(MoveStart(13), FailsWith(Reason::kOffsetOutOfRange));
  EXPECT_EQ(log_->log_start(), Offset(6));
}

TEST_F(PartitionTrimTest, EverythingMayGo) {
  StartWith(9);
  ASSERT_OK(MoveStart(27));
  EXPECT_TRUE(Drop());
  EXPECT_EQ(log_->size_bytes(), 0u);
  ExpectRebuiltAsItWas();
  EXPECT_EQ(log_->log_end(), Offset(27));
  AppendBatches(1);
  EXPECT_THAT(Batches(27), ElementsAre("27"));
  ExpectRebuiltAsItWas();
}

TEST_F(PartitionTrimTest, DroppingKeepsTheNewestEntryAtOrBelowTheStart) {
  StartWith(12);
  ASSERT_OK(MoveStart(30));
  EXPECT_TRUE(Drop());
  EXPECT_FALSE(Drop());
  EXPECT_THAT(IndexOffsets(), ElementsAre(30, 36));
  EXPECT_THAT(Batches(30), ElementsAre("30", "33"));
  ExpectRebuiltAsItWas();
  EXPECT_FALSE(Drop());
}

// The disk would never get back what a log with one flipped bit forgets.
TEST_F(PartitionTrimTest, ADamagedBatchBelowTheStartGoesWithTheOthers) {
  StartWith(12);
  WriteGroup damage;
  damage.Put(BatchKey(kPartition, Offset(2)).view(), "no batch");
  ASSERT_OK(CommitGroup(damage));
  ASSERT_OK(MoveStart(24));
  EXPECT_TRUE(Drop());
  EXPECT_THAT(LogReader(*store_).Read(kPartition, {Offset(0), Offset(36), 1}).status().message(), ::testing::HasSubstr("found a batch from 24"));
  EXPECT_THAT(IndexOffsets(), ElementsAre(24, 36));
  ExpectRebuiltAsItWas();
}

TEST_F(PartitionTrimTest, EveryStartLeavesALogThatIsRebuiltAsItWas) {
  StartWith(9);
  for (std::int64_t start = 1; start <= 27; ++start) {
    ASSERT_OK(MoveStart(start));
    if (start % 2 == 0) Drop();
    ExpectRebuiltAsItWas();
    EXPECT_EQ(log_->size_bytes(), log_->total_bytes() / 9 * (9 - static_cast<std::uint64_t>(start / 3))) << start;
  }
}

// From the end, where nothing but the epoch is new, over every place at and inside a batch, to the beginning.
TEST_F(PartitionTrimTest, TruncationRemovesTheBatchesThatEndAboveItAndBeginsTheEpoch) {
  StartWith(10);
  std::vector<std::string> left = Batches();
  for (std::int64_t end = 30; end >= 0; --end) {
    const auto epoch = static_cast<std::int32_t>(31 - end);
    const Offset new_end(end / 3 * 3);
    EXPECT_EQ(Truncate(end, epoch).value(), new_end);
    EXPECT_EQ(log_->log_end(), new_end);
    left.resize(static_cast<std::size_t>(end / 3));
    EXPECT_EQ(Batches(), left);
    EXPECT_THAT(log_->epochs().latest(), EpochStart({LeaderEpoch(epoch), Offset(end)}));
    ExpectRebuiltAsItWas();
  }
}

TEST_F(PartitionTrimTest, TruncatedOffsetsAreWrittenAgain) {
  StartWith(6);
  ASSERT_OK(Truncate(6).status());
  sequence_ = 6;
  AppendBatches(3);
  EXPECT_THAT(Batches(), ElementsAre("0", "3", "6", "9", "12"));
  ExpectRebuiltAsItWas();
}

TEST_F(PartitionTrimTest, TruncationStopsAtTheLogStart) {
  StartWith(6);
  ASSERT_OK(MoveStart(7));
  EXPECT_THAT(Truncate(6).status(), FailsWith(Reason::kOffsetOutOfRange));
  EXPECT_EQ(Truncate(7).value(), Offset(7));
  EXPECT_THAT(Batches(7), IsEmpty());
  ExpectRebuiltAsItWas();
  EXPECT_EQ(log_->log_end(), Offset(7));
}

struct StartInsideABatch {
  int batches;  // of three offsets each; `start` is inside the last
  int start;
  int more;     // batches appended after the first truncation
  int end;      // of the second truncation
};
class TruncationAtStartTest : public PartitionTrimTest, public ::testing::WithParamInterface<StartInsideABatch> {};

// A start inside a batch, that batch truncated, and the same once more: of the place below the start only the index knows, and where the batch was the
// first, not even that. Found by the power-loss campaign.
TEST_P(TruncationAtStartTest, TheHoleBelowTheStartIsNoGapAndTheTruncationMayBeRepeated) {
  const StartInsideABatch& at = GetParam();
  StartWith(at.batches);
  ASSERT_OK(MoveStart(at.start));
  ASSERT_EQ(Truncate(at.start).value(), Offset(at.start));
  sequence_ = 3 * (at.batches - 1);
  AppendBatches(at.more);
  ASSERT_OK(MoveStart(at.start + 1));
  EXPECT_EQ(Truncate(at.end, 2).value(), Offset(at.start + 1));
  ExpectRebuiltAsItWas();
  EXPECT_EQ(log_->log_end(), Offset(at.start + 1));
}

INSTANTIATE_TEST_SUITE_P(Places, TruncationAtStartTest, ::testing::Values(StartInsideABatch{1, 1, 2, 3}, StartInsideABatch{3, 7, 1, 8}));

TEST_F(PartitionTrimTest, RetentionByTimeStopsAtTheFirstYoungEntry) {
  StartWith(12);  // entries at 12, 24, 36, appended at 5009, 5021, 5033
  RetentionQuery query{kPartition, Offset(0), Offset(36), log_->total_bytes(), {1000, -1}};
  EXPECT_EQ(FindRetentionPoint(*store_, query, 6000).value(), std::nullopt);
  EXPECT_EQ(FindRetentionPoint(*store_, query, 6022).value()->offset, Offset(24));
  query.end = Offset(23);
  EXPECT_EQ(FindRetentionPoint(*store_, query, 9000).value()->offset, Offset(12));
}

TEST_F(PartitionTrimTest, RetentionBySizeKeepsAtLeastWhatIsAsked) {
  StartWith(12);
  const auto a_quarter = static_cast<std::int64_t>(log_->total_bytes() / 4);
  RetentionQuery query{kPartition, Offset(0), Offset(36), log_->total_bytes(), {-1, a_quarter}};
  EXPECT_EQ(FindRetentionPoint(*store_, query, 0).value()->offset, Offset(24));
  query.log_start = Offset(24);
  EXPECT_EQ(FindRetentionPoint(*store_, query, 0).value(), std::nullopt);
}

TEST_F(PartitionTrimTest, RetentionGivesTheDiskBack) {
  StartWith(60);  // 18 MB
  ASSERT_TRUE(store_->Reclaim(false).ok());
  const std::uint64_t full = store_->disk_bytes();
  ASSERT_OK(MoveStart(90));
  EXPECT_TRUE(Drop());
  ASSERT_OK(store_->Reclaim(false));
  EXPECT_TRUE(WaitUntil([&] { return store_->disk_bytes() < full * 7 / 10; }));
  EXPECT_THAT(Batches(90).size(), 30u);
}

TEST_F(PartitionTrimTest, ADeletedPartitionGivesTheDiskBack) {
  StartWith(40);
  log_.reset();
  WriteGroup group;
  PartitionLog::StageDelete(group, kPartition);
  ASSERT_OK(CommitGroup(group));
  ASSERT_OK(store_->Reclaim(false));
  EXPECT_TRUE(WaitUntil([&] { return store_->disk_bytes() < 2'000'000u; }));
}

TEST_F(PartitionTrimTest, CancelledReclaimEndsWithAnErrorAndHarmsNothing) {
  StartWith(60);
  ASSERT_OK(MoveStart(90));
  EXPECT_TRUE(Drop());
  const std::uint64_t full = store_->disk_bytes();
  store_->CancelReclaims();
  EXPECT_THAT(store_->Reclaim(false), FailsWith(Reason::kStorageError));
  EXPECT_GT(store_->disk_bytes(), full / 2);  // the flush before it may have freed a write-ahead log, but no batch went
  EXPECT_FALSE(store_->poisoned());
  AppendBatches(1);
  EXPECT_THAT(Batches(90).size(), 31u);
}

// Most partitions forget everything, one forgets nothing and pins every blob file.
TEST_F(PartitionTrimTest, ForcedReclaimFreesPinnedFiles) {
  const auto blob_bytes = [this] {
    std::uint64_t bytes = 0;
    for (const auto& file : std::filesystem::directory_iterator(store_->options().directory)) {
      std::error_code gone;
      const std::uint64_t size = file.path().extension() == ".blob" ? file.file_size(gone) : 0;
      if (!gone) bytes += size;
    }
    return bytes;
  };
  ASSERT_OK(Open());
  Create(PartitionId(1));
  Create();
  auto keeper = PartitionLog::Open(*store_, PartitionId(1), ProducerLimits()).value();
  ASSERT_OK(OpenLog());
  for (int i = 0; i < 40; ++i) {
    AppendBatches(1);
    SharedBytes value = BatchOfText({std::string(20'000, 'k')});
    WriteGroup group;
    ASSERT_OK(keeper->StageAppend(group, {&value, 1}, LeaderEpoch(0), 5000, false).status());
    ASSERT_OK(CommitGroup(group));
  }
  ASSERT_OK(store_->Reclaim(false));
  const std::uint64_t full = blob_bytes();
  ASSERT_OK(MoveStart(120));
  EXPECT_TRUE(Drop());
  ASSERT_OK(store_->Reclaim(false));
  EXPECT_EQ(blob_bytes(), full);
  ASSERT_OK(store_->Reclaim(true));
  EXPECT_TRUE(WaitUntil([&] { return blob_bytes() < full * 9 / 10; }));  // of the older half of the files; how long those are the flushes decide
  EXPECT_EQ(LogReader(*store_).Read(PartitionId(1), {Offset(0), Offset(40), 1 << 30})->next, Offset(40));
}

}  // namespace
}  // namespace cordwood::testing
