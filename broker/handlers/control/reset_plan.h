// SPDX-License-Identifier: Apache-2.0
// From what a reset asks for to an offset for each partition.
#pragma once

#include <vector>

#include "broker/groups/coordinator/group_view.h"
#include "broker/groups/replay_job.h"
#include "broker/metadata/cluster_image.h"
#include "broker/replication/partition_table.h"
#include "cordwood/v1/group_admin.pb.h"
#include "storage/base/reason.h"

namespace cordwood::broker {

inline constexpr std::size_t kResetPartitionsMax = 10'000;

struct ResetPlan {
  std::vector<ResetEntry> entries;      // by topic name and partition
  cordwood::v1::ResetOffsetsResponse response;  // in the same order: all but what the reset itself brings about
};

// All or nothing: what is wrong with one target refuses the whole. An offset is clamped into its log. A shift of a whole topic leaves out the partitions where nothing is
// committed. Of a replay job the logs begin and end where its ranges do, and a whole topic is those of its partitions that the job reads; nullptr: the group is none.
// Errors: INVALID_REQUEST (no target, no position, a partition twice, a shift where nothing is committed, a partition that the replay job does not read), OFFSET_OUT_OF_RANGE (below 0), UNKNOWN_TOPIC_OR_PARTITION,
// RECORD_LIST_TOO_LARGE, and as ReadableSnapshot() and LogReader. Blocks on the disk and on shards.
StatusOr<ResetPlan> PlanReset(const cordwood::v1::ResetOffsetsRequest& request, const FetchedOffsets& committed, const ReplayJob* replay, const ClusterImage& image,
                              const PartitionTable& table);

}  // namespace cordwood::broker
