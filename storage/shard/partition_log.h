// SPDX-License-Identifier: Apache-2.0
// The log of one open partition: gives offsets, stages batches, remembers epochs and producers.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "absl/container/inlined_vector.h"
#include "storage/base/ids.h"
#include "storage/base/reason.h"
#include "storage/base/shared_bytes.h"
#include "storage/log/epoch_cache.h"
#include "storage/log/index_pacer.h"
#include "storage/log/partition_records.h"
#include "storage/log/producer_state.h"
#include "storage/shard/write_group.h"

namespace cordwood {

class ShardStore;
struct CleanedValue;
struct CleaningState;

struct StagedAppend {
  absl::InlinedVector<Offset, 4> base_offsets;  // one per batch; of the original where it was a duplicate
  absl::InlinedVector<bool, 4> duplicates;
  Offset end;                   // every batch of the entry, duplicates included, is below this
  std::int64_t append_ms = -1;  // given to the new batches; -1 if all were duplicates
};

//     log_start          synced_end        written_end      log_end
//        |---- durable ------|-- in the OS ----|--- staged ----|       all ends exclusive
//
// Invariants: log_start <= synced_end <= written_end <= log_end.
// Threading:  owned by the shard's writer.
class PartitionLog {
 public:
  // Stages the records of a new, empty partition.
  static void StageCreate(WriteGroup& group, PartitionId id, const PartitionIdentity& identity);
  // Stages the removal of everything the partition has. No PartitionLog of it may be open.
  static void StageDelete(WriteGroup& group, PartitionId id);
  // Reads checkpoint, epochs and producers, and replays what came after the snapshot. Nothing is written. STORAGE_ERROR names the partition.
  static StatusOr<std::unique_ptr<PartitionLog>> Open(ShardStore& store, PartitionId id, const ProducerLimits& limits);

  // Appends the batches of one entry as a whole or refuses it as a whole (ProducerState::Check's reasons; INVALID_RECORD if the log would
  // pass 2^63-1). Each value is kSideHeaderBytes of room and one batch that passed CheckAppend, and must be unique(): it gets its offsets, epoch, append time
  // (max(wall_ms, the last append's)) and side header here; with `log_append_time` its timestamps too. Duplicates are answered, not appended.
  StatusOr<StagedAppend> StageAppend(WriteGroup& group, std::span<SharedBytes> values, LeaderEpoch epoch, std::int64_t wall_ms,
                                     bool log_append_time);

  // The log starts at `start` from now on; what lies below is no longer served. log_start <= start <= written_end, else OFFSET_OUT_OF_RANGE.
  // KAFKA_STORAGE_ERROR, CORRUPT_MESSAGE: the index or a batch on the way cannot be read; nothing is staged.
  Status StageLogStart(WriteGroup& group, Offset start);
  // Deletes the batches and index entries that lie wholly below the committed log start. True if there was anything.
  bool StageDropBelowStart(WriteGroup& group);
  // Removes every batch that ends above `end` and makes `end` the log end, in the same group as the new epoch. `end` must be a batch boundary or is
  // lowered to one, but never below the log start. Nothing may be staged and uncommitted. Gives the resulting log end; OFFSET_OUT_OF_RANGE below the log start.
  StatusOr<Offset> StageTruncate(WriteGroup& group, Offset end, EpochStart new_epoch);
  // A new leader epoch begins at the log end. True if there was anything to stage.
  bool StageEpoch(WriteGroup& group, LeaderEpoch epoch);
  // At a retention check: an index entry at the log end if the partition grew since the last entry.
  void StageRetentionMark(WriteGroup& group);
  // Before a run of the cleaner: an index entry and a producer snapshot at the log end, where there are none. From then on no opening replays what lies below
  // the offset it gives: that is where the run has to end.
  Offset StageCleaningStart(WriteGroup& group);
  // Batches as the cleaner left them, in the place of those that were there, and how far the log is clean. What the log start has passed meanwhile stays gone.
  // STORAGE_ERROR, and nothing is staged, if a batch is not below the start of the run.
  Status StageCleaned(WriteGroup& group, std::span<const CleanedValue> values, const CleaningState& state);
  // The closing checkpoint (open = 0) and producer snapshot. The log must not be used afterwards.
  void StageClose(WriteGroup& group, Offset high_watermark);

  void OnCommitted() { written_end_ = log_end_; }
  void OnSynced() { synced_end_ = written_end_; }

  PartitionId id() const { return id_; }
  const PartitionIdentity& identity() const { return identity_; }
  Offset log_start() const { return checkpoint_.log_start; }
  Offset log_end() const { return log_end_; }
  Offset written_end() const { return written_end_; }
  Offset synced_end() const { return synced_end_; }
  std::int64_t last_append_ms() const { return pacer_.at_end().append_ms; }
  std::int64_t max_timestamp_ms() const { return pacer_.at_end().max_timestamp_ms; }
  std::uint64_t total_bytes() const { return pacer_.at_end().bytes_before; }  // ever appended
  std::uint64_t size_bytes() const { return total_bytes() - checkpoint_.bytes_before_start; }
  const EpochCache& epochs() const { return epochs_; }
  const ProducerState& producers() const { return producers_; }
  PartitionCheckpoint Checkpoint(bool open, Offset high_watermark) const;
  Status Invariants() const;

 private:
  // What is derived from the batches below some log end.
  struct Derived {
    ProducerState producers;
    IndexPacer pacer;
    Offset snapshot_end;  // of the stored producer snapshot; 0 if there is none
  };
  PartitionLog(ShardStore& store, PartitionId id, const ProducerLimits& limits);
  Status Load();
  StatusOr<Derived> Derive(Offset end) const;
  Status Replay(Offset from, Offset end, Offset producers_from, Derived& derived) const;
  StatusOr<IndexEntry> IndexEntryAtOrBelow(Offset offset) const;
  void StageBatch(WriteGroup& group, SharedBytes& value, LeaderEpoch epoch, std::int64_t append_ms, bool log_append_time);
  void StageFirstAppend(WriteGroup& group, std::int64_t append_ms);
  void PutCheckpoint(WriteGroup& group);
  void PutEpochs(WriteGroup& group);
  void PutIndex(WriteGroup& group, const IndexEntry& entry) const;
  void PutSnapshot(WriteGroup& group);
  Status OutOfRange(Offset offset, Offset end) const;

  ShardStore& store_;
  const PartitionId id_;
  const ProducerLimits limits_;
  PartitionIdentity identity_;
  PartitionCheckpoint checkpoint_;  // log_start, bytes_before_start, first_append_ms and open are current, the rest as last staged
  EpochCache epochs_;
  ProducerState producers_;
  IndexPacer pacer_;
  Offset snapshot_end_;  // of the producer snapshot as last staged
  Offset log_end_;
  Offset written_end_;
  Offset synced_end_;
  Offset dropped_to_;  // what StageDropBelowStart() has already removed
};

}  // namespace cordwood
