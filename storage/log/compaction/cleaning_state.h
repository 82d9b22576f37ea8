// SPDX-License-Identifier: Apache-2.0
// How far a compacted log is clean, since when, and whether it is due to be cleaned: a pure value. Format: docs/reference/on-disk-format.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/base/ids.h"
#include "storage/base/reason.h"
#include "storage/log/compaction/compaction_limits.h"

namespace cordwood {

inline constexpr std::size_t kCleanMarksMax = 64;

// What the last run did. Times are wall clock.
struct CleaningRun {
  std::int64_t ended_ms = -1;  // -1: there was none
  std::int64_t took_ms = 0;
  std::uint64_t read_bytes = 0;      // of batches, both passes
  std::uint64_t removed_bytes = 0;   // of batches
  std::uint64_t removed_records = 0;
};

//     log_start                     clean_end                  high_watermark
//        |---- each key once, ------|---- dirty: as appended ----|
//              gaps below gaps_end
//
// Invariants: 0 <= tombstones_gone_to <= clean_end; 0 <= gaps_end <= clean_end unless a run is under way; marks ascend.
struct CleaningState {  // FF 15; all zero where there is none
  Offset clean_end;                          // exclusive
  Offset gaps_end;                           // exclusive: below it offsets may be missing
  Offset tombstones_gone_to;                 // exclusive: there are none below
  std::uint64_t bytes_before_clean_end = 0;  // of all batches ever appended below clean_end
  std::uint64_t clean_bytes = 0;             // of those, what the last run left
  std::uint64_t tombstones = 0;              // the same
  std::uint64_t runs = 0;
  CleaningRun last_run;
  struct Mark {
    Offset end;            // exclusive: up to here the log was clean
    std::int64_t at_ms;    // since then, by the wall clock
  };
  std::vector<Mark> marks;  // at most kCleanMarksMax: those that tombstones still wait for

  // Tombstones below this have been clean for `retention_ms`.
  Offset TombstonesFrom(std::int64_t now_ms, std::int64_t retention_ms) const;
  // A run ended at `now_ms` with the log clean up to `end`; it took the tombstones below `gone_to`. Marks that are near each other, compared with the
  // retention, become one, the later: a tombstone lives up to a sixteenth longer, never less.
  void AddMark(Offset end, std::int64_t now_ms, std::int64_t retention_ms, Offset gone_to);
};
std::string Encode(const CleaningState& state);
// STORAGE_ERROR where the value is short, long, out of range, or of a newer format.
StatusOr<CleaningState> DecodeCleaningState(std::string_view value);

// What is known of a log without reading it.
struct CleaningFacts {
  Offset log_start;
  std::uint64_t total_bytes = 0;        // ever appended
  std::uint64_t size_bytes = 0;         // of these at or above the log start
  std::int64_t first_dirty_append_ms = -1;  // of the first batch that is not clean; -1: there is none, or nobody looked
};
std::uint64_t DirtyBytes(const CleaningState& state, const CleaningFacts& facts);
// Of batches at or above the log start: dirty ones, and what cleaning left of the others.
std::uint64_t BytesLeft(const CleaningState& state, const CleaningFacts& facts);
// Of the log's bytes, how much is dirty: 0 to 1.
double DirtyRatio(const CleaningState& state, const CleaningFacts& facts);
// How urgent it is, the largest first; nullopt: not due. Due is what is dirty enough, or has been dirty for too long (before all others), or has
// tombstones whose time is up.
std::optional<double> CleaningUrgency(const CleaningState& state, const CleaningFacts& facts, const CompactionLimits& limits, std::int64_t now_ms);

}  // namespace cordwood
