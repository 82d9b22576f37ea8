// SPDX-License-Identifier: Apache-2.0
// What a task may do on a shard's thread: see ShardDriver::Run.
#pragma once

#include <cstdint>
#include <span>

#include "broker/replication/replica_handle.h"
#include "storage/base/reason.h"
#include "storage/shard/partition_log.h"

namespace cordwood::broker {

class ShardLoop;

// Everything staged here is committed with the appends of the same group, before the task's `done` runs. Not thread-safe; must not be kept.
class ShardTurn {
 public:
  explicit ShardTurn(ShardLoop& loop) : loop_(loop) {}
  ShardTurn(const ShardTurn&) = delete;
  ShardTurn& operator=(const ShardTurn&) = delete;

  // `done` runs only after everything staged so far, and in the rest of the task, is on stable storage.
  void AskSync() { sync_asked_ = true; }
  bool sync_asked() const { return sync_asked_; }

  // The partition's log, opened if it was closed; from then on its snapshot says kOpen and its ends are exact (on a poisoned shard too). Valid during the task. UNKNOWN_TOPIC_OR_PARTITION
  // if it was deleted, STORAGE_ERROR (and kOffline from then on) if its log cannot be read.
  StatusOr<const PartitionLog*> Open(const ReplicaHandlePtr& partition);

  // The log starts at `start` from now on; at or below the present one nothing changes. OFFSET_OUT_OF_RANGE above the high watermark. What lies below
  // is no longer served, and goes with a later StageDrops().
  Status StageLogStart(const ReplicaHandlePtr& partition, Offset start);
  // Deletes what lies below the log starts moved in earlier turns, of at most `partitions_max` partitions. How many there were.
  int StageDrops(int partitions_max);
  // An index entry at the log end, if the partition grew since the last one.
  Status StageRetentionMark(const ReplicaHandlePtr& partition);
  // Before and during a run of the cleaner: see PartitionLog. The bytes removed become what a Reclaim() may give back.
  StatusOr<Offset> StageCleaningStart(const ReplicaHandlePtr& partition);
  Status StageCleaned(const ReplicaHandlePtr& partition, std::span<const CleanedValue> values, const CleaningState& state, std::uint64_t removed_bytes);
  // Cuts the log to `end` and begins `epoch` there; commits what was staged before first. The resulting log end. Refused below the high watermark with
  // OFFSET_OUT_OF_RANGE.
  StatusOr<Offset> StageTruncate(const ReplicaHandlePtr& partition, Offset end, LeaderEpoch epoch);

  // Partition ids never handed out before, durable. Shard 0 only.
  StatusOr<PartitionId> ReservePartitionIds(int count);
  void StageCreate(PartitionId id, const PartitionIdentity& identity);
  // Removes the partition and all it has; appends still in the inbox are answered UNKNOWN_TOPIC_OR_PARTITION.
  Status StageDelete(const ReplicaHandlePtr& partition);

 private:
  ShardLoop& loop_;
  bool sync_asked_ = false;
};

}  // namespace cordwood::broker
