// SPDX-License-Identifier: Apache-2.0
// From what a replay job is asked for to its ranges, and from a job to what operators see of it.
#pragma once

#include "broker/groups/lag/group_snapshot.h"
#include "broker/groups/replay_job.h"
#include "broker/metadata/cluster_image.h"
#include "broker/replication/partition_table.h"
#include "cordwood/v1/group_admin.pb.h"
#include "storage/base/reason.h"

namespace cordwood::broker {

// All or nothing. The clock of the original pace begins at the earliest of the ranges' first records, or at -1 where no record tells.
// Errors: INVALID_REQUEST (a rate below 0 or beside the original pace, no range, no position, a partition twice, a range that ends before it begins, no record in any),
// and as PlanReset(). Blocks on the disk and on shards.
StatusOr<ReplayJob> PlanReplay(const cordwood::v1::CreateReplayRequest& request, const ClusterImage& image, const PartitionTable& table);

// Of a group that is a replay job.
cordwood::v1::DescribeReplayResponse DescribeReplayOf(const GroupSnapshot& group);

}  // namespace cordwood::broker
