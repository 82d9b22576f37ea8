// SPDX-License-Identifier: Apache-2.0
// Makes the shards hold what the cluster image says: creates the partitions that are new, removes those of deleted topics.
#pragma once

#include <atomic>
#include <cstddef>
#include <utility>
#include <vector>

#include "broker/metadata/cluster_image.h"
#include "broker/replication/partition_table.h"
#include "broker/replication/shard_driver.h"
#include "storage/base/clock.h"

namespace cordwood::broker {

// A crash between the metadata's change and the shard's leaves a partition too few or one too many; the next start finds both. A partition is removed only if
// the image says that its topic was deleted: one whose topic is merely unknown is kept, for it may be the metadata that was lost.
// Threading: Load before the strand starts; then OnImage on the strand, with the drivers running; unknown_partitions() from any thread.
class PartitionReconciler {
 public:
  // `shards` in order of id, from 0 on; at least one.
  PartitionReconciler(std::vector<ShardDriver*> shards, PartitionTable& table, Clock& clock);

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
  Status CreateChunk(ShardDriver& shard, PartitionId first, const NewPartition* begin, const NewPartition* end);
  Status Delete(const std::vector<ReplicaHandlePtr>& deleted);

  const std::vector<ShardDriver*> shards_;
  PartitionTable& table_;
  Clock& clock_;
  std::size_t next_shard_ = 0;  // for the next chunk of new partitions
  bool compare_all_ = true;     // at the start, and after something failed
  std::atomic<std::size_t> unknown_partitions_{0};
};

}  // namespace cordwood::broker
