// SPDX-License-Identifier: Apache-2.0
#include "storage/shard/internal/cleaned_gaps.h"

#include "storage/shard/compaction/log_cleaner.h"
#include "storage/shard/shard_store.h"

namespace cordwood {

StatusOr<bool> CleanedGaps::Reach(Offset end) {
  if (store_.options().kind != ShardKind::kCompact) return false;
  if (end <= gaps_end_) return true;
  CORDWOOD_ASSIGN_OR_RETURN(const CleaningState state, ReadCleaningState(store_, partition_));
  gaps_end_ = state.gaps_end;
  return end <= gaps_end_;
}

}  // namespace cordwood
