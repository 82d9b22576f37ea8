// SPDX-License-Identifier: Apache-2.0
// Appending, closing, reopening: the log that is rebuilt equals the log that was.
#include "storage/shard/partition_log.h"

#include <limits>

#include "storage/log/keys.h"
#include "storage/shard/partition_catalog.h"
#include "storage/shard/testing/shard_fixture.h"

namespace cordwood::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class PartitionLogTest : public ShardFixture {
 protected:
  PartitionLogTest() { options_.write_buffer_bytes = 1 << 20; }

  std::string Producers() const { return log_->producers().Encode(log_->log_end()); }
  // Everything that is derived from the log, before and after `restart`.
  template <class Restart>
  void ExpectRebuiltAsItWas(Restart restart) {
    const PartitionCheckpoint before = log_->Checkpoint(true, Offset(0));
    const std::string producers = Producers();
    const std::string epochs = log_->epochs().Encode();
    restart();
    ASSERT_OK(log_->Invariants());
    const PartitionCheckpoint after = log_->Checkpoint(true, Offset(0));
    EXPECT_EQ(Encode(after), Encode(before));
    EXPECT_EQ(Producers(), producers);
    EXPECT_EQ(log_->epochs().Encode(), epochs);
  }
  void Close(Offset high_watermark) {
    WriteGroup group;
    log_->StageClose(group, high_watermark);
    ASSERT_OK(CommitGroup(group));
    log_.reset();
  }
  // `count` batches of 100 KB by two producers, each with a time of its own.
  void AppendMany(int count) {
    for (int i = 0; i < count; ++i) {
      const std::int32_t sequence = sequence_[i % 2]++;
      ASSERT_OK(Append(BatchOfText({std::string(100'000, 'x')}, 10'000 + i, Stamp(40 + i % 2, sequence)), 20'000 + i).status());
    }
  }
  PartitionStub Stub() {
    const auto stubs = ReadPartitionStubs(*store_).value();
    EXPECT_EQ(stubs.size(), 1u);
    return stubs[0];
  }
  std::int32_t sequence_[2] = {0, 0};
};

TEST_F(PartitionLogTest, ANewPartitionIsEmpty) {
  Start();
  EXPECT_EQ(log_->log_start(), Offset(0));
  EXPECT_EQ(log_->log_end(), Offset(0));
  EXPECT_THAT(ReadAll(), IsEmpty());
  ASSERT_OK(log_->Invariants());
}

TEST_F(PartitionLogTest, APartitionThatIsNotThereIsNamed) {
  ASSERT_OK(Open());
  const Status refused = OpenLog(PartitionId(99));
  EXPECT_THAT(refused, FailsWith(Reason::kStorageError));
  EXPECT_THAT(MessageOf(refused), HasSubstr("partition 99"));
}

TEST_F(PartitionLogTest, BatchesGetConsecutiveOffsets) {
  Start();
  EXPECT_THAT(Append(BatchOfText({"a", "b", "c"}))->base_offsets, ElementsAre(Offset(0)));
  SharedBytes entry[] = {BatchOfText({"d"}), BatchOfText({"e", "f"})};
  const StagedAppend staged = AppendEntry(entry).value();
  EXPECT_THAT(staged.base_offsets, ElementsAre(Offset(3), Offset(4)));
  EXPECT_EQ(staged.end, Offset(6));
  EXPECT_THAT(ReadAll(), ElementsAre("a", "b", "c", "d", "e", "f"));
  EXPECT_THAT(ReadAll(Offset(4)), ElementsAre("e", "f"));
}

TEST_F(PartitionLogTest, AnAppendIsVisibleOnceItIsCommitted) {
  Start();
  SharedBytes value = BatchOfText({"a"});
  WriteGroup group;
  ASSERT_OK(log_->StageAppend(group, {&value, 1}, LeaderEpoch(0), 1, false).status());
  EXPECT_EQ(log_->log_end(), Offset(1));
  EXPECT_EQ(log_->written_end(), Offset(0));
  ASSERT_OK(Commit(group));
  EXPECT_EQ(log_->written_end(), Offset(1));
  EXPECT_EQ(log_->synced_end(), Offset(0));
  log_->OnSynced();
  EXPECT_EQ(log_->synced_end(), Offset(1));
}

TEST_F(PartitionLogTest, ADuplicateIsAnsweredWithItsOffsetAndNotAppended) {
  Start();
  ASSERT_OK(Append(BatchOfText({"a", "b"}, 1, Stamp(9, 0))).status());
  const StagedAppend again = Append(BatchOfText({"a", "b"}, 1, Stamp(9, 0))).value();
  EXPECT_TRUE(again.duplicates[0]);
  EXPECT_EQ(again.base_offsets[0], Offset(0));
  EXPECT_EQ(again.end, Offset(2));
  EXPECT_EQ(again.append_ms, -1);
  EXPECT_THAT(ReadAll(), ElementsAre("a", "b"));
}

TEST_F(PartitionLogTest, ADuplicateIsKnownAfterACrash) {
  Start();
  ASSERT_OK(Append(BatchOfText({"a"}, 1, Stamp(9, 0))).status());
  Reopen();
  EXPECT_TRUE(Append(BatchOfText({"a"}, 1, Stamp(9, 0)))->duplicates[0]);
  EXPECT_THAT(Append(BatchOfText({"c"}, 1, Stamp(9, 2))).status(), FailsWith(Reason::kOutOfOrderSequence));
  EXPECT_THAT(ReadAll(), ElementsAre("a"));
}

TEST_F(PartitionLogTest, ARefusedEntryAppendsNothing) {
  Start();
  SharedBytes entry[] = {BatchOfText({"a"}, 1, Stamp(9, 0)), BatchOfText({"b"}, 1, Stamp(9, 5))};
  EXPECT_THAT(AppendEntry(entry).status(), FailsWith(Reason::kOutOfOrderSequence));
  EXPECT_EQ(log_->log_end(), Offset(0));
}

TEST_F(PartitionLogTest, TheAppendTimeNeverGoesBack) {
  Start();
  ASSERT_OK(Append("a", 9000).status());
  EXPECT_EQ(Append("b", 8000)->append_ms, 9000);
  EXPECT_EQ(log_->last_append_ms(), 9000);
}

TEST_F(PartitionLogTest, LogAppendTimeIsWrittenIntoTheBatch) {
  Start();
  SharedBytes value = BatchOfText({"a"}, 123);
  WriteGroup group;
  ASSERT_OK(log_->StageAppend(group, {&value, 1}, LeaderEpoch(0), 7777, /*log_append_time=*/true).status());
  ASSERT_OK(Commit(group));
  EXPECT_EQ(log_->max_timestamp_ms(), 7777);
  EXPECT_THAT(ReadAll(), ElementsAre("a"));
}

TEST_F(PartitionLogTest, TheLastOffsetIsTheLargestInteger) {
  Start();
  PartitionCheckpoint checkpoint;
  checkpoint.log_start = checkpoint.log_end = Offset(std::numeric_limits<std::int64_t>::max() - 1);
  WriteGroup group;
  group.Put(PartitionKey(MetadataKind::kCheckpoint, kPartition).view(), Encode(checkpoint));
  ASSERT_OK(CommitGroup(group));
  ASSERT_OK(OpenLog());
  EXPECT_THAT(Append(BatchOfText({"a", "b"})).status(), FailsWith(Reason::kInvalidRecord));
  ASSERT_OK(Append("last").status());
  EXPECT_THAT(Append("one more").status(), FailsWith(Reason::kInvalidRecord));
}

TEST_F(PartitionLogTest, IsRebuiltAfterACrashAsItWas) {
  Start();
  AppendMany(35);
  ExpectRebuiltAsItWas([&] { Reopen(); });
  AppendMany(1);
  ExpectRebuiltAsItWas([&] { Reopen(); });
}

TEST_F(PartitionLogTest, IsRebuiltAfterAnIdleCloseAsItWas) {
  Start();
  AppendMany(13);
  ExpectRebuiltAsItWas([&] {
    Close(Offset(13));
    ASSERT_OK(OpenLog());
  });
}

TEST_F(PartitionLogTest, AClosedStubSaysItAll) {
  Start();
  AppendMany(3);
  EXPECT_TRUE(Stub().checkpoint.open);
  Close(Offset(2));
  const PartitionCheckpoint stub = Stub().checkpoint;
  EXPECT_FALSE(stub.open);
  EXPECT_EQ(stub.log_end, Offset(3));
  EXPECT_EQ(stub.high_watermark, Offset(2));
  EXPECT_GT(stub.bytes, 300'000u);
  EXPECT_EQ(stub.max_timestamp_ms, 10'002);
  EXPECT_EQ(stub.first_append_ms, 20'000);
  EXPECT_EQ(stub.last_append_ms, 20'002);
}

TEST_F(PartitionLogTest, EpochsAndTheFloorAreStoredWithTheFirstBatch) {
  Start();
  ASSERT_OK(Append("a", 1, LeaderEpoch(2)).status());
  ASSERT_OK(Append("b", 1, LeaderEpoch(2)).status());
  ASSERT_OK(Append("c", 1, LeaderEpoch(5)).status());
  Reopen();
  EXPECT_THAT(log_->epochs().entries(), ElementsAre(EpochStart{LeaderEpoch(2), Offset(0)}, EpochStart{LeaderEpoch(5), Offset(2)}));
  EXPECT_EQ(store_->epoch_floor(), LeaderEpoch(6));  // 5, and 1 for the unclean stop
}

TEST_F(PartitionLogTest, ADeletedPartitionIsGone) {
  Start();
  AppendMany(12);
  log_.reset();
  WriteGroup group;
  PartitionLog::StageDelete(group, kPartition);
  ASSERT_OK(CommitGroup(group));
  EXPECT_THAT(OpenLog(), FailsWith(Reason::kStorageError));
  Create();
  ASSERT_OK(OpenLog());
  EXPECT_EQ(log_->log_end(), Offset(0));
  EXPECT_THAT(ReadPartitionStubs(*store_).value(), ::testing::SizeIs(1));
}

TEST_F(PartitionLogTest, AMissingBatchStopsTheOpeningByName) {
  Start();
  for (const char* value : {"a", "b", "c"}) ASSERT_OK(Append(value).status());
  WriteGroup group;
  group.Delete(BatchKey(kPartition, Offset(1)).view());
  ASSERT_OK(CommitGroup(group));
  const Status refused = OpenLog();
  EXPECT_THAT(refused, FailsWith(Reason::kStorageError));
  EXPECT_THAT(MessageOf(refused), ::testing::AllOf(HasSubstr("partition 7"), HasSubstr("expected offset 1")));
}

TEST_F(PartitionLogTest, AStoredBatchWithoutAnEndStopsTheOpeningByName) {
  Start();
  const Offset last(std::numeric_limits<std::int64_t>::max());
  SharedBytes value = BatchOfText({"a"});
  StampBatch(value.mutable_data() + kSideHeaderBytes, last, LeaderEpoch(0));
  WriteSideHeader(value.mutable_data(), SideHeader{5000});
  WriteGroup group;
  group.Put(BatchKey(kPartition, last).view(), value.view());
  ASSERT_OK(CommitGroup(group));
  const Status refused = OpenLog();
  EXPECT_THAT(refused, FailsWith(Reason::kStorageError));
  EXPECT_THAT(MessageOf(refused), HasSubstr("ends beyond the largest offset"));
}

TEST_F(PartitionLogTest, ACheckpointWithMoreBytesGoneThanAppendedStopsTheOpeningByName) {
  Start();
  ASSERT_OK(Append("a").status());
  PartitionCheckpoint checkpoint = log_->Checkpoint(false, Offset(1));
  checkpoint.bytes = checkpoint.bytes_before_start = log_->total_bytes() + 1;
  WriteGroup group;
  group.Put(PartitionKey(MetadataKind::kCheckpoint, kPartition).view(), Encode(checkpoint));
  ASSERT_OK(CommitGroup(group));
  const Status refused = OpenLog();
  EXPECT_THAT(refused, FailsWith(Reason::kStorageError));
  EXPECT_THAT(MessageOf(refused), HasSubstr("partition 7: more bytes gone than appended"));
}

TEST_F(PartitionLogTest, NeighboursAreNotTouched) {
  ASSERT_OK(Open());
  for (const std::uint64_t id : {6, 7, 8}) Create(PartitionId(id));
  for (const std::uint64_t id : {6, 8, 7}) {
    ASSERT_OK(OpenLog(PartitionId(id)));
    EXPECT_EQ(log_->log_end(), Offset(0));
    ASSERT_OK(Append(std::to_string(id)).status());
  }
  log_.reset();
  WriteGroup group;
  PartitionLog::StageDelete(group, PartitionId(7));
  ASSERT_OK(CommitGroup(group));
  for (const std::uint64_t id : {6, 8}) {
    ASSERT_OK(OpenLog(PartitionId(id)));
    EXPECT_THAT(ReadAll(Offset(0), PartitionId(id)), ElementsAre(std::to_string(id)));
  }
}

}  // namespace
}  // namespace cordwood::testing
