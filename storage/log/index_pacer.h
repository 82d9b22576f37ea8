// SPDX-License-Identifier: Apache-2.0
// Decides when an append brings a sparse index entry and a producer snapshot with it: a pure value.
#pragma once

#include <cstdint>
#include <optional>

#include "storage/log/partition_records.h"

namespace cordwood {

inline constexpr std::uint64_t kIndexEveryBytes = 1024 * 1024;

// Tracks what the entry at the log end would say. Not thread-safe.
class IndexPacer {
 public:
  // As of `last`, which stands in the index (or is the zero entry of an empty log), plus batches seen since by OnAppend().
  explicit IndexPacer(const IndexEntry& last = {}) : written_(last), now_(last) {}

  // A batch of `bytes` was staged; `end` is the log end after it.
  void OnAppend(Offset end, std::uint64_t bytes, std::int64_t max_timestamp_ms, std::int64_t append_ms);
  // The entry to put now: at least kIndexEveryBytes since the last one, or (at a retention check) anything at all.
  std::optional<IndexEntry> Due(bool at_retention_check = false) const;
  void OnWritten(const IndexEntry& entry) { written_ = entry; }

  // Counted from byte 0 until the first OnSnapshot(): after an opening, one is soon due, so that replays stay short.
  // Whether a snapshot of `snapshot_bytes` is worth writing: max(1 MiB, 16 x its size) appended since the last.
  bool SnapshotDue(std::uint64_t snapshot_bytes) const;
  void OnSnapshot() { snapshot_at_bytes_ = now_.bytes_before; }

  const IndexEntry& at_end() const { return now_; }

 private:
  IndexEntry written_;
  IndexEntry now_;
  std::uint64_t snapshot_at_bytes_ = 0;
};

}  // namespace cordwood
