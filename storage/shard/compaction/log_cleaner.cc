// SPDX-License-Identifier: Apache-2.0
// A cursor lives for a stretch: one for the whole run would keep every file that it passed.
#include "storage/shard/compaction/log_cleaner.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "storage/log/compaction/batch_cleaner.h"
#include "storage/log/side_header.h"
#include "storage/record/record_reader.h"
#include "storage/shard/internal/batch_cursor.h"
#include "storage/shard/internal/partition_records_io.h"
#include "storage/shard/shard_store.h"

namespace cordwood {
namespace {

constexpr std::size_t kStretchBytes = 8 * 1024 * 1024;  // read before a new cursor is made

// Offsets bound keys, so a short stretch needs no large map.
std::size_t KeysFor(const CleaningPlan& plan) {
  const auto offsets = static_cast<std::size_t>(std::max<std::int64_t>(plan.end - plan.clean_end, 1));
  return std::min(KeyOffsetMap::KeysWithin(plan.map_bytes), offsets);
}

// Rewriting would give damaged records a right CRC.
Status CheckSound(const RecordBatchView& batch) { return Annotate(batch.CheckCrc(), "batch at offset " + ToString(batch.base_offset())); }

Status AddKeys(const RecordBatchView& batch, KeyOffsetMap& keys) {
  if (batch.is_control()) return absl::OkStatus();
  RecordReader reader(batch);
  CORDWOOD_RETURN_IF_ERROR(reader.Open());
  std::vector<std::pair<KeyHash, Offset>> found;
  RecordView record;
  for (;;) {
    CORDWOOD_ASSIGN_OR_RETURN(const bool more, reader.Next(&record));
    if (!more) break;
    if (record.key.has_value()) found.emplace_back(keys.Prepare(*record.key), record.offset);
  }
  for (const auto& [key, offset] : found) keys.Put(key, offset);
  return absl::OkStatus();
}

std::string ValueOf(const std::string& batch, std::int64_t append_ms) {
  std::string value(kSideHeaderBytes, '\0');
  value += batch;
  WriteSideHeader(value.data(), SideHeader{append_ms});
  return value;
}

}  // namespace

LogCleaner::LogCleaner(const ShardStore& store, const CleaningPlan& plan, std::function<bool(std::size_t)> pace)
    : store_(store), plan_(plan), pace_(std::move(pace)), keys_(KeysFor(plan)), covered_end_(plan.clean_end), next_(plan.log_start) {}

Status LogCleaner::Read(std::size_t bytes) {
  totals_.read_bytes += bytes;
  return pace_(bytes) ? absl::OkStatus() : Error(Reason::kShuttingDown, "cleaning was stopped");
}

Status LogCleaner::ReadKeys() {
  while (covered_end_ < plan_.end) {
    BatchCursor cursor(store_, plan_.partition, BatchCursor::Errors::kUser);
    CORDWOOD_ASSIGN_OR_RETURN(bool found, cursor.Seek(covered_end_));
    for (std::size_t stretch = 0; found && stretch < kStretchBytes && covered_end_ < plan_.end;) {
      const RecordBatchView& batch = cursor.batch();
      if (batch.end_offset() > plan_.end || cursor.append_ms() > plan_.youngest_append_ms) return absl::OkStatus();
      const auto count = static_cast<std::size_t>(std::max(batch.record_count(), 0));
      if (keys_.room() < count) {
        if (covered_end_ > plan_.clean_end) return absl::OkStatus();
        keys_.Reserve(count);
      }
      CORDWOOD_RETURN_IF_ERROR(CheckSound(batch));
      CORDWOOD_RETURN_IF_ERROR(AddKeys(batch, keys_));
      covered_end_ = batch.end_offset();
      stretch += batch.bytes().size();
      totals_.dirty_bytes += batch.bytes().size();
      CORDWOOD_RETURN_IF_ERROR(Read(batch.bytes().size()));
      CORDWOOD_ASSIGN_OR_RETURN(found, cursor.Next());
    }
    if (!found) return absl::OkStatus();
  }
  return absl::OkStatus();
}

StatusOr<std::vector<CleanedValue>> LogCleaner::NextChunk(std::size_t bytes_max, CleaningState* state) {
  std::vector<CleanedValue> changed;
  const SurvivorRule rule{keys_, plan_.tombstones_from};
  BatchCursor cursor(store_, plan_.partition, BatchCursor::Errors::kUser);
  CORDWOOD_ASSIGN_OR_RETURN(bool found, cursor.Seek(next_));
  std::size_t stretch = 0;
  std::size_t staged = 0;
  while (found && cursor.batch().end_offset() <= covered_end_ && stretch < kStretchBytes && staged < bytes_max) {
    const RecordBatchView& batch = cursor.batch();
    const std::size_t size = batch.bytes().size();
    if (batch.base_offset() > next_ && batch.base_offset() > plan_.gaps_end) {
      CORDWOOD_ASSIGN_OR_RETURN(const Offset log_start_now, ReadLogStart(store_, plan_.partition));
      if (batch.base_offset() > std::max(next_, log_start_now)) return cursor.Gap(next_);  // the gaps of this run would hide it
    }
    CORDWOOD_RETURN_IF_ERROR(CheckSound(batch));
    CORDWOOD_ASSIGN_OR_RETURN(const CleanedBatch cleaned, CleanBatch(batch, rule));
    totals_.removed_records += static_cast<std::uint64_t>(batch.record_count() - cleaned.records);
    totals_.tombstones += static_cast<std::uint64_t>(cleaned.tombstones);
    const bool goes = cleaned.outcome == CleanedBatch::Outcome::kEmptied && batch.end_offset() < covered_end_;
    const bool stays = cleaned.outcome == CleanedBatch::Outcome::kUnchanged || (cleaned.bytes == batch.bytes() && !goes);  // the last of a run before, empty
    const std::size_t left = goes ? 0 : stays ? size : cleaned.bytes.size();
    if (!stays) {
      CleanedValue& value = changed.emplace_back(CleanedValue{batch.base_offset(), batch.end_offset(), {}});
      if (goes) {
        state->gaps_end = std::max(state->gaps_end, value.end);
      } else {
        value.value = ValueOf(cleaned.bytes, cursor.append_ms());
      }
      staged += value.value.size() + kSideHeaderBytes;
    }
    totals_.kept_bytes += left;
    totals_.removed_bytes += size - std::min(size, left);
    next_ = batch.end_offset();
    stretch += size;
    CORDWOOD_RETURN_IF_ERROR(Read(size));
    CORDWOOD_ASSIGN_OR_RETURN(found, cursor.Next());
  }
  if (!found || cursor.batch().end_offset() > covered_end_) next_ = covered_end_;
  return changed;
}

Status LogCleaner::Conclude(CleaningState* state, std::uint64_t bytes_before_start, std::int64_t now_ms, std::int64_t delete_retention_ms) const {
  IndexCursor index(store_, plan_.partition);
  CORDWOOD_ASSIGN_OR_RETURN(const std::optional<IndexEntry> entry, index.SeekAtOrBelow(covered_end_));
  if (plan_.clean_end != state->clean_end) state->bytes_before_clean_end = bytes_before_start;  // the log start had passed it
  state->bytes_before_clean_end += totals_.dirty_bytes;
  // A run that ended half-way has taken of the dirty bytes before they were counted; the index knows what was appended.
  if (entry.has_value()) state->bytes_before_clean_end = std::max(state->bytes_before_clean_end, entry->bytes_before);
  state->clean_end = std::max(state->clean_end, covered_end_);
  state->clean_bytes = totals_.kept_bytes;
  state->tombstones = totals_.tombstones;
  state->AddMark(covered_end_, now_ms, delete_retention_ms, plan_.tombstones_from);
  ++state->runs;
  return absl::OkStatus();
}

StatusOr<CleaningState> ReadCleaningState(const ShardStore& store, PartitionId partition) {
  CORDWOOD_ASSIGN_OR_RETURN(const std::optional<std::string> value, GetPartitionRecord(store, MetadataKind::kCleaning, partition));
  if (!value.has_value()) return CleaningState();
  StatusOr<CleaningState> state = DecodeCleaningState(*value);
  return state.ok() ? std::move(state) : Annotate(state.status(), "partition " + ToString(partition));
}

// Append times ascend with the entries.
StatusOr<std::uint64_t> BytesUpTo(const ShardStore& store, PartitionId partition, std::int64_t append_ms) {
  std::uint64_t bytes = 0;
  IndexCursor index(store, partition);
  CORDWOOD_ASSIGN_OR_RETURN(std::optional<IndexEntry> entry, index.SeekAtOrAbove(Offset(0)));
  while (entry.has_value() && entry->append_ms <= append_ms) {
    bytes = entry->bytes_before;
    CORDWOOD_ASSIGN_OR_RETURN(entry, index.Next());
  }
  return bytes;
}

StatusOr<std::int64_t> FirstAppendMs(const ShardStore& store, PartitionId partition, Offset from, Offset end) {
  if (from >= end) return -1;
  BatchCursor cursor(store, partition);
  CORDWOOD_ASSIGN_OR_RETURN(const bool found, cursor.Seek(from));
  return found && cursor.batch().end_offset() <= end ? cursor.append_ms() : -1;
}

}  // namespace cordwood
