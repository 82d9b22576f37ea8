// SPDX-License-Identifier: Apache-2.0
// One open replica of one partition on this broker: the core that decides and the log that stores.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/time/time.h"
#include "broker/replication/append_op.h"
#include "broker/replication/publication.h"
#include "broker/replication/replica_core.h"
#include "storage/shard/partition_log.h"
#include "storage/shard/shard_store.h"

namespace cordwood::broker {

// Threading: owned by its shard's thread.
class Replica {
 public:
  // Reads the log; nothing is written. It leads only after Lead().
  static StatusOr<std::unique_ptr<Replica>> Open(ShardStore& store, ReplicaHandlePtr handle, const ProducerLimits& limits);

  // Leads in max(stored epoch, the shard's floor). Its start is staged with whatever is appended next; it needs no sync of its own, since the floor is on stable
  // storage already: no lost tail is ever rewritten under an epoch that it was written in.
  void Lead(LeaderEpoch floor, WriteGroup& group, ReplicaActions& actions);

  // Instead of Lead() where nothing can be written any more: what the log holds can be read, in its latest epoch.
  void ServeReads(ReplicaActions& actions);

  // Checks and stages one entry, and fills in its results. An error refuses the entry as a whole.
  Status Append(AppendEntry& entry, const AckToken& token, std::int64_t wall_ms, WriteGroup& group, ReplicaActions& actions);

  Status StageLogStart(Offset start, WriteGroup& group, ReplicaActions& actions);
  StatusOr<Offset> StageTruncate(Offset end, LeaderEpoch epoch, WriteGroup& group, ReplicaActions& actions);
  void StageClose(WriteGroup& group) { log_->StageClose(group, core_.high_watermark()); }

  void OnCommitted(ReplicaActions& actions);
  void OnSynced(ReplicaActions& actions);
  // Takes no more appends. What was staged and not published never will be.
  void Resign(ReplicaActions& actions);

  // News since the last TakeUpdate().
  bool high_watermark_moved() const { return published_.high_watermark != core_.high_watermark(); }
  bool has_news() const;
  const PartitionUpdate& TakeUpdate(Publication& to);  // added to it; and publishes the snapshot on the handle
  ReplicaSnapshot Snapshot(ReplicaPhase phase) const;

  const ReplicaHandlePtr& handle() const { return handle_; }
  const ReplicaCore& core() const { return core_; }
  PartitionLog& log() { return *log_; }

  // Of the shard's loop.
  std::size_t position = 0;         // among the open replicas
  bool touched = false;             // by the present group
  bool drop_pending = false;        // stands in the list of logs to be cut below their start
  absl::Duration last_used;         // monotonic

 private:
  Replica(ReplicaHandlePtr handle, std::unique_ptr<PartitionLog> log) : handle_(std::move(handle)), log_(std::move(log)) {}
  void Reconfigure(const TopicImage& topic, ReplicaActions& actions);
  bool AllDuplicates(const AppendEntry& entry, std::int64_t wall_ms) const;

  const ReplicaHandlePtr handle_;
  const std::unique_ptr<PartitionLog> log_;
  ReplicaCore core_;
  Revision config_revision_ = -1;  // of the topic image that core_ is configured by
  bool log_append_time_ = false;
  std::vector<PublishedBatch> batches_;  // staged, not published yet
  ReplicaSnapshot published_;
};

}  // namespace cordwood::broker
