// SPDX-License-Identifier: Apache-2.0
// Opening a partition: records first, then the batches behind the producer snapshot and the last index entry.
#include <algorithm>
#include <utility>

#include "storage/log/keys.h"
#include "storage/shard/internal/batch_cursor.h"
#include "storage/shard/partition_log.h"
#include "storage/shard/internal/partition_records_io.h"

namespace cordwood {

StatusOr<std::unique_ptr<PartitionLog>> PartitionLog::Open(ShardStore& store, PartitionId id, const ProducerLimits& limits) {
  std::unique_ptr<PartitionLog> log(new PartitionLog(store, id, limits));
  CORDWOOD_RETURN_IF_ERROR(log->Load());
  return log;
}

Status PartitionLog::Load() {
  const std::string name = "partition " + ToString(id_);
  CORDWOOD_ASSIGN_OR_RETURN(const std::optional<std::string> identity, GetPartitionRecord(store_, MetadataKind::kIdentity, id_));
  CORDWOOD_ASSIGN_OR_RETURN(const std::optional<std::string> checkpoint, GetPartitionRecord(store_, MetadataKind::kCheckpoint, id_));
  CORDWOOD_ASSIGN_OR_RETURN(const std::optional<std::string> epochs, GetPartitionRecord(store_, MetadataKind::kEpochs, id_));
  if (!identity.has_value() || !checkpoint.has_value()) return Error(Reason::kStorageError, name + ": not in this shard");
  auto decoded_identity = DecodePartitionIdentity(*identity);
  if (!decoded_identity.ok()) return Annotate(decoded_identity.status(), name);
  identity_ = *decoded_identity;
  auto decoded_checkpoint = DecodePartitionCheckpoint(*checkpoint);
  if (!decoded_checkpoint.ok()) return Annotate(decoded_checkpoint.status(), name);
  checkpoint_ = *decoded_checkpoint;
  auto decoded_epochs = EpochCache::Decode(epochs.value_or(""));
  if (!decoded_epochs.ok()) return Annotate(decoded_epochs.status(), name);
  epochs_ = *std::move(decoded_epochs);

  log_end_ = checkpoint_.log_start;
  BatchCursor cursor(store_, id_);
  CORDWOOD_ASSIGN_OR_RETURN(const bool any, cursor.SeekToLast());
  if (any) log_end_ = std::max(log_end_, cursor.batch().end_offset());
  CORDWOOD_ASSIGN_OR_RETURN(Derived derived, Derive(log_end_));
  producers_ = std::move(derived.producers);
  pacer_ = derived.pacer;
  snapshot_end_ = derived.snapshot_end;
  written_end_ = synced_end_ = log_end_;
  return Invariants();  // records that decode, but do not fit each other
}

StatusOr<IndexEntry> PartitionLog::IndexEntryAtOrBelow(Offset offset) const {
  IndexCursor index(store_, id_);
  CORDWOOD_ASSIGN_OR_RETURN(const std::optional<IndexEntry> entry, index.SeekAtOrBelow(offset));
  return entry.value_or(IndexEntry());
}

// A snapshot beyond `end` cannot be used; then the producers are left empty, and snapshot_end says so.
StatusOr<PartitionLog::Derived> PartitionLog::Derive(Offset end) const {
  Derived derived{ProducerState(limits_), IndexPacer(), Offset(0)};
  CORDWOOD_ASSIGN_OR_RETURN(const IndexEntry entry, IndexEntryAtOrBelow(end));
  derived.pacer = IndexPacer(entry);
  CORDWOOD_ASSIGN_OR_RETURN(const std::optional<std::string> snapshot, GetPartitionRecord(store_, MetadataKind::kProducers, id_));
  if (snapshot.has_value()) {
    auto producers = ProducerState::Decode(*snapshot, limits_, &derived.snapshot_end);
    if (!producers.ok()) return Annotate(producers.status(), "partition " + ToString(id_));
    if (derived.snapshot_end <= end) derived.producers = *std::move(producers);
  }
  if (derived.snapshot_end == entry.offset) derived.pacer.OnSnapshot();
  CORDWOOD_RETURN_IF_ERROR(Replay(std::min(entry.offset, derived.snapshot_end), end, derived.snapshot_end, derived));
  return derived;
}

// Each batch must begin where the one before it ended; only what lies below the log start may be gone.
Status PartitionLog::Replay(Offset from, Offset end, Offset producers_from, Derived& derived) const {
  if (from >= end) return absl::OkStatus();
  const Offset pacer_from = derived.pacer.at_end().offset;
  Offset expected = from;
  BatchCursor cursor(store_, id_);
  CORDWOOD_ASSIGN_OR_RETURN(bool found, cursor.Seek(from));
  while (found && cursor.batch().base_offset() < end) {
    const RecordBatchView& batch = cursor.batch();
    const bool follows = batch.base_offset() == expected || (batch.base_offset() > expected && batch.base_offset() <= log_start());
    if (!follows) return cursor.Gap(expected);
    if (const Status crc = batch.CheckCrc(); !crc.ok()) {
      return Error(Reason::kStorageError, "partition " + ToString(id_) + ": batch at " + ToString(batch.base_offset()) + ": " + MessageOf(crc));
    }
    expected = batch.end_offset();
    if (batch.base_offset() >= producers_from) derived.producers.Apply(batch, cursor.append_ms());
    if (batch.base_offset() >= pacer_from) {
      derived.pacer.OnAppend(expected, batch.bytes().size(), batch.max_timestamp_ms(), cursor.append_ms());
    }
    CORDWOOD_ASSIGN_OR_RETURN(found, cursor.Next());
  }
  if (expected < end && end > log_start()) return cursor.Gap(expected);
  return absl::OkStatus();
}

}  // namespace cordwood
