// SPDX-License-Identifier: Apache-2.0
// One queue by age over all partitions, one queue by offset per partition.
#include "broker/handlers/tail_ring.h"

#include <algorithm>

namespace cordwood::broker {

void TailRing::Insert(PartitionId partition, const PublishedBatch& batch) {
  const auto found = by_partition_.find(partition);
  if (found != by_partition_.end() && found->second.all.back().end != batch.base) Forget(partition);
  Batches& batches = by_partition_[partition];
  if (batches.all.empty()) {
    batches.life = ++lives_;
    bytes_ += kPartitionCost;
  }
  batches.all.push_back(batch);
  ages_.push_back(Age{partition, batches.life});
  bytes_ += batch.value.size() + kBatchCost;
  ++batches_;
  while (bytes_ > bytes_max_ && !ages_.empty()) EvictOldest();
  if (ages_.size() > 2 * batches_ + kAgesSlack) std::erase_if(ages_, [this](const Age& age) { return IsGone(age); });
}

void TailRing::Forget(PartitionId partition) {
  const auto found = by_partition_.find(partition);
  if (found == by_partition_.end()) return;
  for (const PublishedBatch& batch : found->second.all) bytes_ -= batch.value.size() + kBatchCost;
  bytes_ -= kPartitionCost;
  batches_ -= found->second.all.size();
  by_partition_.erase(found);
}

bool TailRing::IsGone(const Age& age) const {
  const auto found = by_partition_.find(age.partition);
  return found == by_partition_.end() || found->second.life != age.life;
}

// The oldest age of a life is that of its first batch.
void TailRing::EvictOldest() {
  const Age age = ages_.front();
  ages_.pop_front();
  if (IsGone(age)) return;
  const auto found = by_partition_.find(age.partition);
  std::deque<PublishedBatch>& all = found->second.all;
  bytes_ -= all.front().value.size() + kBatchCost;
  --batches_;
  all.pop_front();
  if (!all.empty()) return;
  bytes_ -= kPartitionCost;
  by_partition_.erase(found);
}

std::optional<Offset> TailRing::EndOf(PartitionId partition) const {
  const auto found = by_partition_.find(partition);
  if (found == by_partition_.end()) return std::nullopt;
  return found->second.all.back().end;
}

absl::InlinedVector<PublishedBatch, 4> TailRing::Find(PartitionId partition, Offset from, Offset end, std::size_t bytes_max) const {
  absl::InlinedVector<PublishedBatch, 4> found;
  const auto batches = by_partition_.find(partition);
  if (batches == by_partition_.end() || batches->second.all.front().base > from) return found;
  const std::deque<PublishedBatch>& all = batches->second.all;
  auto at = std::partition_point(all.begin(), all.end(), [&](const PublishedBatch& batch) { return batch.end <= from; });
  std::size_t bytes = 0;
  for (; at != all.end() && at->end <= end; ++at) {
    bytes += at->value.size();
    if (!found.empty() && bytes > bytes_max) break;
    found.push_back(*at);
  }
  return found;
}

}  // namespace cordwood::broker
