// SPDX-License-Identifier: Apache-2.0
// One pass over the state; the partitions are gathered from the committed ones, those held and those in a target.
#include "broker/groups/lag/group_snapshots.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "absl/time/time.h"
#include "broker/groups/lag/group_lag.h"
#include "broker/replication/shard_driver.h"
#include "storage/record/record_batch.h"
#include "storage/record/record_reader.h"
#include "storage/shard/log_reader.h"

namespace cordwood::broker {
namespace {

MemberSnapshot SnapshotOf(const std::string& id, const GroupState::Member& member, const GroupView& view) {
  MemberSnapshot snapshot;
  snapshot.id = id;
  snapshot.instance_id = member.record.instance_id;
  snapshot.client = member.record.client;
  snapshot.epoch = member.current.epoch;
  snapshot.topics = member.record.topics;
  snapshot.pattern = member.record.pattern;
  snapshot.has_topics = view.core.HasTopics(id);
  snapshot.assignor = member.record.assignor;
  snapshot.rebalance_timeout_ms = member.record.rebalance_timeout_ms;
  snapshot.target = member.target;
  for (const auto& [at, held] : member.current.held) (held.revoking ? snapshot.revoking : snapshot.held).push_back(at);
  if (const auto facts = view.members.find(id); facts != view.members.end()) {
    snapshot.address = facts->second.address;
    snapshot.attached = facts->second.attached;
    snapshot.since_heard_ms = std::max<std::int64_t>(absl::ToInt64Milliseconds(view.now - facts->second.last_heard), 0);
  }
  return snapshot;
}

// The partition in `partitions`, made if it is not there.
PartitionSnapshot& At(std::map<TopicPartition, PartitionSnapshot>& partitions, const TopicPartition& at, const TopicView& topics) {
  const auto [found, is_new] = partitions.try_emplace(at);
  if (is_new) {
    found->second.at = at;
    if (const auto name = topics.names.find(at.topic); name != topics.names.end()) found->second.topic = name->second;
  }
  return found->second;
}

std::map<TopicPartition, PartitionSnapshot> PartitionsOf(const GroupView& view) {
  const GroupState& state = view.core.state();
  std::map<TopicPartition, PartitionSnapshot> partitions;
  for (const auto& [at, committed] : state.offsets()) {
    PartitionSnapshot& partition = At(partitions, at, view.topics);
    partition.committed = committed;
    partition.position_epoch = committed.position_epoch;
    if (partition.topic.empty()) partition.topic = committed.topic;
  }
  for (const auto& [id, member] : state.members()) {
    for (const TopicPartition& at : member.target) At(partitions, at, view.topics).next_owner = id;
    for (const auto& [at, held] : member.current.held) {
      PartitionSnapshot& partition = At(partitions, at, view.topics);
      partition.owner = id;
      partition.revoking = held.revoking;
    }
  }
  for (const auto& [id, facts] : view.members) {
    for (const auto& [at, progress] : facts.progress) {
      const auto found = partitions.find(at);
      if (found == partitions.end() || found->second.owner != id) continue;  // told of before it was given up
      found->second.position = progress.position;
      found->second.paused = progress.paused;
    }
  }
  if (state.replay().has_value()) {
    for (const auto& [at, range] : state.replay()->ranges) At(partitions, at, view.topics).range = range;
  }
  for (const auto& awaited : view.core.awaiting_positions()) At(partitions, awaited.first, view.topics).awaiting_position = true;
  return partitions;
}

// Of the first record at or above `offset`; kNoTimestampMs if there is none.
StatusOr<std::int64_t> TimestampIn(const RecordBatchView& batch, Offset offset) {
  RecordReader records(batch);
  CORDWOOD_RETURN_IF_ERROR(records.Open());
  RecordView record;
  while (true) {
    CORDWOOD_ASSIGN_OR_RETURN(const bool more, records.Next(&record));
    if (!more) return kNoTimestampMs;
    if (record.offset >= offset) return record.timestamp_ms;
  }
}

StatusOr<ReadResult> ReadBatchAt(const ReplicaHandle& replica, Offset offset, Offset end) {
  if (offset >= end) return ReadResult{SharedBytes(), offset};
  return LogReader(replica.driver.store()).Read(replica.id, ReadRange{offset, end, 1});
}

// As the batch's header tells, which is near enough for an age and decodes nothing: its first record's time.
StatusOr<std::int64_t> BatchTimestampAt(const ReplicaHandle& replica, Offset offset, Offset end) {
  CORDWOOD_ASSIGN_OR_RETURN(const ReadResult read, ReadBatchAt(replica, offset, end));
  if (read.batches.view().empty()) return kNoTimestampMs;
  std::string_view batches = read.batches.view();
  CORDWOOD_ASSIGN_OR_RETURN(const RecordBatchView batch, RecordBatchView::TakeFirst(&batches));
  if (batch.is_log_append_time()) return batch.max_timestamp_ms();
  if ((batch.attributes() & kDeleteHorizonBit) != 0) return TimestampIn(batch, offset);  // the field says something else there
  return batch.base_timestamp_ms();
}

}  // namespace

GroupSnapshot SnapshotOf(const GroupView& view, std::int64_t wall_ms) {
  const GroupState& state = view.core.state();
  GroupSnapshot group;
  group.group = state.group();
  group.assignor = state.header().assignor;
  group.group_epoch = state.header().group_epoch;
  group.assignment_epoch = state.header().assignment_epoch;
  group.wall_ms = wall_ms;
  group.replay = state.replay();
  group.replay_done = state.replay().has_value() && state.replay()->state != ReplayState::kCancelled && view.core.unfinished().empty();
  std::set<std::string> missing;
  for (const auto& [id, member] : state.members()) {
    group.members.push_back(SnapshotOf(id, member, view));
    for (const std::string& topic : member.record.topics) {
      if (!view.topics.by_name.contains(topic)) missing.insert(topic);
    }
  }
  group.missing_topics.assign(missing.begin(), missing.end());
  std::sort(group.members.begin(), group.members.end(),
            [](const MemberSnapshot& a, const MemberSnapshot& b) { return std::tie(a.instance_id, a.id) < std::tie(b.instance_id, b.id); });
  for (auto& [at, partition] : PartitionsOf(view)) group.partitions.push_back(std::move(partition));
  std::sort(group.partitions.begin(), group.partitions.end(), [](const PartitionSnapshot& a, const PartitionSnapshot& b) {
    return std::tie(a.topic, a.at) < std::tie(b.topic, b.at);
  });
  for (auto fenced = view.core.fenced().rbegin(); fenced != view.core.fenced().rend(); ++fenced) {
    group.fenced.push_back({fenced->member, fenced->instance_id, fenced->client, fenced->why, absl::ToInt64Milliseconds(view.now) - fenced->monotonic_ms});
  }
  return group;
}

void FillEnds(GroupSnapshot& group, const PartitionTable& table) {
  for (PartitionSnapshot& partition : group.partitions) {
    const ReplicaHandlePtr replica = table.Find(partition.at.topic, partition.at.partition);
    partition.log_unavailable = replica == nullptr;
    if (replica == nullptr) continue;
    const ReplicaSnapshot snapshot = replica->snapshot();
    const bool known = snapshot.phase == ReplicaPhase::kClosed || snapshot.phase == ReplicaPhase::kOpen;
    if (known) partition.ends = LogEnds{snapshot.log_start, snapshot.high_watermark};
    if (known && partition.range.has_value()) partition.ends->high_watermark = std::min(partition.ends->high_watermark, partition.range->to);
    partition.log_unavailable = !known && snapshot.phase != ReplicaPhase::kUnopened;
  }
}

std::size_t FillFirstWaiting(GroupSnapshot& group, const PartitionTable& table, std::size_t reads_max) {
  const bool exact = group.replay.has_value() && group.replay->clock.has_value();
  for (PartitionSnapshot& partition : group.partitions) {
    if (reads_max == 0) break;
    if (partition.first_waiting_ms.has_value() || LagOf(partition).value_or(0) == 0) continue;
    const ReplicaHandlePtr replica = table.Find(partition.at.topic, partition.at.partition);
    if (replica == nullptr) continue;
    --reads_max;
    const Offset first = std::max(partition.committed->offset, partition.ends->log_start);
    const auto timestamp = exact ? TimestampAt(*replica, first, partition.ends->high_watermark) : BatchTimestampAt(*replica, first, partition.ends->high_watermark);
    if (timestamp.ok() && *timestamp != kNoTimestampMs) partition.first_waiting_ms = *timestamp;
  }
  return reads_max;
}

StatusOr<std::int64_t> TimestampAt(const ReplicaHandle& replica, Offset offset, Offset end) {
  CORDWOOD_ASSIGN_OR_RETURN(const ReadResult read, ReadBatchAt(replica, offset, end));
  if (read.batches.view().empty()) return kNoTimestampMs;
  std::string_view batches = read.batches.view();
  CORDWOOD_ASSIGN_OR_RETURN(const RecordBatchView batch, RecordBatchView::TakeFirst(&batches));
  return TimestampIn(batch, offset);
}

}  // namespace cordwood::broker
