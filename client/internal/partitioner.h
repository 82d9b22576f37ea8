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

  PartitionIndex Current(std::int32_t partitions) {
    if (current_ < 0 || current_ >= partitions) current_ = Between(0, partitions - 1);
    return PartitionIndex(current_);
  }
  // The batch of `full` was closed. Does nothing if records go elsewhere already.
  void BatchClosed(PartitionIndex full, std::int32_t partitions) {
    if (full.value() != current_ || partitions < 2) return;
    current_ = (current_ + Between(1, partitions - 1)) % partitions;
  }

 private:
  std::int32_t Between(std::int32_t first, std::int32_t last) { return std::uniform_int_distribution<std::int32_t>(first, last)(random_); }

  std::mt19937_64 random_;
  std::int32_t current_ = -1;
};

}  // namespace cordwood::client
