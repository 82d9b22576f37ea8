// SPDX-License-Identifier: Apache-2.0
// From the partitions that a control request names to their replicas, with ends that are exact.
#pragma once

#include <functional>
#include <span>

#include "broker/handlers/partition_binding.h"
#include "broker/replication/partition_table.h"
#include "broker/replication/replica_handle.h"
#include "cordwood/v1/log.pb.h"
#include "storage/base/reason.h"

namespace cordwood::broker {

using ImageSource = std::function<ClusterImagePtr()>;

// Errors as PartitionBindings.
StatusOr<BoundPartition> FindPartition(const cordwood::v1::PartitionName& name, const ClusterImage& image, const PartitionTable& table);

// Opens those that have not been opened since the broker was killed, so that their ends are known. Those that cannot be opened are kOffline then.
// Blocks: never from a network or shard thread.
void OpenUnopened(std::span<const ReplicaHandlePtr> replicas);

// The snapshot of a replica that can be read; otherwise why not.
StatusOr<ReplicaSnapshot> ReadableSnapshot(const ReplicaHandle& replica);

// `entry`: index in the request. Log start and end where the reason is about offsets; `replica` may be nullptr.
void FillEntryError(std::size_t entry, const Status& status, const ReplicaHandle* replica, cordwood::v1::EntryError& error);

// FENCED_LEADER_EPOCH or UNKNOWN_LEADER_EPOCH unless the caller's epoch is the replica's.
Status CheckLeaderEpoch(LeaderEpoch asked, LeaderEpoch present);

}  // namespace cordwood::broker
