// SPDX-License-Identifier: Apache-2.0
// Which partition a record without a key goes to; with one, storage/record/key_partition.h decides.
#pragma once

#include <cstdint>
#include <random>

#include "storage/base/ids.h"
#include "storage/record/key_partition.h"

namespace cordwood::client {

// Records without a key stay with one partition until its batch is full, then move to another: few and full batches.
// Not thread-safe.
class StickyPartitioner {
 public:
  explicit StickyPartitioner(std::uint64_t seed = std::random_device()()) : random_(seed) {}

  PartitionIndex Current(std::int32_t partitions);
  // The batch of `full` was closed. Does nothing if records go elsewhere already.
  void BatchClosed(PartitionIndex full, std::int32_t partitions);

 private:
  std::mt19937_64 random_;
  std::int32_t current_ = -1;
};

}  // namespace cordwood::client
