// SPDX-License-Identifier: Apache-2.0
// The open replicas of a shard: opened at first use, closed when idle, cut, deleted.
#include <algorithm>
#include <string>

#include "broker/replication/shard_loop.h"

namespace cordwood::broker {

namespace {

// Of a partition that is not open.
Status CheckOpenable(const ReplicaHandle& partition) {
  const ReplicaPhase phase = partition.snapshot().phase;
  if (phase == ReplicaPhase::kDeleted) return Error(Reason::kUnknownTopicOrPartition, "the topic was deleted");
  if (phase == ReplicaPhase::kOffline) return partition.offline_why();
  return absl::OkStatus();
}

}  // namespace

StatusOr<Replica*> ShardLoop::Use(const ReplicaHandlePtr& partition) {
  if (!store_->poisoned()) return UseToLook(partition);
  if (partition->replica == nullptr) CORDWOOD_RETURN_IF_ERROR(CheckOpenable(*partition));
  return store_->poison_status();
}

StatusOr<Replica*> ShardLoop::UseToLook(const ReplicaHandlePtr& partition) {
  if (partition->replica == nullptr) CORDWOOD_RETURN_IF_ERROR(OpenReplica(partition));
  partition->replica->last_used = now_;
  Touch(*partition->replica);
  return partition->replica;
}

Status ShardLoop::OpenReplica(const ReplicaHandlePtr& partition) {
  CORDWOOD_RETURN_IF_ERROR(CheckOpenable(*partition));
  auto replica = Replica::Open(*store_, partition, options_.producers);
  if (!replica.ok()) {
    partition->PublishOffline(replica.status());
    farewells_.push_back(PartitionUpdate{partition, partition->snapshot()});
    return replica.status();
  }
  if (store_->poisoned()) {
    (*replica)->ServeReads(actions_);
  } else {
    (*replica)->Lead(store_->epoch_floor(), group_, actions_);
  }
  if ((*replica)->log().log_start() > Offset(0)) {  // a stop may have come between its move and the cut
    (*replica)->drop_pending = true;
    drops_.push_back(partition);
  }
  (*replica)->position = replicas_.size();
  partition->replica = replica->get();
  replicas_.push_back(*std::move(replica));
  return absl::OkStatus();
}

void ShardLoop::Touch(Replica& replica) {
  if (replica.touched) return;
  replica.touched = true;
  touched_.push_back(&replica);
}

void ShardLoop::StageClose(Replica& replica) {
  closing_.push_back(Closing{&replica, replica.Snapshot(ReplicaPhase::kClosed)});
  if (replica.drop_pending) replica.log().StageDropBelowStart(group_);
  replica.StageClose(group_);
}

// `replica` is not among the touched ones.
void ShardLoop::Forget(Replica& replica, const ReplicaSnapshot& farewell) {
  const ReplicaHandlePtr handle = replica.handle();
  handle->replica = nullptr;
  handle->Publish(farewell);
  farewells_.push_back(PartitionUpdate{handle, farewell});
  const std::size_t position = replica.position;
  std::swap(replicas_[position], replicas_.back());
  replicas_[position]->position = position;
  replicas_.pop_back();
}

Status ShardLoop::StageLogStart(const ReplicaHandlePtr& partition, Offset start) {
  CORDWOOD_ASSIGN_OR_RETURN(Replica* const replica, Use(partition));
  const std::uint64_t size_before = replica->log().size_bytes();
  const Offset start_before = replica->log().log_start();
  CORDWOOD_RETURN_IF_ERROR(replica->StageLogStart(start, group_, actions_));
  if (replica->log().log_start() == start_before) return absl::OkStatus();
  drop_bytes_ += size_before - replica->log().size_bytes();
  if (!replica->drop_pending) {
    replica->drop_pending = true;
    new_drops_.push_back(partition);
  }
  return absl::OkStatus();
}

int ShardLoop::StageDrops(int partitions_max) {
  int dropped = 0;
  while (dropped < partitions_max && !drops_.empty()) {
    const ReplicaHandlePtr partition = std::move(drops_.back());
    drops_.pop_back();
    ++dropped;
    // A partition that waits here is not closed, so it is open unless it was deleted.
    Replica* const replica = partition->replica;
    if (replica == nullptr) continue;
    replica->drop_pending = false;
    Touch(*replica);
    replica->log().StageDropBelowStart(group_);
  }
  // Only what has been cut can come back.
  if (drops_.empty() && new_drops_.empty()) reclaimable_bytes_.fetch_add(std::exchange(drop_bytes_, 0), std::memory_order_relaxed);
  return dropped;
}

StatusOr<Offset> ShardLoop::StageTruncate(const ReplicaHandlePtr& partition, Offset end, LeaderEpoch epoch) {
  CORDWOOD_RETURN_IF_ERROR(FinishGroup());
  CORDWOOD_ASSIGN_OR_RETURN(Replica* const replica, Use(partition));
  StatusOr<Offset> truncated = replica->StageTruncate(end, epoch, group_, actions_);
  Settle(Error(Reason::kRequestTimedOut, "the log was truncated before the append was acknowledged"));
  return truncated;
}

Status ShardLoop::StageDelete(const ReplicaHandlePtr& partition) {
  Replica* const replica = partition->replica;
  if (replica != nullptr) {
    if (replica->touched) CORDWOOD_RETURN_IF_ERROR(FinishGroup());
    replica->Resign(actions_);
    Settle(Error(Reason::kRequestTimedOut, "the topic was deleted before the append was acknowledged"));
  }
  if (store_->poisoned()) return store_->poison_status();
  ReplicaSnapshot snapshot = replica != nullptr ? replica->Snapshot(ReplicaPhase::kDeleted) : partition->snapshot();
  snapshot.phase = ReplicaPhase::kDeleted;
  snapshot.is_leader = false;
  reclaimable_bytes_.fetch_add(snapshot.size_bytes, std::memory_order_relaxed);
  PartitionLog::StageDelete(group_, partition->id);
  if (replica != nullptr) {
    Forget(*replica, snapshot);
  } else {
    partition->Publish(snapshot);
    farewells_.push_back(PartitionUpdate{partition, snapshot});
  }
  return absl::OkStatus();
}

}  // namespace cordwood::broker
