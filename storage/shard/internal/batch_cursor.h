// SPDX-License-Identifier: Apache-2.0
// Walks the stored batches of one partition, in order, and checks each. For the sources of this room alone.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "rocksdb/iterator.h"
#include "storage/base/ids.h"
#include "storage/base/reason.h"
#include "storage/record/record_batch.h"
#include "storage/shard/internal/shard_options.h"

namespace cordwood {

class ShardStore;

// One RocksDB iterator: a view of the partition as of construction. What it hands out is valid until the next move. Each step reads the
// whole batch from disk, whether it is looked at or not (7.8.3). Not thread-safe; lives for one job.
class BatchCursor {
 public:
  BatchCursor(const ShardStore& store, PartitionId partition);

  // To the batch that contains `offset`, or else the first one behind it. False: there is none. STORAGE_ERROR, naming the partition, if it
  // cannot be read, or its key, side header and header do not fit together. The batch's own CRC is not checked here.
  StatusOr<bool> Seek(Offset offset);
  StatusOr<bool> Next();
  // To the last batch. False: the partition is empty.
  StatusOr<bool> SeekToLast();

  const RecordBatchView& batch() const { return *batch_; }
  std::string_view value() const { return value_; }  // with the side header
  std::int64_t append_ms() const { return append_ms_; }

  // STORAGE_ERROR: `expected` should have been there.
  Status Gap(Offset expected) const;

 private:
  StatusOr<bool> Load();
  Status Damaged(const std::string& what) const;

  const PartitionId partition_;
  const PartitionReadOptions read_options_;
  const std::unique_ptr<rocksdb::Iterator> iterator_;
  std::string_view value_;
  std::optional<RecordBatchView> batch_;
  std::int64_t append_ms_ = -1;
};

}  // namespace cordwood
