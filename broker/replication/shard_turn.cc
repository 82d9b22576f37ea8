// SPDX-License-Identifier: Apache-2.0
// A task's view of the shard's loop.
#include "broker/replication/shard_turn.h"

#include "broker/replication/shard_loop.h"

namespace cordwood::broker {

StatusOr<const PartitionLog*> ShardTurn::Open(const ReplicaHandlePtr& partition) {
  CORDWOOD_ASSIGN_OR_RETURN(Replica* const replica, loop_.UseToLook(partition));
  return &replica->log();
}

Status ShardTurn::StageLogStart(const ReplicaHandlePtr& partition, Offset start) { return loop_.StageLogStart(partition, start); }

int ShardTurn::StageDrops(int partitions_max) { return loop_.StageDrops(partitions_max); }

Status ShardTurn::StageRetentionMark(const ReplicaHandlePtr& partition) {
  CORDWOOD_ASSIGN_OR_RETURN(Replica* const replica, loop_.Use(partition));
  replica->log().StageRetentionMark(loop_.group());
  return absl::OkStatus();
}

StatusOr<Offset> ShardTurn::StageTruncate(const ReplicaHandlePtr& partition, Offset end, LeaderEpoch epoch) {
  return loop_.StageTruncate(partition, end, epoch);
}

StatusOr<PartitionId> ShardTurn::ReservePartitionIds(int count) { return loop_.store().ReservePartitionIds(count); }

void ShardTurn::StageCreate(PartitionId id, const PartitionIdentity& identity) { PartitionLog::StageCreate(loop_.group(), id, identity); }

Status ShardTurn::StageDelete(const ReplicaHandlePtr& partition) { return loop_.StageDelete(partition); }

}  // namespace cordwood::broker
