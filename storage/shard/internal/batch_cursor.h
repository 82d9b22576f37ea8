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
  // Who hears of what cannot be read. kOwner, the broker: KAFKA_STORAGE_ERROR naming the partition by its id. kUser, who knows the partition by its
  // topic: CORRUPT_MESSAGE naming the offset; KAFKA_STORAGE_ERROR remains for a disk that fails.
  enum class Errors { kOwner, kUser };

  BatchCursor(const ShardStore& store, PartitionId partition, Errors errors = Errors::kOwner);

  // To the batch that contains `offset`, or else the first one behind it. False: there is none. An error if it
  // cannot be read, or its key, side header and header do not fit together. The batch's own CRC is not checked here.
  StatusOr<bool> Seek(Offset offset);
  StatusOr<bool> Next();
  // To the last batch. False: the partition is empty.
  StatusOr<bool> SeekToLast();

  const RecordBatchView& batch() const { return *batch_; }
  std::string_view value() const { return value_; }  // with the side header
  std::int64_t append_ms() const { return append_ms_; }

  // Damage: `expected` should have been there.
  Status Gap(Offset expected) const;

 private:
  StatusOr<bool> Load();
  Status Failed(Reason reason, const std::string& what) const;
  Status Damaged(const std::string& what) const;

  const PartitionId partition_;
  const Errors errors_;
  const PartitionReadOptions read_options_;
  const std::unique_ptr<rocksdb::Iterator> iterator_;
  std::string_view value_;
  std::optional<RecordBatchView> batch_;
  std::int64_t append_ms_ = -1;
  Offset due_;  // what the next step looks for
};

}  // namespace cordwood
