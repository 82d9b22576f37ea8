// SPDX-License-Identifier: Apache-2.0
// Makes the shards hold what the cluster image says: creates the partitions that are new, removes those of deleted topics.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <utility>
#include <vector>

#include "broker/metadata/cluster_image.h"
#include "broker/replication/partition_table.h"
#include "broker/replication/shard_driver.h"
#include "broker/replication/upkeep/shard_list.h"
#include "storage/base/clock.h"

namespace cordwood::broker {

// A crash between the metadata's change and the shard's leaves a partition too few or one too many; the next start finds both. A partition is removed only if
// the image says that its topic was deleted: one whose topic is merely unknown is kept, for it may be the metadata that was lost.
// Threading: Load before the strand starts; then OnImage on the strand, with the drivers running; unknown_partitions() from any thread.
class PartitionReconciler {
 public:
  // Makes the shard of kind compact, running and in the list; called at the first compacted topic, again where it failed.
  using MakeCompactShard = std::function<StatusOr<ShardDriver*>()>;

  // `shards` from 0 on; at least that one, and of kind log.
  PartitionReconciler(ShardList shards, PartitionTable& table, Clock& clock, MakeCompactShard make_compact_shard);

  // Fills the table with what the shards hold. STORAGE_ERROR if two logs claim to be the same partition.
  Status Load();
  // A MetadataStrand::ImageListener. What could not be done is tried again with the next image.
  Status OnImage(const ClusterImagePtr& before, const ClusterImagePtr& after);

  // Logs whose topic is neither in the image nor known to have been deleted.
  std::size_t unknown_partitions() const { return unknown_partitions_.load(std::memory_order_relaxed); }

 private:
  struct NewPartition {
    const TopicImage* topic;
    PartitionIndex index;
  };
  struct Difference {
    std::vector<NewPartition> missing;
    std::vector<ReplicaHandlePtr> deleted;
  };
  Difference CompareAll(const ClusterImage& after);
  Difference CompareChanged(const ClusterImage& before, const ClusterImage& after);
  void AddMissing(const TopicImage& topic, std::vector<NewPartition>& missing) const;
  Status Create(const std::vector<NewPartition>& missing);
  Status CreateOn(const std::vector<ShardDriver*>& shards, const std::vector<NewPartition>& missing);
  StatusOr<ShardDriver*> CompactShard();
  Status CreateChunk(ShardDriver& shard, PartitionId first, const NewPartition* begin, const NewPartition* end);
  Status Delete(const std::vector<ReplicaHandlePtr>& deleted);

  const ShardList shards_;
  PartitionTable& table_;
  Clock& clock_;
  const MakeCompactShard make_compact_shard_;
  std::size_t next_shard_ = 0;  // for the next chunk of new partitions
  bool compare_all_ = true;     // at the start, and after something failed
  std::atomic<std::size_t> unknown_partitions_{0};
};

}  // namespace cordwood::broker
