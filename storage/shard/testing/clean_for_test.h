// SPDX-License-Identifier: Apache-2.0
// A run of the cleaner as the broker's driver does it, one write after another.
#pragma once

#include <climits>
#include <cstddef>
#include <cstdint>
#include <functional>

#include "storage/shard/compaction/log_cleaner.h"
#include "storage/shard/partition_log.h"
#include "storage/shard/shard_store.h"

namespace cordwood::testing {

struct CleanForTest {
  std::int64_t now_ms = 0;
  std::int64_t delete_retention_ms = 1'000'000;
  std::size_t chunk_bytes = 1;        // a write for each batch that changes
  std::size_t map_bytes = 1 << 20;
  int writes_max = INT_MAX;           // it stops before the next one, as a crash would

  // `commit` writes the group. The totals of what was done.
  StatusOr<CleaningTotals> Run(const ShardStore& store, PartitionLog& log, const std::function<Status(WriteGroup&)>& commit) {
    WriteGroup group;
    const Offset end = log.StageCleaningStart(group);
    CORDWOOD_RETURN_IF_ERROR(commit(group));
    CORDWOOD_ASSIGN_OR_RETURN(CleaningState state, ReadCleaningState(store, log.id()));
    CleaningPlan plan;
    plan.partition = log.id();
    plan.log_start = log.log_start();
    plan.clean_end = std::max(state.clean_end, log.log_start());
    plan.end = end;
    plan.gaps_end = state.gaps_end;
    plan.tombstones_from = state.TombstonesFrom(now_ms, delete_retention_ms);
    plan.map_bytes = map_bytes;
    LogCleaner cleaner(store, plan, [](std::size_t) { return true; });
    CORDWOOD_RETURN_IF_ERROR(cleaner.ReadKeys());
    while (!cleaner.done()) {
      CORDWOOD_ASSIGN_OR_RETURN(const auto values, cleaner.NextChunk(chunk_bytes, &state));
      if (writes_max-- == 0) return cleaner.totals();
      CORDWOOD_RETURN_IF_ERROR(log.StageCleaned(group, values, state));
      CORDWOOD_RETURN_IF_ERROR(commit(group));
    }
    if (writes_max-- == 0) return cleaner.totals();
    CORDWOOD_RETURN_IF_ERROR(cleaner.Conclude(&state, log.total_bytes() - log.size_bytes(), now_ms, delete_retention_ms));
    CORDWOOD_RETURN_IF_ERROR(log.StageCleaned(group, {}, state));
    CORDWOOD_RETURN_IF_ERROR(commit(group));
    return cleaner.totals();
  }
};

}  // namespace cordwood::testing
