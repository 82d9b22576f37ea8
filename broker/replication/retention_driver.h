// SPDX-License-Identifier: Apache-2.0
// The background thread that forgets what retention lets go, gives the space back, and watches the disk fill.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "broker/metadata/cluster_image.h"
#include "broker/replication/partition_table.h"
#include "broker/replication/shard_driver.h"
#include "broker/replication/upkeep/shard_list.h"
#include "storage/base/clock.h"
#include "storage/base/mutex.h"
#include "storage/shard/disk_ladder.h"

namespace cordwood::broker {

struct RetentionOptions {
  std::string data_dir;  // on the disk that is watched
  DiskLadder ladder;     // its floor is that of one shard
  // A shard is compacted when what would come back is at least this share of it, or that many bytes, but never for less than the minimum (unless the
  // disk is filling up).
  double reclaim_share = 0.1;
  double reclaim_share_compact = 1.0 / 3;  // of a shard of compacted topics, however many bytes that are
  std::uint64_t reclaim_bytes = 1ULL << 30;
  std::uint64_t reclaim_bytes_min = 4ULL << 20;
};

// Each topic is looked at every RetentionCheckInterval() of its limits, and when its configuration changed. A partition costs a look at its snapshot; its
// index is read only if something may be due. Only plans: the shard's thread writes.
// Threading: Start and Stop from the owner; LookAtDisk, disk_level, CheckGrowth and CheckDisk from any thread; the rest from the driver's threads, or from tests
// that do not start them.
class RetentionDriver {
 public:
  RetentionDriver(ShardList shards, const PartitionTable& table, std::function<ClusterImagePtr()> image,
                  const RetentionOptions& options, Clock& clock);
  ~RetentionDriver();  // stops

  void Start();  // looks at the disk once before it returns
  void Stop();   // cancels a running compaction

  // For whoever is about to write: where space is tight, after a look at the disk (about a microsecond), so that no burst outruns the checks.
  DiskLevel LookAtDisk();
  DiskLevel disk_level() const { return disk_level_.load(std::memory_order_relaxed); }
  Status CheckGrowth() const;  // DISK_FULL where the ladder refuses new partitions

  void CheckDisk();
  // Moves log starts of every topic that is due, then cuts the logs below them.
  void CheckRetention();
  // Compacts the shards that have enough to give back. Minutes on a large shard.
  void Reclaim();

 private:
  struct Schedule {
    Revision revision = -1;
    absl::Duration next;
  };
  struct LogStartMove {
    ReplicaHandlePtr partition;
    Offset start;
  };
  bool IsDue(const TopicImage& topic, absl::Duration now);
  void CheckTopic(const TopicImage& topic, std::int64_t now_ms);
  void MarkGrowth(const std::vector<ReplicaHandlePtr>& partitions);
  void MoveLogStarts(const std::vector<LogStartMove>& moves);
  void CutLogs();
  void RunChecks();
  void RunReclaims();
  bool WaitUnlessStopped(absl::Duration at_most);

  DiskLadder Ladder() const;

  const ShardList shards_;
  const PartitionTable& table_;
  const std::function<ClusterImagePtr()> image_;
  const RetentionOptions options_;
  Clock& clock_;

  // Of the checking thread.
  absl::flat_hash_map<TopicId, Schedule> schedule_;
  absl::flat_hash_map<PartitionId, Offset> marked_;  // log ends that stand in the index, of partitions that grew
  Revision scheduled_revision_ = -1;
  absl::Duration next_due_;
  // Of the reclaiming thread.
  absl::flat_hash_map<const ShardDriver*, std::uint64_t> owed_bytes_;  // what a compaction may give back
  absl::flat_hash_set<const ShardDriver*> old_debts_;                   // of these what an earlier run owed is known

  std::atomic<DiskLevel> disk_level_{DiskLevel::kNormal};
  std::atomic<std::uint64_t> free_bytes_{0};
  std::atomic<std::uint64_t> total_bytes_{0};
  Mutex mu_;
  CondVar stopped_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::thread check_thread_;
  std::thread reclaim_thread_;
};

}  // namespace cordwood::broker
