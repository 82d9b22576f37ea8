// SPDX-License-Identifier: Apache-2.0
// When a compacted topic's logs are cleaned, and how long what is deleted stays visible.
#pragma once

#include <cstdint>

namespace cordwood {

struct CompactionLimits {
  double min_dirty_ratio = 0.5;                        // min.cleanable.dirty.ratio: of the log's bytes, not yet cleaned
  std::int64_t min_lag_ms = 0;                         // min.compaction.lag.ms: younger batches are not cleaned
  std::int64_t max_lag_ms = INT64_MAX;                 // max.compaction.lag.ms: older ones are, whatever the ratio
  std::int64_t delete_retention_ms = 24 * 3600 * 1000; // delete.retention.ms: of a tombstone, from when the log was clean up to it
};

}  // namespace cordwood
