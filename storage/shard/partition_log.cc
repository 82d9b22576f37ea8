// SPDX-License-Identifier: Apache-2.0
// Staging: what an append, an epoch and a close put into the group. Opening: partition_log_load.cc; start and end: partition_log_trim.cc.
#include "storage/shard/partition_log.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "storage/base/check.h"
#include "storage/log/keys.h"
#include "storage/log/side_header.h"
#include "storage/record/record_batch.h"
#include "storage/shard/shard_store.h"

namespace cordwood {
namespace {

using Batches = absl::InlinedVector<RecordBatchView, 4>;

// An upper bound, close enough to pace snapshots: 20 bytes and up to 99 per producer.
std::uint64_t SnapshotBytes(const ProducerState& producers) { return 20 + 99 * static_cast<std::uint64_t>(producers.size()); }

StatusOr<Batches> ViewsOf(std::span<SharedBytes> values) {
  Batches batches;
  for (const SharedBytes& value : values) {
    CORDWOOD_CHECK(value.unique() && value.size() > kSideHeaderBytes);
    CORDWOOD_ASSIGN_OR_RETURN(const RecordBatchView batch, RecordBatchView::Parse(BatchOf(value.view())));
    batches.push_back(batch);
  }
  return batches;
}

}  // namespace

PartitionLog::PartitionLog(ShardStore& store, PartitionId id, const ProducerLimits& limits)
    : store_(store), id_(id), limits_(limits), producers_(limits) {}

void PartitionLog::StageCreate(WriteGroup& group, PartitionId id, const PartitionIdentity& identity) {
  group.Put(PartitionKey(MetadataKind::kIdentity, id).view(), Encode(identity));
  group.Put(PartitionKey(MetadataKind::kCheckpoint, id).view(), Encode(PartitionCheckpoint()));
}

void PartitionLog::StageDelete(WriteGroup& group, PartitionId id) {
  group.DeleteRange(PartitionPrefix(id).view(), PartitionPrefix(id + 1).view());
  group.DeleteRange(PartitionKey(MetadataKind::kIndex, id).view(), PartitionKey(MetadataKind::kIndex, id + 1).view());
  for (const MetadataKind kind : {MetadataKind::kIdentity, MetadataKind::kCheckpoint, MetadataKind::kEpochs, MetadataKind::kProducers, MetadataKind::kCleaning}) {
    group.Delete(PartitionKey(kind, id).view());
  }
}

StatusOr<StagedAppend> PartitionLog::StageAppend(WriteGroup& group, std::span<SharedBytes> values, LeaderEpoch epoch,
                                                 std::int64_t wall_ms, bool log_append_time) {
  CORDWOOD_ASSIGN_OR_RETURN(const Batches batches, ViewsOf(values));
  CORDWOOD_ASSIGN_OR_RETURN(const ProducerState::Verdicts verdicts, producers_.Check(batches, std::max(wall_ms, last_append_ms())));
  std::int64_t room = std::numeric_limits<std::int64_t>::max() - log_end_.value();
  bool any_new = false;
  for (std::size_t i = 0; i < batches.size(); ++i) {
    if (verdicts[i].duplicate) continue;
    any_new = true;
    room -= std::int64_t{batches[i].last_offset_delta()} + 1;
    if (room < 0) return Error(Reason::kInvalidRecord, "no offsets are left");
  }

  StagedAppend staged;
  if (any_new) {
    staged.append_ms = std::max(wall_ms, last_append_ms());
    StageFirstAppend(group, staged.append_ms);
    StageEpoch(group, epoch);
  }
  for (std::size_t i = 0; i < batches.size(); ++i) {
    Offset base = verdicts[i].duplicate ? verdicts[i].base_offset : log_end_;
    if (verdicts[i].duplicate_of >= 0) base = staged.base_offsets[static_cast<std::size_t>(verdicts[i].duplicate_of)];
    staged.base_offsets.push_back(base);
    staged.duplicates.push_back(verdicts[i].duplicate);
    staged.end = std::max(staged.end, base + (std::int64_t{batches[i].last_offset_delta()} + 1));
    if (!verdicts[i].duplicate) StageBatch(group, values[i], epoch, staged.append_ms, log_append_time);
  }
  return staged;
}

// The stub on disk must not be trusted from the first append on, and must know when the first batch that is still there came.
void PartitionLog::StageFirstAppend(WriteGroup& group, std::int64_t append_ms) {
  if (checkpoint_.open && checkpoint_.first_append_ms >= 0) return;
  checkpoint_.open = true;
  if (checkpoint_.first_append_ms < 0) checkpoint_.first_append_ms = append_ms;
  PutCheckpoint(group);
}

void PartitionLog::StageBatch(WriteGroup& group, SharedBytes& value, LeaderEpoch epoch, std::int64_t append_ms, bool log_append_time) {
  char* const batch_bytes = value.mutable_data() + kSideHeaderBytes;
  StampBatch(batch_bytes, log_end_, epoch);
  if (log_append_time) RewriteToLogAppendTime(batch_bytes, value.size() - kSideHeaderBytes, append_ms);
  WriteSideHeader(value.mutable_data(), SideHeader{append_ms});
  const StatusOr<RecordBatchView> batch = RecordBatchView::Parse(BatchOf(value.view()));
  CORDWOOD_CHECK(batch.ok());  // it was sound a moment ago

  group.Put(BatchKey(id_, batch->last_offset()).view(), value.view());
  log_end_ = batch->end_offset();
  producers_.Apply(*batch, append_ms);
  pacer_.OnAppend(log_end_, batch->bytes().size(), batch->max_timestamp_ms(), append_ms);
  if (const std::optional<IndexEntry> entry = pacer_.Due()) {
    PutIndex(group, *entry);
    pacer_.OnWritten(*entry);
    if (pacer_.SnapshotDue(SnapshotBytes(producers_))) PutSnapshot(group);
  }
}

bool PartitionLog::StageEpoch(WriteGroup& group, LeaderEpoch epoch) {
  if (!epochs_.Assign(epoch, log_end_)) return false;
  PutEpochs(group);
  store_.StageEpochFloor(group, epoch);
  return true;
}

void PartitionLog::StageRetentionMark(WriteGroup& group) {
  const std::optional<IndexEntry> entry = pacer_.Due(/*at_retention_check=*/true);
  if (!entry.has_value()) return;
  PutIndex(group, *entry);
  pacer_.OnWritten(*entry);
}

void PartitionLog::StageClose(WriteGroup& group, Offset high_watermark) {
  if (!checkpoint_.open && checkpoint_.high_watermark == high_watermark) return;  // the stub on disk says it all
  StageRetentionMark(group);  // so that the next opening replays nothing
  if (snapshot_end_ != log_end_) PutSnapshot(group);
  checkpoint_.open = false;
  checkpoint_.high_watermark = high_watermark;
  PutCheckpoint(group);
}

PartitionCheckpoint PartitionLog::Checkpoint(bool open, Offset high_watermark) const {
  PartitionCheckpoint checkpoint = checkpoint_;
  checkpoint.open = open;
  checkpoint.log_end = log_end_;
  checkpoint.high_watermark = std::clamp(high_watermark, checkpoint_.log_start, log_end_);
  checkpoint.bytes = total_bytes();
  checkpoint.max_timestamp_ms = max_timestamp_ms();
  checkpoint.last_append_ms = last_append_ms();
  return checkpoint;
}

void PartitionLog::PutCheckpoint(WriteGroup& group) {
  checkpoint_ = Checkpoint(checkpoint_.open, checkpoint_.high_watermark);
  group.Put(PartitionKey(MetadataKind::kCheckpoint, id_).view(), Encode(checkpoint_));
}

void PartitionLog::PutEpochs(WriteGroup& group) { group.Put(PartitionKey(MetadataKind::kEpochs, id_).view(), epochs_.Encode()); }

void PartitionLog::PutIndex(WriteGroup& group, const IndexEntry& entry) const {
  group.Put(IndexKey(id_, entry.offset).view(), EncodeIndexValue(entry));
}

void PartitionLog::PutSnapshot(WriteGroup& group) {
  group.Put(PartitionKey(MetadataKind::kProducers, id_).view(), producers_.Encode(log_end_));
  pacer_.OnSnapshot();
  snapshot_end_ = log_end_;
}

Status PartitionLog::Invariants() const {
  const std::string name = "partition " + ToString(id_) + ": ";
  if (!(log_start() <= synced_end_ && synced_end_ <= written_end_ && written_end_ <= log_end_)) {
    return Error(Reason::kStorageError, name + "log start " + ToString(log_start()) + ", synced end " + ToString(synced_end_) +
                                            ", written end " + ToString(written_end_) + ", log end " + ToString(log_end_) +
                                            " are out of order");
  }
  if (total_bytes() < checkpoint_.bytes_before_start) return Error(Reason::kStorageError, name + "more bytes gone than appended");
  if (snapshot_end_ > log_end_) return Error(Reason::kStorageError, name + "the producer snapshot is beyond the log end");
  CORDWOOD_RETURN_IF_ERROR(epochs_.Invariants());
  return producers_.Invariants();
}

}  // namespace cordwood
