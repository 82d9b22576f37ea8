// SPDX-License-Identifier: Apache-2.0
// Tells what the cleaner took from what was lost. For the sources of this room alone.
#pragma once

#include "storage/base/ids.h"
#include "storage/base/reason.h"

namespace cordwood {

class ShardStore;

// Of one partition, for one job. What a cursor misses was taken before it was made, and every batch that is taken raises the mark in the same write: so the mark,
// read afterwards, covers it. Not thread-safe.
class CleanedGaps {
 public:
  CleanedGaps(const ShardStore& store, PartitionId partition) : store_(store), partition_(partition) {}
  // Whether offsets may be missing up to `end` (exclusive). In a shard of logs never.
  StatusOr<bool> Reach(Offset end);

 private:
  const ShardStore& store_;
  const PartitionId partition_;
  Offset gaps_end_{-1};  // as last read; it never falls
};

}  // namespace cordwood
