// SPDX-License-Identifier: Apache-2.0
// Takes entries through the core's checks into the log, and keeps what is to be published.
#include "broker/replication/replica.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "storage/log/side_header.h"
#include "storage/record/record_batch.h"

namespace cordwood::broker {
namespace {

constexpr std::size_t kBatchesKeptMax = 64;  // places for staged batches that an open replica keeps

}  // namespace

StatusOr<std::unique_ptr<Replica>> Replica::Open(ShardStore& store, ReplicaHandlePtr handle, const ProducerLimits& limits) {
  const PartitionId id = handle->id;
  CORDWOOD_ASSIGN_OR_RETURN(std::unique_ptr<PartitionLog> log, PartitionLog::Open(store, id, limits));
  return std::unique_ptr<Replica>(new Replica(std::move(handle), std::move(log)));
}

void Replica::Lead(LeaderEpoch floor, WriteGroup& group, ReplicaActions& actions) {
  const auto latest = log_->epochs().latest();
  const LeaderEpoch epoch = latest.has_value() ? std::max(latest->epoch, floor) : floor;
  log_->StageEpoch(group, epoch);
  core_.Step(BecomeLeader{epoch, log_->log_start(), log_->log_end()}, actions);
}

// What a partition that is not open has in its log was acknowledged, or is durable since recovery.
void Replica::ServeReads(ReplicaActions& actions) {
  const auto latest = log_->epochs().latest();
  core_.Step(BecomeLeader{latest.has_value() ? latest->epoch : LeaderEpoch(kNoLeaderEpoch), log_->log_start(), log_->log_end()}, actions);
  Resign(actions);
}

void Replica::Reconfigure(const TopicImage& topic, ReplicaActions& actions) {
  if (topic.revision <= config_revision_) return;
  config_revision_ = topic.revision;
  log_append_time_ = topic.config.batch.log_append_time;
  core_.Step(Configure{topic.config.durability, topic.config.min_insync_replicas}, actions);
}

bool Replica::AllDuplicates(const AppendEntry& entry, std::int64_t wall_ms) const {
  absl::InlinedVector<RecordBatchView, 4> batches;
  for (const SharedBytes& value : entry.values) {
    const auto batch = RecordBatchView::Parse(BatchOf(value.view()));
    if (!batch.ok()) return false;
    batches.push_back(*batch);
  }
  const auto verdicts = log_->producers().Check({batches.data(), batches.size()}, wall_ms);
  return verdicts.ok() && std::all_of(verdicts->begin(), verdicts->end(), [](const AppendVerdict& v) { return v.duplicate; });
}

Status Replica::Append(AppendEntry& entry, const AckToken& token, std::int64_t wall_ms, WriteGroup& group, ReplicaActions& actions) {
  Reconfigure(*entry.topic, actions);
  entry.log_start = log_->log_start();
  entry.log_end = log_->log_end();
  CORDWOOD_RETURN_IF_ERROR(core_.CheckAppend(entry.current_leader_epoch, token.op->acks));
  if (entry.expected_offset.has_value()) {
    // A retry of what is already in the log gets its first answer, not a refusal that says it was never appended.
    if (Status expected = core_.CheckExpectedOffset(*entry.expected_offset); !expected.ok() && !AllDuplicates(entry, wall_ms)) return expected;
  }
  CORDWOOD_ASSIGN_OR_RETURN(const StagedAppend staged, log_->StageAppend(group, {entry.values.data(), entry.values.size()},
                                                                         core_.leader_epoch(), wall_ms, log_append_time_));
  bool duplicate = false;
  for (std::size_t i = 0; i < entry.values.size(); ++i) {
    entry.base_offsets.push_back(staged.base_offsets[i]);
    if (staged.duplicates[i]) {
      duplicate = true;
      continue;
    }
    if (!batches_.empty()) batches_.back().end = staged.base_offsets[i];
    batches_.push_back(PublishedBatch{entry.values[i], staged.base_offsets[i], log_->log_end()});
  }
  entry.append_ms = staged.append_ms;
  entry.log_end = log_->log_end();
  core_.Step(Appended{staged.end, duplicate, token.op->acks, token}, actions);
  if (core_.needs_sync()) group.AskSync();
  return absl::OkStatus();
}

Status Replica::StageLogStart(Offset start, WriteGroup& group, ReplicaActions& actions) {
  if (start <= log_->log_start()) return absl::OkStatus();
  if (start > core_.high_watermark()) {
    return Error(Reason::kOffsetOutOfRange, "the log cannot start at " + ToString(start) + ", above its high watermark " +
                                                ToString(core_.high_watermark()));
  }
  CORDWOOD_RETURN_IF_ERROR(log_->StageLogStart(group, start));
  core_.Step(LogStartMoved{start}, actions);
  return absl::OkStatus();
}

StatusOr<Offset> Replica::StageTruncate(Offset end, LeaderEpoch epoch, WriteGroup& group, ReplicaActions& actions) {
  if (end < core_.high_watermark() || epoch <= core_.leader_epoch()) {
    return Error(Reason::kOffsetOutOfRange, "truncation to " + ToString(end) + " in epoch " + ToString(epoch) +
                                                " refused: the high watermark is " + ToString(core_.high_watermark()) + ", the epoch " +
                                                ToString(core_.leader_epoch()));
  }
  CORDWOOD_ASSIGN_OR_RETURN(const Offset new_end, log_->StageTruncate(group, end, EpochStart{epoch, end}));
  core_.Step(Truncated{new_end, epoch}, actions);
  return new_end;
}

void Replica::OnCommitted(ReplicaActions& actions) {
  log_->OnCommitted();
  core_.Step(Written{log_->written_end()}, actions);
}

void Replica::OnSynced(ReplicaActions& actions) {
  log_->OnSynced();
  core_.Step(Synced{log_->synced_end()}, actions);
}

void Replica::Resign(ReplicaActions& actions) {
  batches_.clear();
  core_.Step(cordwood::broker::Resign{}, actions);
}

ReplicaSnapshot Replica::Snapshot(ReplicaPhase phase) const {
  ReplicaSnapshot snapshot;
  snapshot.phase = phase;
  snapshot.leader_epoch = core_.leader_epoch();
  snapshot.log_start = core_.log_start();
  snapshot.high_watermark = core_.high_watermark();
  snapshot.log_end = log_->written_end();
  snapshot.max_timestamp_ms = log_->max_timestamp_ms();
  snapshot.first_append_ms = log_->Checkpoint(true, core_.high_watermark()).first_append_ms;
  snapshot.last_append_ms = log_->last_append_ms();
  snapshot.size_bytes = log_->size_bytes();
  snapshot.total_bytes = log_->total_bytes();
  snapshot.is_leader = core_.is_leader();
  return snapshot;
}

bool Replica::has_news() const {
  return !batches_.empty() || high_watermark_moved() || published_.phase != ReplicaPhase::kOpen || published_.log_start != core_.log_start() ||
         published_.log_end != log_->written_end() || published_.leader_epoch != core_.leader_epoch() ||
         published_.is_leader != core_.is_leader();
}

const PartitionUpdate& Replica::TakeUpdate(Publication& to) {
  published_ = Snapshot(ReplicaPhase::kOpen);
  handle_->measures.producers.Set(log_->producers().size());
  handle_->Publish(published_);
  to.updates.push_back(PartitionUpdate{handle_, published_, to.batches.size(), batches_.size()});
  to.batches.insert(to.batches.end(), std::move_iterator(batches_.begin()), std::move_iterator(batches_.end()));
  batches_.clear();
  if (batches_.capacity() > kBatchesKeptMax) batches_.shrink_to_fit();
  return to.updates.back();
}

}  // namespace cordwood::broker
