// SPDX-License-Identifier: Apache-2.0
// Reads go to RocksDB from here; changes go to the shards, one task for many targets.
#include "broker/handlers/control/offsets_handler.h"

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "broker/metadata/internal_topics.h"
#include "broker/replication/shard_driver.h"
#include "broker/replication/shard_turn.h"
#include "storage/record/record_batch.h"
#include "storage/shard/log_reader.h"

namespace cordwood::broker {
namespace {

constexpr std::size_t kTargetsPerTask = 256;

Status CheckCount(int count, int max, const char* what) {
  if (count <= max) return absl::OkStatus();
  return Error(Reason::kRecordListTooLarge, std::to_string(count) + " " + what + " in one request, at most " + std::to_string(max));
}

// The record with the largest timestamp. The largest that the partition remembers may have gone with retention, or may not be visible yet; then the largest
// that is left is found between bounds: whether there is a record at least so late falls from yes to no once, so some 40 looks do.
StatusOr<std::optional<TimestampHit>> FindLatest(const LogReader& reader, PartitionId id, const ReplicaSnapshot& snapshot) {
  std::optional<TimestampHit> latest;
  std::int64_t low = 0;                             // no look below this is needed
  std::int64_t high = snapshot.max_timestamp_ms;    // nothing is later than this
  for (std::int64_t ask = high; low <= high; ask = low + (high - low) / 2) {
    CORDWOOD_ASSIGN_OR_RETURN(const std::optional<TimestampHit> hit, reader.FindTimestamp(id, snapshot.log_start, snapshot.high_watermark, ask));
    if (hit.has_value()) {
      latest = hit;
      if (hit->timestamp_ms >= high) break;  // headers that lie may hide a later one
      low = hit->timestamp_ms + 1;
    } else {
      high = ask - 1;
    }
  }
  return latest;
}

// Of the record at `offset`, as its batch says; -1 if that cannot be read. At the end it is that of the record to come.
LeaderEpoch EpochAt(const LogReader& reader, PartitionId id, const ReplicaSnapshot& snapshot, Offset offset) {
  if (offset >= snapshot.high_watermark || snapshot.leader_epoch == LeaderEpoch(0)) return snapshot.leader_epoch;
  const StatusOr<ReadResult> read = reader.Read(id, ReadRange{offset, snapshot.high_watermark, 1});
  if (!read.ok()) return kNoLeaderEpoch;
  const auto batch = RecordBatchView::Parse(read->batches.view());
  return batch.ok() ? batch->leader_epoch() : kNoLeaderEpoch;
}

// Calls `each(turn, i)` on the shard of replicas[i], for every one that is not nullptr, in tasks that `run` takes; the outcome of the task, or its own error.
template <class Each>
std::vector<Status> OnShards(std::span<const ReplicaHandlePtr> replicas, Status (ShardDriver::*run)(std::function<Status(ShardTurn&)>), Each each) {
  std::vector<Status> outcomes(replicas.size());
  std::map<ShardDriver*, std::vector<std::size_t>> by_shard;
  for (std::size_t i = 0; i < replicas.size(); ++i) {
    if (replicas[i] != nullptr) by_shard[&replicas[i]->driver].push_back(i);
  }
  for (const auto& shard_and_items : by_shard) {
    const std::vector<std::size_t>& items = shard_and_items.second;
    for (std::size_t first = 0; first < items.size(); first += kTargetsPerTask) {
      const std::span chunk(items.data() + first, std::min(kTargetsPerTask, items.size() - first));
      const Status outcome = (shard_and_items.first->*run)([&](ShardTurn& turn) {
        for (const std::size_t i : chunk) outcomes[i] = each(turn, i);
        return absl::OkStatus();
      });
      for (const std::size_t i : chunk) outcomes[i].Update(outcome);
    }
  }
  return outcomes;
}

std::vector<ReplicaHandlePtr> ReplicasOf(const std::vector<StatusOr<BoundPartition>>& partitions) {
  std::vector<ReplicaHandlePtr> replicas;
  for (const auto& partition : partitions) replicas.push_back(partition.ok() ? partition->replica : nullptr);
  return replicas;
}

// One answer for each partition, in order: `fill(i, answer)` fills it, or says why not.
template <class Response, class Fill>
Response AnswerEach(const std::vector<StatusOr<BoundPartition>>& partitions, Fill fill) {
  Response response;
  for (std::size_t i = 0; i < partitions.size(); ++i) {
    auto& answer = *response.add_answers();
    const Status status = partitions[i].ok() ? fill(i, answer) : partitions[i].status();
    if (status.ok()) continue;
    FillEntryError(i, status, partitions[i].ok() ? partitions[i]->replica.get() : nullptr, *answer.mutable_error());
  }
  return response;
}

}  // namespace

template <class Request, class PartitionNameOf>
std::vector<StatusOr<BoundPartition>> OffsetsHandler::FindAll(const Request& items, PartitionNameOf partition_name_of) const {
  const ClusterImagePtr image = image_();
  std::vector<StatusOr<BoundPartition>> partitions;
  for (const auto& item : items) partitions.push_back(FindPartition(partition_name_of(item), *image, table_));
  return partitions;
}

StatusOr<cordwood::v1::ListOffsetsResponse> OffsetsHandler::ListOffsets(const cordwood::v1::ListOffsetsRequest& request) const {
  CORDWOOD_RETURN_IF_ERROR(CheckCount(request.queries_size(), kListOffsetsQueriesMax, "queries"));
  const auto partitions = FindAll(request.queries(), [](const ListQuery& query) { return query.partition(); });
  const std::vector<ReplicaHandlePtr> replicas = ReplicasOf(partitions);
  OpenUnopened(replicas);
  return AnswerEach<cordwood::v1::ListOffsetsResponse>(partitions, [&](std::size_t i, ListAnswer& answer) {
    return Answer(request.queries(static_cast<int>(i)), *replicas[i], answer);
  });
}

Status OffsetsHandler::Answer(const ListQuery& query, const ReplicaHandle& replica, ListAnswer& answer) const {
  CORDWOOD_ASSIGN_OR_RETURN(const ReplicaSnapshot snapshot, ReadableSnapshot(replica));
  const LogReader reader(replica.driver.store());
  std::optional<TimestampHit> hit;
  Offset otherwise = snapshot.high_watermark;
  switch (query.position_case()) {
    case ListQuery::kStart: otherwise = snapshot.log_start; break;
    case ListQuery::kEnd: break;
    case ListQuery::kTimestampMs: {
      CORDWOOD_ASSIGN_OR_RETURN(hit, reader.FindTimestamp(replica.id, snapshot.log_start, snapshot.high_watermark, query.timestamp_ms()));
      break;
    }
    case ListQuery::kMaxTimestamp: {
      CORDWOOD_ASSIGN_OR_RETURN(hit, FindLatest(reader, replica.id, snapshot));
      break;
    }
    case ListQuery::POSITION_NOT_SET: return Error(Reason::kInvalidRequest, "a query needs start, end, timestamp_ms or max_timestamp");
  }
  const Offset offset = hit.has_value() ? hit->offset : otherwise;
  answer.set_offset(offset.value());
  answer.set_timestamp_ms(hit.has_value() ? hit->timestamp_ms : kNoTimestampMs);
  answer.set_leader_epoch(EpochAt(reader, replica.id, snapshot, offset).value());
  answer.set_log_start(snapshot.log_start.value());
  answer.set_high_watermark(snapshot.high_watermark.value());
  return absl::OkStatus();
}

StatusOr<cordwood::v1::DeleteRecordsResponse> OffsetsHandler::DeleteRecords(const cordwood::v1::DeleteRecordsRequest& request) const {
  CORDWOOD_RETURN_IF_ERROR(CheckCount(request.targets_size(), kDeleteRecordsTargetsMax, "targets"));
  auto partitions = FindAll(request.targets(), [](const auto& target) { return target.partition(); });
  for (auto& partition : partitions) {
    if (!partition.ok()) continue;
    if (Status ours = CheckNotInternal(partition->topic->name); !ours.ok()) partition = std::move(ours);
  }
  const std::vector<ReplicaHandlePtr> replicas = ReplicasOf(partitions);
  const std::vector<Status> outcomes = OnShards(replicas, &ShardDriver::RunAndWait, [&](ShardTurn& turn, std::size_t i) -> Status {
    if (!partitions[i]->topic->config.deletes()) {
      return Error(Reason::kInvalidRequest, "the topic has cleanup.policy=compact: the latest record of each key stays; write a record without value to delete a key");
    }
    CORDWOOD_RETURN_IF_ERROR(turn.Open(replicas[i]).status());
    const Offset before(request.targets(static_cast<int>(i)).before_offset());
    const ReplicaSnapshot snapshot = replicas[i]->snapshot();
    if (before < Offset(-1)) return Error(Reason::kOffsetOutOfRange, "before_offset " + ToString(before) + " is below 0");
    turn.AskSync();
    return turn.StageLogStart(replicas[i], before == Offset(-1) ? snapshot.high_watermark : before);
  });
  return AnswerEach<cordwood::v1::DeleteRecordsResponse>(partitions, [&](std::size_t i, auto& answer) {
    if (outcomes[i].ok()) answer.set_log_start(replicas[i]->snapshot().log_start.value());
    return outcomes[i];
  });
}

StatusOr<cordwood::v1::OffsetForLeaderEpochResponse> OffsetsHandler::OffsetForLeaderEpoch(
    const cordwood::v1::OffsetForLeaderEpochRequest& request) const {
  CORDWOOD_RETURN_IF_ERROR(CheckCount(request.queries_size(), kEpochQueriesMax, "queries"));
  const auto partitions = FindAll(request.queries(), [](const auto& query) { return query.partition(); });
  const std::vector<ReplicaHandlePtr> replicas = ReplicasOf(partitions);
  std::vector<EpochEnd> ends(partitions.size());
  const std::vector<Status> outcomes = OnShards(replicas, &ShardDriver::LookAndWait, [&](ShardTurn& turn, std::size_t i) -> Status {
    const auto& query = request.queries(static_cast<int>(i));
    CORDWOOD_ASSIGN_OR_RETURN(const PartitionLog* log, turn.Open(replicas[i]));
    if (query.has_current_leader_epoch()) {
      CORDWOOD_RETURN_IF_ERROR(CheckLeaderEpoch(LeaderEpoch(query.current_leader_epoch()), replicas[i]->snapshot().leader_epoch));
    }
    ends[i] = log->epochs().EndOf(LeaderEpoch(query.leader_epoch()), log->written_end());
    return absl::OkStatus();
  });
  return AnswerEach<cordwood::v1::OffsetForLeaderEpochResponse>(partitions, [&](std::size_t i, auto& answer) {
    if (!outcomes[i].ok()) return outcomes[i];
    answer.set_leader_epoch(ends[i].epoch.value());
    answer.set_end_offset(ends[i].end.value());
    return absl::OkStatus();
  });
}

}  // namespace cordwood::broker
