// SPDX-License-Identifier: Apache-2.0
#include "client/internal/partitioner.h"

namespace cordwood::client {

PartitionIndex StickyPartitioner::Current(std::int32_t partitions) {
  if (current_ < 0 || current_ >= partitions) current_ = std::uniform_int_distribution<std::int32_t>(0, partitions - 1)(random_);
  return PartitionIndex(current_);
}

void StickyPartitioner::BatchClosed(PartitionIndex full, std::int32_t partitions) {
  if (full.value() != current_ || partitions < 2) return;
  const std::int32_t step = std::uniform_int_distribution<std::int32_t>(1, partitions - 1)(random_);
  current_ = (current_ + step) % partitions;
}

}  // namespace cordwood::client
