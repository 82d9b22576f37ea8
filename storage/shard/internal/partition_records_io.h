// SPDX-License-Identifier: Apache-2.0
// Reads of a partition's metadata records. For the sources of this room alone.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "rocksdb/iterator.h"
#include "rocksdb/slice.h"
#include "storage/base/ids.h"
#include "storage/base/reason.h"
#include "storage/log/keys.h"
#include "storage/log/partition_records.h"

namespace cordwood {

class ShardStore;

// The record's value; nullopt where there is none. STORAGE_ERROR names the partition.
StatusOr<std::optional<std::string>> GetPartitionRecord(const ShardStore& store, MetadataKind kind, PartitionId partition);

// Where the log starts by now: what a reader misses below that was taken by retention while it read. UNKNOWN_TOPIC_OR_PARTITION if all of it was
// deleted; STORAGE_ERROR names the partition.
StatusOr<Offset> ReadLogStart(const ShardStore& store, PartitionId partition);

// Walks one partition's sparse index. One view of it, as of construction; lives for one job. Not thread-safe.
class IndexCursor {
 public:
  IndexCursor(const ShardStore& store, PartitionId partition);
  IndexCursor(const IndexCursor&) = delete;
  IndexCursor& operator=(const IndexCursor&) = delete;

  // nullopt: none there. STORAGE_ERROR names the partition.
  StatusOr<std::optional<IndexEntry>> SeekAtOrAbove(Offset offset);
  StatusOr<std::optional<IndexEntry>> SeekAtOrBelow(Offset offset);
  StatusOr<std::optional<IndexEntry>> Next();

 private:
  StatusOr<std::optional<IndexEntry>> Load() const;

  const PartitionId partition_;
  const FixedKey<10> lower_;
  const FixedKey<10> upper_;
  const rocksdb::Slice lower_slice_;
  const rocksdb::Slice upper_slice_;
  std::unique_ptr<rocksdb::Iterator> iterator_;
};

}  // namespace cordwood
