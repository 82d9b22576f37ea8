// SPDX-License-Identifier: Apache-2.0
// Compares images with the partition table, and stages the difference in bulk.
#include "broker/replication/partition_reconciler.h"

#include <algorithm>
#include <string>

#include "broker/replication/shard_turn.h"
#include "storage/base/check.h"
#include "storage/shard/partition_catalog.h"

namespace cordwood::broker {
namespace {

constexpr std::size_t kChunkMax = 1024;  // partitions per task, so that appends of others come in between

ReplicaSnapshot SnapshotOf(const PartitionCheckpoint& checkpoint, LeaderEpoch epoch) {
  ReplicaSnapshot snapshot;
  snapshot.phase = checkpoint.open ? ReplicaPhase::kUnopened : ReplicaPhase::kClosed;
  snapshot.leader_epoch = epoch;
  snapshot.log_start = checkpoint.log_start;
  snapshot.high_watermark = std::max(checkpoint.high_watermark, checkpoint.log_start);
  snapshot.log_end = std::max(checkpoint.log_end, snapshot.high_watermark);
  snapshot.max_timestamp_ms = checkpoint.max_timestamp_ms;
  snapshot.first_append_ms = checkpoint.first_append_ms;
  snapshot.last_append_ms = checkpoint.last_append_ms;
  snapshot.size_bytes = checkpoint.bytes - std::min(checkpoint.bytes, checkpoint.bytes_before_start);
  snapshot.total_bytes = checkpoint.bytes;
  return snapshot;
}

bool IsCompact(const ShardDriver& shard) { return shard.store().options().kind == ShardKind::kCompact; }

}  // namespace

PartitionReconciler::PartitionReconciler(ShardList shards, PartitionTable& table, Clock& clock, MakeCompactShard make_compact_shard)
    : shards_(std::move(shards)), table_(table), clock_(clock), make_compact_shard_(std::move(make_compact_shard)) {
  const std::vector<ShardDriver*> all = shards_.All();
  CORDWOOD_CHECK(!all.empty() && all.front()->id() == ShardId(0) && !IsCompact(*all.front()));
}

Status PartitionReconciler::Load() {
  for (ShardDriver* shard : shards_.All()) {
    CORDWOOD_ASSIGN_OR_RETURN(const std::vector<PartitionStub> stubs, ReadPartitionStubs(shard->store()));
    for (const PartitionStub& stub : stubs) {
      const PartitionIdentity& identity = stub.identity;
      if (const auto other = table_.Find(identity.topic_id, identity.index)) {
        return Error(Reason::kStorageError, "partitions " + ToString(other->id) + " and " + ToString(stub.id) + " both claim to be " +
                                                identity.topic_id.ToString() + "-" + ToString(identity.index));
      }
      // The shard's floor is never below an epoch stored in it, so that this is the epoch it will lead in.
      table_.Insert(std::make_shared<ReplicaHandle>(identity.topic_id, identity.index, stub.id, *shard,
                                                    SnapshotOf(stub.checkpoint, shard->store().epoch_floor())));
    }
  }
  return absl::OkStatus();
}

Status PartitionReconciler::OnImage(const ClusterImagePtr& before, const ClusterImagePtr& after) {
  const Difference difference = compare_all_ || before == nullptr ? CompareAll(*after) : CompareChanged(*before, *after);
  Status outcome = Delete(difference.deleted);
  outcome.Update(Create(difference.missing));
  compare_all_ = !outcome.ok();
  return outcome;
}

PartitionReconciler::Difference PartitionReconciler::CompareAll(const ClusterImage& after) {
  Difference difference;
  std::size_t unknown = 0;
  for (ReplicaHandlePtr& handle : table_.All()) {
    if (after.FindTopic(handle->topic_id) != nullptr) continue;
    if (after.WasDeleted(handle->topic_id)) {
      difference.deleted.push_back(std::move(handle));
    } else {
      ++unknown;
    }
  }
  unknown_partitions_.store(unknown, std::memory_order_relaxed);
  for (const auto& topic : after.topics()) AddMissing(*topic, difference.missing);
  return difference;
}

PartitionReconciler::Difference PartitionReconciler::CompareChanged(const ClusterImage& before, const ClusterImage& after) {
  Difference difference;
  for (const auto& topic : before.topics()) {
    if (after.FindTopic(topic->id) != nullptr || !after.WasDeleted(topic->id)) continue;
    for (ReplicaHandlePtr& handle : table_.FindAll(topic->id)) {
      if (handle != nullptr) difference.deleted.push_back(std::move(handle));
    }
  }
  for (const auto& topic : after.topics()) {
    const auto old = before.FindTopic(topic->id);
    if (old == nullptr || old->partition_count != topic->partition_count) AddMissing(*topic, difference.missing);
  }
  return difference;
}

void PartitionReconciler::AddMissing(const TopicImage& topic, std::vector<NewPartition>& missing) const {
  const std::vector<ReplicaHandlePtr> present = table_.FindAll(topic.id);
  for (std::int32_t index = 0; index < topic.partition_count; ++index) {
    const auto at = static_cast<std::size_t>(index);
    if (at >= present.size() || present[at] == nullptr) missing.push_back({&topic, PartitionIndex(index)});
  }
}

Status PartitionReconciler::Create(const std::vector<NewPartition>& missing) {
  std::vector<NewPartition> logs;
  std::vector<NewPartition> compacted;
  for (const NewPartition& partition : missing) (partition.topic->config.compacts() ? compacted : logs).push_back(partition);
  std::vector<ShardDriver*> log_shards = shards_.All();
  std::erase_if(log_shards, [](const ShardDriver* shard) { return IsCompact(*shard); });
  Status outcome = CreateOn(log_shards, logs);
  if (compacted.empty()) return outcome;
  const StatusOr<ShardDriver*> compact_shard = CompactShard();
  outcome.Update(compact_shard.ok() ? CreateOn({*compact_shard}, compacted) : compact_shard.status());
  return outcome;
}

StatusOr<ShardDriver*> PartitionReconciler::CompactShard() {
  for (ShardDriver* shard : shards_.All()) {
    if (IsCompact(*shard)) return shard;
  }
  return make_compact_shard_();
}

Status PartitionReconciler::CreateOn(const std::vector<ShardDriver*>& shards, const std::vector<NewPartition>& missing) {
  if (missing.empty()) return absl::OkStatus();
  PartitionId first;
  CORDWOOD_RETURN_IF_ERROR(shards_.All().front()->RunAndWait([&](ShardTurn& turn) -> Status {
    CORDWOOD_ASSIGN_OR_RETURN(first, turn.ReservePartitionIds(static_cast<int>(missing.size())));
    return absl::OkStatus();
  }));
  // Spread evenly: chunks are no larger than a shard's share.
  const std::size_t share = (missing.size() + shards.size() - 1) / shards.size();
  const std::size_t chunk = std::min(kChunkMax, share);
  for (std::size_t at = 0; at < missing.size(); at += chunk) {
    const std::size_t end = std::min(at + chunk, missing.size());
    ShardDriver& shard = *shards[next_shard_++ % shards.size()];
    CORDWOOD_RETURN_IF_ERROR(CreateChunk(shard, first + at, missing.data() + at, missing.data() + end));
  }
  return absl::OkStatus();
}

// Needs no sync: what a crash takes away is missing at the next start and made anew, under other ids; and a synced append takes the creation with it.
Status PartitionReconciler::CreateChunk(ShardDriver& shard, PartitionId first, const NewPartition* begin, const NewPartition* end) {
  const std::int64_t now_ms = clock_.WallMs();
  CORDWOOD_RETURN_IF_ERROR(shard.RunAndWait([&](ShardTurn& turn) {
    PartitionId id = first;
    for (const NewPartition* it = begin; it != end; ++it, id = id + 1) {
      turn.StageCreate(id, PartitionIdentity{it->topic->id, it->index, now_ms, Uuid::Random()});
    }
    return absl::OkStatus();
  }));
  const ReplicaSnapshot snapshot = SnapshotOf(PartitionCheckpoint(), shard.store().epoch_floor());
  PartitionId id = first;
  for (const NewPartition* it = begin; it != end; ++it, id = id + 1) {
    table_.Insert(std::make_shared<ReplicaHandle>(it->topic->id, it->index, id, shard, snapshot));
  }
  return absl::OkStatus();
}

// Synced, since the metadata may forget the deletion afterwards.
Status PartitionReconciler::Delete(const std::vector<ReplicaHandlePtr>& deleted) {
  for (ShardDriver* shard : shards_.All()) {
    std::vector<ReplicaHandlePtr> here;
    for (const ReplicaHandlePtr& handle : deleted) {
      if (&handle->driver == shard) here.push_back(handle);
    }
    for (std::size_t at = 0; at < here.size(); at += kChunkMax) {
      const std::size_t end = std::min(at + kChunkMax, here.size());
      CORDWOOD_RETURN_IF_ERROR(shard->RunAndWait([&](ShardTurn& turn) -> Status {
        if (end == here.size()) turn.AskSync();
        for (std::size_t i = at; i < end; ++i) CORDWOOD_RETURN_IF_ERROR(turn.StageDelete(here[i]));
        return absl::OkStatus();
      }));
      for (std::size_t i = at; i < end; ++i) table_.Remove(here[i]->topic_id, here[i]->index);
    }
  }
  return absl::OkStatus();
}

}  // namespace cordwood::broker
