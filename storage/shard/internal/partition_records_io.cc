// SPDX-License-Identifier: Apache-2.0
// Point reads of records and bounded walks over the sparse index.
#include "storage/shard/internal/partition_records_io.h"

#include "rocksdb/db.h"
#include "storage/shard/internal/rocksdb_access.h"
#include "storage/shard/internal/shard_options.h"
#include "storage/shard/shard_store.h"

namespace cordwood {
namespace {

std::string Context(PartitionId partition) { return "partition " + ToString(partition); }

}  // namespace

StatusOr<std::optional<std::string>> GetPartitionRecord(const ShardStore& store, MetadataKind kind, PartitionId partition) {
  std::string value;
  const rocksdb::Status status = store.db().Get(MetadataReadOptions(), ToSlice(PartitionKey(kind, partition).view()), &value);
  if (status.IsNotFound()) return std::optional<std::string>();
  if (!status.ok()) return FromRocksDb(status, Context(partition));
  return std::optional<std::string>(std::move(value));
}

StatusOr<Offset> ReadLogStart(const ShardStore& store, PartitionId partition) {
  CORDWOOD_ASSIGN_OR_RETURN(const std::optional<std::string> value, GetPartitionRecord(store, MetadataKind::kCheckpoint, partition));
  if (!value.has_value()) return Error(Reason::kUnknownTopicOrPartition, "the topic was deleted");
  const StatusOr<PartitionCheckpoint> checkpoint = DecodePartitionCheckpoint(*value);
  if (!checkpoint.ok()) return Annotate(checkpoint.status(), Context(partition));
  return checkpoint->log_start;
}

IndexCursor::IndexCursor(const ShardStore& store, PartitionId partition)
    : partition_(partition),
      lower_(PartitionKey(MetadataKind::kIndex, partition)),
      upper_(PartitionKey(MetadataKind::kIndex, partition + 1)),
      lower_slice_(ToSlice(lower_.view())),
      upper_slice_(ToSlice(upper_.view())) {
  rocksdb::ReadOptions options = MetadataReadOptions();
  options.iterate_lower_bound = &lower_slice_;
  options.iterate_upper_bound = &upper_slice_;
  iterator_.reset(store.db().NewIterator(options));
}

StatusOr<std::optional<IndexEntry>> IndexCursor::SeekAtOrAbove(Offset offset) {
  iterator_->Seek(ToSlice(IndexKey(partition_, offset).view()));
  return Load();
}

StatusOr<std::optional<IndexEntry>> IndexCursor::SeekAtOrBelow(Offset offset) {
  iterator_->SeekForPrev(ToSlice(IndexKey(partition_, offset).view()));
  return Load();
}

StatusOr<std::optional<IndexEntry>> IndexCursor::Next() {
  iterator_->Next();
  return Load();
}

StatusOr<std::optional<IndexEntry>> IndexCursor::Load() const {
  if (!iterator_->Valid()) {
    if (!iterator_->status().ok()) return FromRocksDb(iterator_->status(), Context(partition_));
    return std::optional<IndexEntry>();
  }
  const std::optional<ParsedBatchKey> key = ParseIndexKey(ToView(iterator_->key()));
  if (!key.has_value() || key->partition != partition_) return Error(Reason::kStorageError, Context(partition_) + ": bad key in the index");
  const StatusOr<IndexEntry> entry = DecodeIndexValue(key->last_offset, ToView(iterator_->value()));
  if (!entry.ok()) return Annotate(entry.status(), Context(partition_));
  return std::optional<IndexEntry>(*entry);
}

}  // namespace cordwood
