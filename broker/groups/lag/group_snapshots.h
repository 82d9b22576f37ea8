// SPDX-License-Identifier: Apache-2.0
// From what the driver shows of a group, and from the logs, to a snapshot.
#pragma once

#include <cstddef>
#include <cstdint>

#include "broker/groups/coordinator/group_view.h"
#include "broker/groups/lag/group_snapshot.h"
#include "broker/replication/partition_table.h"

namespace cordwood::broker {

// All but what is in the logs and what only watching tells. Touches nothing but the view.
GroupSnapshot SnapshotOf(const GroupView& view, std::int64_t wall_ms);

// Log start and high watermark of every partition whose ends are known here.
void FillEnds(GroupSnapshot& group, const PartitionTable& table);

// Of every partition where records wait and the time of the first is not known yet: reads its batch, at most `reads_max` of them; the record itself only where a pace goes by it. Where the log cannot be read, or
// the reads are used up, the time stays unknown. The reads that are left. Blocks on the disk: never from a network or shard thread, or the groups' driver's.
std::size_t FillFirstWaiting(GroupSnapshot& group, const PartitionTable& table, std::size_t reads_max);

// Of the record at `offset`, or of the next one where compaction took it; kNoTimestampMs: there is none below `end`. Decodes its batch.
// Errors as LogReader::Read. Blocks on the disk.
StatusOr<std::int64_t> TimestampAt(const ReplicaHandle& replica, Offset offset, Offset end);

}  // namespace cordwood::broker
