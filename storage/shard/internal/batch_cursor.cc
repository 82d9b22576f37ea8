// SPDX-License-Identifier: Apache-2.0
// An iterator that stops may have met the end or an error that it keeps to itself: callers who know the end compare.
#include "storage/shard/internal/batch_cursor.h"

#include <limits>

#include "rocksdb/db.h"
#include "storage/log/keys.h"
#include "storage/log/side_header.h"
#include "storage/shard/internal/rocksdb_access.h"
#include "storage/shard/shard_store.h"

namespace cordwood {

BatchCursor::BatchCursor(const ShardStore& store, PartitionId partition, Errors errors)
    : partition_(partition), errors_(errors), read_options_(partition), iterator_(store.db().NewIterator(read_options_.get())) {}

StatusOr<bool> BatchCursor::Seek(Offset offset) {
  due_ = offset;
  const auto key = BatchKey(partition_, offset);
  iterator_->Seek(ToSlice(key.view()));
  return Load();
}

StatusOr<bool> BatchCursor::Next() {
  if (batch_.has_value()) due_ = batch_->end_offset();
  iterator_->Next();
  return Load();
}

// SeekToLast of an iterator with bounds and a prefix is invalid in 7.8.3.
StatusOr<bool> BatchCursor::SeekToLast() {
  const auto key = BatchKey(partition_, Offset(std::numeric_limits<std::int64_t>::max()));
  iterator_->SeekForPrev(ToSlice(key.view()));
  return Load();
}

StatusOr<bool> BatchCursor::Load() {
  batch_.reset();
  if (!iterator_->Valid()) {
    const rocksdb::Status status = iterator_->status();
    if (status.ok()) return false;
    return status.IsCorruption() ? Damaged(status.ToString()) : Failed(Reason::kStorageError, status.ToString());
  }
  const std::optional<ParsedBatchKey> key = ParseBatchKey(ToView(iterator_->key()));
  if (!key.has_value() || key->partition != partition_) return false;
  value_ = ToView(iterator_->value());
  const StatusOr<SideHeader> side_header = ReadSideHeader(value_);
  if (!side_header.ok()) return Damaged("batch up to " + ToString(key->last_offset) + ": " + MessageOf(side_header.status()));
  append_ms_ = side_header->append_ms;
  const StatusOr<RecordBatchView> batch = RecordBatchView::Parse(BatchOf(value_));
  if (!batch.ok()) return Damaged("batch up to " + ToString(key->last_offset) + ": " + MessageOf(batch.status()));
  if (batch->last_offset() != key->last_offset || batch->base_offset() > key->last_offset || batch->base_offset() < Offset(0)) {
    return Damaged("batch up to " + ToString(key->last_offset) + " says it ends with " + ToString(batch->last_offset()));
  }
  // Its exclusive end would be none; no append goes so far.
  if (batch->end_offset() < batch->last_offset()) return Damaged("batch up to " + ToString(key->last_offset) + " ends beyond the largest offset");
  batch_ = *batch;
  return true;
}

Status BatchCursor::Gap(Offset expected) const {
  if (!batch_.has_value()) return Damaged("the log ends at " + ToString(expected) + ", before its end");
  return Damaged("gap: expected offset " + ToString(expected) + ", found a batch from " + ToString(batch_->base_offset()) + " to " +
                 ToString(batch_->last_offset()));
}

Status BatchCursor::Failed(Reason reason, const std::string& what) const {
  if (errors_ == Errors::kOwner) return Error(reason, "partition " + ToString(partition_) + ": " + what);
  return Error(reason, "the log cannot be read at offset " + ToString(due_) + ": " + what);
}

Status BatchCursor::Damaged(const std::string& what) const {
  return Failed(errors_ == Errors::kOwner ? Reason::kStorageError : Reason::kCorruptMessage, what);
}

}  // namespace cordwood
