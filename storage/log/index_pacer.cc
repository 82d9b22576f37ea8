// SPDX-License-Identifier: Apache-2.0
// Counts what was appended since the last index entry and the last producer snapshot.
#include "storage/log/index_pacer.h"

#include <algorithm>

namespace cordwood {
namespace {

constexpr std::uint64_t kSnapshotEveryBytesMin = 1024 * 1024;
constexpr std::uint64_t kSnapshotEverySizes = 16;  // a snapshot costs at most a sixteenth of what is appended between two

}  // namespace

void IndexPacer::OnAppend(Offset end, std::uint64_t bytes, std::int64_t max_timestamp_ms, std::int64_t append_ms) {
  now_.offset = end;
  now_.bytes_before += bytes;
  now_.max_timestamp_ms = std::max(now_.max_timestamp_ms, max_timestamp_ms);
  now_.append_ms = append_ms;
}

std::optional<IndexEntry> IndexPacer::Due(bool at_retention_check) const {
  if (now_.offset == written_.offset) return std::nullopt;
  if (!at_retention_check && now_.bytes_before - written_.bytes_before < kIndexEveryBytes) return std::nullopt;
  return now_;
}

bool IndexPacer::SnapshotDue(std::uint64_t snapshot_bytes) const {
  return now_.bytes_before - snapshot_at_bytes_ >= std::max(kSnapshotEveryBytesMin, kSnapshotEverySizes * snapshot_bytes);
}

}  // namespace cordwood
