// SPDX-License-Identifier: Apache-2.0
// One queue by age over all partitions, one queue by offset per partition.
#include "broker/handlers/tail_ring.h"

#include <utility>

namespace cordwood::broker {
namespace {

// Its index; as many as there are if all end at or below `offset`.
std::size_t FirstEndingAbove(const RingQueue<PublishedBatch>& batches, Offset offset) {
  std::size_t first = 0;
  for (std::size_t left = batches.size(); left > 0;) {
    const std::size_t half = left / 2;
    if (batches[first + half].end <= offset) {
      first += half + 1;
      left -= half + 1;
    } else {
      left = half;
    }
  }
  return first;
}

}  // namespace

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
  if (ages_.size() > 2 * batches_ + kAgesSlack) ages_.KeepIf([this](const Age& age) { return !IsGone(age); });
}

void TailRing::Forget(PartitionId partition) {
  const auto found = by_partition_.find(partition);
  if (found == by_partition_.end()) return;
  RingQueue<PublishedBatch>& all = found->second.all;
  bytes_ -= kPartitionCost;
  batches_ -= all.size();
  while (!all.empty()) {
    PublishedBatch batch = all.pop_front();
    bytes_ -= batch.value.size() + kBatchCost;
    spare_buffers_.Give(std::move(batch.value));
  }
  by_partition_.erase(found);
}

bool TailRing::IsGone(const Age& age) const {
  const auto found = by_partition_.find(age.partition);
  return found == by_partition_.end() || found->second.life != age.life;
}

// The oldest age of a life is that of its first batch.
void TailRing::EvictOldest() {
  const Age age = ages_.pop_front();
  if (IsGone(age)) return;
  const auto found = by_partition_.find(age.partition);
  RingQueue<PublishedBatch>& all = found->second.all;
  PublishedBatch oldest = all.pop_front();
  bytes_ -= oldest.value.size() + kBatchCost;
  --batches_;
  spare_buffers_.Give(std::move(oldest.value));
  if (!all.empty()) return;
  bytes_ -= kPartitionCost;
  by_partition_.erase(found);
}

std::optional<Offset> TailRing::EndOf(PartitionId partition) const {
  const auto found = by_partition_.find(partition);
  if (found == by_partition_.end()) return std::nullopt;
  return found->second.all.back().end;
}

bool TailRing::Find(PartitionId partition, Offset from, Offset end, std::size_t bytes_max, absl::FunctionRef<bool(const PublishedBatch&)> take) const {
  const auto batches = by_partition_.find(partition);
  if (batches == by_partition_.end() || batches->second.all.front().base > from) return false;
  const RingQueue<PublishedBatch>& all = batches->second.all;
  const std::size_t first = FirstEndingAbove(all, from);
  std::size_t bytes = 0;
  for (std::size_t at = first; at < all.size() && all[at].end <= end; ++at) {
    bytes += all[at].value.size();
    if (at != first && bytes > bytes_max) break;
    if (!take(all[at])) break;
  }
  return first < all.size() && all[first].end <= end;
}

}  // namespace cordwood::broker
