// SPDX-License-Identifier: Apache-2.0
// The newest batches of all partitions, for consumers that keep up.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "broker/replication/publication.h"
#include "storage/base/reuse/bytes_pool.h"
#include "storage/base/ids.h"
#include "storage/base/reuse/ring_queue.h"

namespace cordwood::broker {

// Holds references: threads that hold the same batches share their bytes. What a batch and a partition cost beside their bytes is counted too, so that a
// million tiny batches are bounded as well. Not thread-safe.
class TailRing {
 public:
  explicit TailRing(std::size_t bytes_max = 64 * 1024 * 1024) : bytes_max_(bytes_max) {}

  // The newest batch of its partition. If it does not begin where the one before it ended, the older ones are forgotten.
  void Insert(PartitionId partition, const PublishedBatch& batch);
  void Forget(PartitionId partition);

  // Consecutive batches from the one that contains `from` on, that end at or below `end`; together at most `bytes_max`, but the first whatever its size.
  // `take` says whether it wants the next. False if there is none: `from` is not here, or its batch ends above `end`.
  bool Find(PartitionId partition, Offset from, Offset end, std::size_t bytes_max, absl::FunctionRef<bool(const PublishedBatch&)> take) const;

  // Where the newest batch ends; nullopt if there is none.
  std::optional<Offset> EndOf(PartitionId partition) const;

  // The buffers of batches that nobody holds any more.
  BytesPool& spare_buffers() { return spare_buffers_; }
  std::size_t bytes() const { return bytes_; }
  std::size_t partitions() const { return by_partition_.size(); }
  std::size_t ages() const { return ages_.size(); }  // at most twice the batches, and kAgesSlack
  static constexpr std::size_t kAgesSlack = 64;

 private:
  static constexpr std::size_t kBatchCost = 128;
  static constexpr std::size_t kPartitionCost = 768;
  struct Batches {
    std::uint64_t life = 0;  // a partition that is forgotten and comes back lives anew
    RingQueue<PublishedBatch> all;
  };
  struct Age {
    PartitionId partition;
    std::uint64_t life = 0;
  };
  void EvictOldest();
  bool IsGone(const Age& age) const;

  const std::size_t bytes_max_;
  std::size_t bytes_ = 0;
  std::size_t batches_ = 0;
  std::uint64_t lives_ = 0;
  absl::flat_hash_map<PartitionId, Batches> by_partition_;  // none empty
  BytesPool spare_buffers_;
  RingQueue<Age> ages_;  // one a batch, oldest first; some of lives that have ended
};

}  // namespace cordwood::broker
