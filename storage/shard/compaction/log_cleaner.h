// SPDX-License-Identifier: Apache-2.0
// One run over one compacted log: reads it twice, and says what its batches shall be. The shard's thread writes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "storage/base/ids.h"
#include "storage/base/reason.h"
#include "storage/log/compaction/cleaning_state.h"
#include "storage/log/compaction/key_offset_map.h"

namespace cordwood {

class ShardStore;

struct CleaningPlan {
  PartitionId partition;
  Offset log_start;           // inclusive
  Offset clean_end;           // from here on the log is dirty; at or above log_start
  Offset end;                 // exclusive, a batch boundary that is readable: nothing at or above it is looked at
  Offset gaps_end;            // exclusive: below it offsets may be missing before the run; any other gap ends it
  std::int64_t youngest_append_ms = INT64_MAX;  // batches appended after this are left alone, and all behind them
  Offset tombstones_from;     // tombstones below it go
  std::size_t map_bytes = 0;  // for the keys of the dirty part; those of one batch have room in any case
};

// A batch as it shall be.
struct CleanedValue {
  Offset base;           // inclusive
  Offset end;            // exclusive
  std::string value;     // side header and batch; empty: the batch goes
};

struct CleaningTotals {
  std::uint64_t read_bytes = 0;       // of batches, both passes
  std::uint64_t dirty_bytes = 0;      // of those in [clean_end, covered end)
  std::uint64_t kept_bytes = 0;       // of what is left in [log_start, covered end)
  std::uint64_t removed_bytes = 0;
  std::uint64_t removed_records = 0;
  std::uint64_t tombstones = 0;       // that are left
};

// No batch that it drops or rewrites held anything that is not replaced by a record of the covered part, or a tombstone whose time is up. The last batch of the
// covered part stays, if only as a header: the log's end is known by its last batch.
// Not thread-safe; of the one thread that cleans.
class LogCleaner {
 public:
  // `pace` is told of every batch that was read; once it says false the run ends with SHUTTING_DOWN.
  LogCleaner(const ShardStore& store, const CleaningPlan& plan, std::function<bool(std::size_t)> pace);

  // First pass: where each key of the dirty part stands last, as far as the map holds. STORAGE_ERROR, CORRUPT_MESSAGE: the log cannot be read or decoded.
  Status ReadKeys();
  // Exclusive: what the run cleans. After ReadKeys().
  Offset covered_end() const { return covered_end_; }
  // Second pass: of the next stretch of the log, the batches that change, about `bytes_max` of them, and in `*state` how far offsets may then be missing: to be
  // written together. `done()` afterwards says whether that was the last.
  // CORRUPT_MESSAGE as above, and where a batch is missing that retention has not taken meanwhile.
  StatusOr<std::vector<CleanedValue>> NextChunk(std::size_t bytes_max, CleaningState* state);
  bool done() const { return next_ >= covered_end_; }

  // After the last chunk: the log is clean up to covered_end(). `bytes_before_start`: ever appended below the plan's log start. The last run is the caller's to fill in.
  // STORAGE_ERROR: the index cannot be read.
  Status Conclude(CleaningState* state, std::uint64_t bytes_before_start, std::int64_t now_ms, std::int64_t delete_retention_ms) const;

  const CleaningTotals& totals() const { return totals_; }

 private:
  Status Read(std::size_t bytes);

  const ShardStore& store_;
  const CleaningPlan plan_;
  const std::function<bool(std::size_t)> pace_;
  KeyOffsetMap keys_;
  Offset covered_end_;
  Offset next_;
  CleaningTotals totals_;
};

// How far the log is clean; all zero where nothing was cleaned yet. STORAGE_ERROR names the partition. Thread-safe, as what follows.
StatusOr<CleaningState> ReadCleaningState(const ShardStore& store, PartitionId partition);

// By the sparse index: bytes of all batches ever appended up to `append_ms`, rounded down to an entry.
StatusOr<std::uint64_t> BytesUpTo(const ShardStore& store, PartitionId partition, std::int64_t append_ms);

// What CleaningUrgency() asks: when the first batch at or above `from` and below `end` was appended; -1: there is none.
StatusOr<std::int64_t> FirstAppendMs(const ShardStore& store, PartitionId partition, Offset from, Offset end);

}  // namespace cordwood
