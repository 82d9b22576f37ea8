// SPDX-License-Identifier: Apache-2.0
// Both ends of a log: moving its start, dropping what lies below it, cutting its tail.
#include <algorithm>
#include <utility>
#include <vector>

#include "storage/base/check.h"
#include "storage/log/keys.h"
#include "storage/shard/internal/batch_cursor.h"
#include "storage/shard/partition_log.h"
#include "storage/shard/internal/partition_records_io.h"
#include "storage/shard/shard_store.h"

namespace cordwood {

Status PartitionLog::OutOfRange(Offset offset, Offset end) const {
  return Error(Reason::kOffsetOutOfRange, "offset " + ToString(offset) + " is not in [" + ToString(log_start()) + ", " + ToString(end) + "]");
}

// Afterwards there is an index entry exactly where the first remaining batch begins, and the producer snapshot is not older than that: so nothing below
// it is ever needed again, and the log as rebuilt equals the log as it was.
Status PartitionLog::StageLogStart(WriteGroup& group, Offset start) {
  if (start < log_start() || start > written_end_) return OutOfRange(start, written_end_);
  if (start == log_start()) return absl::OkStatus();
  CORDWOOD_ASSIGN_OR_RETURN(const IndexEntry entry, IndexEntryAtOrBelow(start));
  IndexPacer walk(entry);
  BatchCursor cursor(store_, id_);
  CORDWOOD_ASSIGN_OR_RETURN(bool found, cursor.Seek(entry.offset));
  while (found && cursor.batch().end_offset() <= start) {
    const RecordBatchView& batch = cursor.batch();
    walk.OnAppend(batch.end_offset(), batch.bytes().size(), batch.max_timestamp_ms(), cursor.append_ms());
    CORDWOOD_ASSIGN_OR_RETURN(found, cursor.Next());
  }

  const IndexEntry first = walk.at_end();
  if (first.offset != entry.offset) PutIndex(group, first);
  if (first.offset == pacer_.at_end().offset) pacer_.OnWritten(first);
  if (snapshot_end_ < first.offset) PutSnapshot(group);
  checkpoint_.log_start = start;
  checkpoint_.bytes_before_start = first.bytes_before;
  checkpoint_.first_append_ms = found ? cursor.append_ms() : log_end_ > start ? last_append_ms() : -1;
  if (epochs_.TruncateFrom(start)) PutEpochs(group);
  PutCheckpoint(group);
  synced_end_ = std::max(synced_end_, start);
  return absl::OkStatus();
}

bool PartitionLog::StageDropBelowStart(WriteGroup& group) {
  const Offset start = log_start();
  if (start <= dropped_to_) return false;
  BatchCursor cursor(store_, id_);
  const StatusOr<bool> found = cursor.Seek(Offset(0));
  const StatusOr<IndexEntry> keep = IndexEntryAtOrBelow(start);
  if (!keep.ok()) return false;  // unreadable now; the next check tries again
  dropped_to_ = start;
  if (found.ok() && (!*found || cursor.batch().end_offset() > start)) return false;  // one that cannot be read may lie below
  group.DeleteRange(PartitionPrefix(id_).view(), BatchKey(id_, start).view());
  if (keep->offset > Offset(0)) {
    group.DeleteRange(PartitionKey(MetadataKind::kIndex, id_).view(), IndexKey(id_, keep->offset).view());
  }
  return true;
}

StatusOr<Offset> PartitionLog::StageTruncate(WriteGroup& group, Offset end, EpochStart new_epoch) {
  CORDWOOD_CHECK(log_end_ == written_end_);
  if (end < log_start()) return OutOfRange(end, log_end_);
  if (end < log_end_) {
    std::vector<Offset> batches_gone;  // their last offsets
    BatchCursor cursor(store_, id_);
    CORDWOOD_ASSIGN_OR_RETURN(bool found, cursor.Seek(end));
    const Offset boundary = found ? cursor.batch().base_offset() : end;
    while (found) {
      batches_gone.push_back(cursor.batch().last_offset());
      CORDWOOD_ASSIGN_OR_RETURN(found, cursor.Next());
    }
    std::vector<Offset> entries_gone;
    IndexCursor index(store_, id_);
    CORDWOOD_ASSIGN_OR_RETURN(std::optional<IndexEntry> entry, index.SeekAtOrAbove(boundary + 1));
    while (entry.has_value()) {
      entries_gone.push_back(entry->offset);
      CORDWOOD_ASSIGN_OR_RETURN(entry, index.Next());
    }
    CORDWOOD_ASSIGN_OR_RETURN(Derived derived, Derive(boundary));

    for (const Offset last : batches_gone) group.Delete(BatchKey(id_, last).view());
    for (const Offset offset : entries_gone) group.Delete(IndexKey(id_, offset).view());
    log_end_ = written_end_ = std::max(boundary, log_start());
    synced_end_ = std::min(synced_end_, log_end_);
    if (derived.snapshot_end <= boundary) {
      producers_ = std::move(derived.producers);
    } else {
      producers_.TruncateTo(boundary);
    }
    pacer_ = derived.pacer;
    if (log_end_ == log_start()) checkpoint_.first_append_ms = -1;
    checkpoint_.bytes_before_start = std::min(checkpoint_.bytes_before_start, total_bytes());
    epochs_.TruncateTo(log_end_);
    PutSnapshot(group);
    checkpoint_.open = true;
    PutCheckpoint(group);
  }
  if (epochs_.Assign(new_epoch.epoch, std::max(new_epoch.start, log_end_))) store_.StageEpochFloor(group, new_epoch.epoch);
  PutEpochs(group);
  return log_end_;
}

}  // namespace cordwood
