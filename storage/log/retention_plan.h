// SPDX-License-Identifier: Apache-2.0
// How far the log start may move: pure arithmetic over sparse index entries.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "absl/time/time.h"
#include "storage/log/partition_records.h"

namespace cordwood {

struct RetentionLimits {
  std::int64_t retention_ms = 7LL * 24 * 3600 * 1000;  // -1: no limit
  std::int64_t retention_bytes = -1;                   // -1: no limit; counts batches without side headers
};

// How often a partition must be looked at: max(a tenth of retention.ms, 10 s); at most 5 minutes.
absl::Duration RetentionCheckInterval(const RetentionLimits& limits);

// The largest index entry offset below which everything may go: appended longer than retention_ms before `now_ms`, or beyond
// retention_bytes counted from the log end (what is left is never below retention_bytes). Entries are in ascending order, with
// offsets in (log_start, log_end]. nullopt: nothing may go. `total_bytes` is bytes_before at the log end.
std::optional<IndexEntry> PlanRetention(std::span<const IndexEntry> entries, const RetentionLimits& limits, std::int64_t now_ms,
                                        std::uint64_t total_bytes);

}  // namespace cordwood
