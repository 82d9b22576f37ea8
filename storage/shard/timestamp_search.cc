// SPDX-License-Identifier: Apache-2.0
// LogReader::FindTimestamp: bisection over the sparse index, then the batches of one stretch of it, then the records of one batch.
#include <algorithm>
#include <utility>

#include "storage/record/record_reader.h"
#include "storage/shard/internal/batch_cursor.h"
#include "storage/shard/internal/cleaned_gaps.h"
#include "storage/shard/log_reader.h"
#include "storage/shard/internal/partition_records_io.h"

namespace cordwood {
namespace {

// The largest offset known to the index before which no record is that late; `log_start` if the index knows none.
StatusOr<Offset> BisectIndex(const ShardStore& store, PartitionId partition, Offset log_start, Offset end, std::int64_t timestamp_ms) {
  IndexCursor index(store, partition);
  Offset low = log_start;
  Offset high = end;  // no entry in [high, end) is early enough
  while (high - low > 1) {
    const Offset middle = low + (high - low) / 2;
    CORDWOOD_ASSIGN_OR_RETURN(const std::optional<IndexEntry> entry, index.SeekAtOrAbove(middle));
    if (!entry.has_value() || entry->offset >= high || entry->max_timestamp_ms >= timestamp_ms) {
      high = middle;
    } else {
      low = entry->offset;
    }
  }
  return low;
}

// The first record of the batch in [from, end) that is that late. A batch whose records cannot be decoded is the consumer's to report: its
// first offset answers for it.
std::optional<TimestampHit> SearchBatch(const RecordBatchView& batch, Offset from, std::int64_t timestamp_ms) {
  const Offset first = std::max(batch.base_offset(), from);
  if (batch.is_log_append_time() && batch.record_count() > 0) return TimestampHit{first, batch.max_timestamp_ms()};
  RecordReader reader(batch);
  if (!reader.Open().ok()) return TimestampHit{first, batch.max_timestamp_ms()};
  RecordView record;
  for (;;) {
    const StatusOr<bool> more = reader.Next(&record);
    if (!more.ok()) return TimestampHit{first, batch.max_timestamp_ms()};
    if (!*more) return std::nullopt;
    if (record.offset >= from && record.timestamp_ms >= timestamp_ms) return TimestampHit{record.offset, record.timestamp_ms};
  }
}

}  // namespace

StatusOr<std::optional<TimestampHit>> LogReader::FindTimestamp(PartitionId partition, Offset log_start, Offset end,
                                                               std::int64_t timestamp_ms) const {
  if (log_start >= end) return std::optional<TimestampHit>();
  CORDWOOD_ASSIGN_OR_RETURN(Offset next, BisectIndex(store_, partition, log_start, end, timestamp_ms));
  BatchCursor cursor(store_, partition, BatchCursor::Errors::kUser);
  CleanedGaps gaps(store_, partition);
  CORDWOOD_ASSIGN_OR_RETURN(bool found, cursor.Seek(next));
  while (next < end) {
    if (!found || cursor.batch().base_offset() > next) {
      bool cleaned = false;
      if (found) {
        CORDWOOD_ASSIGN_OR_RETURN(cleaned, gaps.Reach(cursor.batch().base_offset()));
      }
      if (cleaned) {
        next = cursor.batch().base_offset();
      } else {  // retention may have taken it meanwhile
        CORDWOOD_ASSIGN_OR_RETURN(const Offset log_start_now, ReadLogStart(store_, partition));
        next = std::max(next, log_start_now);
        if (next >= end) break;
        if (!found || cursor.batch().base_offset() > next) return cursor.Gap(next);
      }
    }
    const RecordBatchView& batch = cursor.batch();
    if (batch.end_offset() > end) break;
    if (batch.max_timestamp_ms() >= timestamp_ms) {
      if (auto hit = SearchBatch(batch, next, timestamp_ms)) return hit;
    }
    next = batch.end_offset();
    CORDWOOD_ASSIGN_OR_RETURN(found, cursor.Next());
  }
  return std::optional<TimestampHit>();
}

}  // namespace cordwood
