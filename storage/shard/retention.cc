// SPDX-License-Identifier: Apache-2.0
// Index entries tell ever later times and ever more bytes, so the first one that must stay ends the search.
#include "storage/shard/retention.h"

#include "storage/shard/internal/partition_records_io.h"

namespace cordwood {

StatusOr<std::optional<IndexEntry>> FindRetentionPoint(const ShardStore& store, const RetentionQuery& query, std::int64_t now_ms) {
  std::optional<IndexEntry> point;
  IndexCursor index(store, query.partition);
  CORDWOOD_ASSIGN_OR_RETURN(std::optional<IndexEntry> entry, index.SeekAtOrAbove(query.log_start + 1));
  while (entry.has_value() && entry->offset <= query.end) {
    const IndexEntry one[] = {*entry};
    if (!PlanRetention(one, query.limits, now_ms, query.total_bytes).has_value()) break;
    point = entry;
    CORDWOOD_ASSIGN_OR_RETURN(entry, index.Next());
  }
  return point;
}

}  // namespace cordwood
