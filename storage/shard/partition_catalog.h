// SPDX-License-Identifier: Apache-2.0
// What a shard knows of its partitions without opening them: one small record each, read in one scan at start-up.
#pragma once

#include <vector>

#include "storage/base/ids.h"
#include "storage/base/reason.h"
#include "storage/log/partition_records.h"

namespace cordwood {

class ShardStore;

struct PartitionStub {
  PartitionId id;
  PartitionIdentity identity;
  PartitionCheckpoint checkpoint;  // open: the partition must be opened before its ends are known
};

// In order of id. Any thread, but meant for start-up: 100 000 partitions take about 25 ms.
StatusOr<std::vector<PartitionStub>> ReadPartitionStubs(const ShardStore& store);

}  // namespace cordwood
