// SPDX-License-Identifier: Apache-2.0
// Finds the index entry below which a log may be forgotten.
#include "storage/log/retention_plan.h"

#include <algorithm>

namespace cordwood {

absl::Duration RetentionCheckInterval(const RetentionLimits& limits) {
  constexpr absl::Duration kShortest = absl::Seconds(10);
  constexpr absl::Duration kLongest = absl::Minutes(5);
  if (limits.retention_ms < 0) return kLongest;
  return std::clamp(absl::Milliseconds(limits.retention_ms / 10), kShortest, kLongest);
}

std::optional<IndexEntry> PlanRetention(std::span<const IndexEntry> entries, const RetentionLimits& limits, std::int64_t now_ms,
                                        std::uint64_t total_bytes) {
  // Append times and byte counts never fall from one entry to the next, so each limit lets a prefix of the entries go.
  auto goes_by_time = [&](const IndexEntry& entry) {
    return limits.retention_ms >= 0 && entry.append_ms >= 0 && entry.append_ms <= now_ms &&
           now_ms - entry.append_ms > limits.retention_ms;
  };
  auto goes_by_size = [&](const IndexEntry& entry) {
    return limits.retention_bytes >= 0 && entry.bytes_before <= total_bytes &&
           total_bytes - entry.bytes_before >= static_cast<std::uint64_t>(limits.retention_bytes);
  };
  const auto by_time = std::partition_point(entries.begin(), entries.end(), goes_by_time);
  const auto by_size = std::partition_point(entries.begin(), entries.end(), goes_by_size);
  const auto end = std::max(by_time, by_size);
  if (end == entries.begin()) return std::nullopt;
  return *(end - 1);
}

}  // namespace cordwood
