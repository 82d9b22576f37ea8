// SPDX-License-Identifier: Apache-2.0
// One queue by age over all partitions, one queue by offset per partition.
#include "broker/handlers/tail_ring.h"

#include <algorithm>

namespace cordwood::broker {

void TailRing::Insert(PartitionId partition, const PublishedBatch& batch) {
  const auto found = by_partition_.find(partition);
  if (found != by_partition_.end() && found->second.back().end != batch.base) Forget(partition);
  Batches& batches = by_partition_[partition];
  if (batches.empty()) bytes_ += kPartitionCost;
  batches.push_back(batch);
  ages_.push_back(Age{partition, batch.base});
  bytes_ += batch.value.size() + kBatchCost;
  while (bytes_ > bytes_max_ && !ages_.empty()) EvictOldest();
}

void TailRing::Forget(PartitionId partition) {
  const auto found = by_partition_.find(partition);
  if (found == by_partition_.end()) return;
  for (const PublishedBatch& batch : found->second) bytes_ -= batch.value.size() + kBatchCost;
  bytes_ -= kPartitionCost;
  by_partition_.erase(found);
}

void TailRing::EvictOldest() {
  const Age age = ages_.front();
  ages_.pop_front();
  const auto found = by_partition_.find(age.partition);
  if (found == by_partition_.end() || found->second.front().base != age.base) return;
  bytes_ -= found->second.front().value.size() + kBatchCost;
  found->second.pop_front();
  if (!found->second.empty()) return;
  bytes_ -= kPartitionCost;
  by_partition_.erase(found);
}

std::optional<Offset> TailRing::EndOf(PartitionId partition) const {
  const auto found = by_partition_.find(partition);
  if (found == by_partition_.end()) return std::nullopt;
  return found->second.back().end;
}

absl::InlinedVector<PublishedBatch, 4> TailRing::Find(PartitionId partition, Offset from, Offset end, std::size_t bytes_max) const {
  absl::InlinedVector<PublishedBatch, 4> found;
  const auto batches = by_partition_.find(partition);
  if (batches == by_partition_.end() || batches->second.front().base > from) return found;
  auto at = std::partition_point(batches->second.begin(), batches->second.end(), [&](const PublishedBatch& batch) { return batch.end <= from; });
  std::size_t bytes = 0;
  for (; at != batches->second.end() && at->end <= end; ++at) {
    bytes += at->value.size();
    if (!found.empty() && bytes > bytes_max) break;
    found.push_back(*at);
  }
  return found;
}

}  // namespace cordwood::broker
