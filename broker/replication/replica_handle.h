// SPDX-License-Identifier: Apache-2.0
// What every thread may hold of a local replica: its names, its shard, and a snapshot of its offsets.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "broker/metadata/cluster_image.h"
#include "storage/base/ids.h"
#include "storage/base/measures.h"
#include "storage/base/mutex.h"
#include "storage/base/reason.h"

namespace cordwood::broker {

class Replica;
class ShardDriver;

enum class ReplicaPhase : std::uint8_t {
  kClosed,    // known from its stub; ends are exact after a clean stop
  kUnopened,  // known from its stub, which was open at a crash: must be opened before its ends are known
  kOpen,
  kOffline,   // its log cannot be read; see offline_why
  kDeleted,
};

struct ReplicaSnapshot {
  ReplicaPhase phase = ReplicaPhase::kClosed;
  LeaderEpoch leader_epoch;
  Offset log_start;       // inclusive
  Offset high_watermark;  // exclusive
  Offset log_end;         // exclusive, written
  std::int64_t max_timestamp_ms = -1;
  std::int64_t first_append_ms = -1;  // of the first batch at or above log_start; -1: unknown or none
  std::int64_t last_append_ms = -1;
  std::uint64_t size_bytes = 0;       // of the batches at or above log_start
  std::uint64_t total_bytes = 0;      // of all batches ever appended
  bool is_leader = true;
};

// What is counted of a partition, since the broker started; as long as the partition is here, whether it is open or not.
struct PartitionMeasures {
  Counter produced_records;  // these three: the shard's thread writes
  Counter produced_bytes;
  Gauge producers;           // in memory, when it was last written to
  SharedCounter fetched_records;  // every network thread writes, once a batch or read that it sends
  SharedCounter fetched_bytes;
};

// Threading: safe from any thread, except `replica`, which belongs to the shard's thread.
class ReplicaHandle {
 public:
  ReplicaHandle(TopicId topic_id, PartitionIndex index, PartitionId id, ShardDriver& driver, const ReplicaSnapshot& snapshot)
      : topic_id(topic_id), index(index), id(id), driver(driver), snapshot_(snapshot) {}

  const TopicId topic_id;
  const PartitionIndex index;
  const PartitionId id;
  ShardDriver& driver;
  PartitionMeasures measures;
  Replica* replica = nullptr;  // of the shard's thread; nullptr while closed

  ReplicaSnapshot snapshot() const {
    MutexLock lock(mu_);
    return snapshot_;
  }
  void Publish(const ReplicaSnapshot& snapshot) {
    MutexLock lock(mu_);
    snapshot_ = snapshot;
  }
  // Why the log cannot be read; OK unless the phase is kOffline.
  Status offline_why() const {
    MutexLock lock(mu_);
    return offline_why_;
  }
  void PublishOffline(Status why) {
    MutexLock lock(mu_);
    snapshot_.phase = ReplicaPhase::kOffline;
    snapshot_.is_leader = false;
    offline_why_ = std::move(why);
  }

 private:
  mutable Mutex mu_;
  ReplicaSnapshot snapshot_ ABSL_GUARDED_BY(mu_);
  Status offline_why_ ABSL_GUARDED_BY(mu_);
};

using ReplicaHandlePtr = std::shared_ptr<ReplicaHandle>;

}  // namespace cordwood::broker
