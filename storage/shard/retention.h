// SPDX-License-Identifier: Apache-2.0
// Finds, from the sparse index alone, how far retention lets a partition's log start move.
#pragma once

#include <cstdint>
#include <optional>

#include "storage/base/ids.h"
#include "storage/base/reason.h"
#include "storage/log/retention_plan.h"

namespace cordwood {

class ShardStore;

struct RetentionQuery {
  PartitionId partition;
  Offset log_start;
  Offset end;  // the log start never passes this (the high watermark)
  std::uint64_t total_bytes = 0;
  RetentionLimits limits;
};

// The index entry to move the log start to, or nullopt. Reads at most the entries that go, and one more. Thread-safe.
StatusOr<std::optional<IndexEntry>> FindRetentionPoint(const ShardStore& store, const RetentionQuery& query, std::int64_t now_ms);

}  // namespace cordwood
