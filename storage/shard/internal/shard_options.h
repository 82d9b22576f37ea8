// SPDX-License-Identifier: Apache-2.0
// The RocksDB options of a shard, each with its reason. For the sources of this room alone.
#pragma once

#include "rocksdb/options.h"
#include "storage/base/ids.h"

namespace cordwood {

struct ShardOptions;

rocksdb::Options RocksDbOptions(const ShardOptions& options);

// For an iterator over the batches of one partition; keeps the bounds alive.
class PartitionReadOptions {
 public:
  explicit PartitionReadOptions(PartitionId partition);
  PartitionReadOptions(const PartitionReadOptions&) = delete;
  PartitionReadOptions& operator=(const PartitionReadOptions&) = delete;
  const rocksdb::ReadOptions& get() const { return options_; }

 private:
  char lower_[8];
  char upper_[8];
  rocksdb::Slice lower_slice_;
  rocksdb::Slice upper_slice_;
  rocksdb::ReadOptions options_;
};

// For point reads and scans of metadata keys, which lie outside the prefix extractor's domain.
rocksdb::ReadOptions MetadataReadOptions();

}  // namespace cordwood
