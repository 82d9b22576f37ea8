// SPDX-License-Identifier: Apache-2.0
// Names first, so that nothing is read for a request that is refused; then the logs.
#include "broker/handlers/control/reset_plan.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "broker/groups/lag/group_snapshots.h"
#include "broker/handlers/control/partition_access.h"
#include "broker/replication/shard_driver.h"
#include "storage/shard/log_reader.h"

namespace cordwood::broker {
namespace {

using Target = cordwood::v1::ResetOffsetsRequest::Target;

struct Place {
  const Target* target = nullptr;
  bool named = false;  // else it is meant as one of all of its topic
  BoundPartition partition;
};
using Places = std::map<std::pair<std::string, std::int32_t>, Place>;
using CommittedPlaces = std::map<TopicPartition, Offset>;

std::string NameOf(const std::pair<std::string, std::int32_t>& key) { return key.first + "/" + std::to_string(key.second); }

Status CheckTarget(const Target& target) {
  const auto refuse = [&](Reason reason, const std::string& why) { return Error(reason, "topic " + target.topic() + ": " + why); };
  switch (target.to_case()) {
    case Target::kStart:
    case Target::kEnd:
    case Target::kTimestampMs:
    case Target::kShift: return absl::OkStatus();
    case Target::kOffset:
      if (target.offset() >= 0) return absl::OkStatus();
      return refuse(Reason::kOffsetOutOfRange, "offset " + std::to_string(target.offset()) + " is below 0");
    case Target::kBeforeEnd:
      if (target.before_end() > 0) return absl::OkStatus();
      return refuse(Reason::kInvalidRequest, "before_end " + std::to_string(target.before_end()) + " is not above 0");
    case Target::TO_NOT_SET: break;
  }
  return refuse(Reason::kInvalidRequest, "a target needs start, end, offset, timestamp_ms, before_end or shift");
}

bool Reads(const ReplayJob* replay, const TopicId& topic, std::int32_t partition) {
  return replay == nullptr || replay->RangeAt({topic, PartitionIndex(partition)}) != nullptr;
}

Status AddPlaces(const Target& target, const ReplayJob* replay, const ClusterImage& image, const PartitionTable& table, Places* places) {
  CORDWOOD_RETURN_IF_ERROR(CheckTarget(target));
  const ClusterImage::TopicPtr topic = image.FindTopic(std::string_view(target.topic()));
  if (topic == nullptr) return image.UnknownTopicAndNearest(target.topic());
  std::vector<std::int32_t> partitions(target.partitions().begin(), target.partitions().end());
  for (std::int32_t i = 0; target.partitions().empty() && i < topic->partition_count; ++i) {
    if (Reads(replay, topic->id, i)) partitions.push_back(i);
  }
  if (partitions.empty()) return Error(Reason::kInvalidRequest, "topic " + target.topic() + ": the replay job does not read it");
  for (const std::int32_t partition : partitions) {
    if (partition < 0) return Error(Reason::kInvalidRequest, "topic " + target.topic() + ": partition " + std::to_string(partition) + " is below 0");
    cordwood::v1::PartitionName name;
    name.set_topic(target.topic());
    name.set_partition(partition);
    CORDWOOD_ASSIGN_OR_RETURN(BoundPartition bound, FindPartition(name, image, table));
    if (!Reads(replay, topic->id, partition)) {
      return Error(Reason::kInvalidRequest, NameOf({target.topic(), partition}) + ": the replay job does not read it");
    }
    const auto [place, is_new] = places->try_emplace({topic->name, partition}, Place{&target, !target.partitions().empty(), std::move(bound)});
    if (!is_new) return Error(Reason::kInvalidRequest, NameOf(place->first) + " is named twice");
    if (places->size() > kResetPartitionsMax) {
      return Error(Reason::kRecordListTooLarge, "more than " + std::to_string(kResetPartitionsMax) + " partitions in one request");
    }
  }
  return absl::OkStatus();
}

struct Found {
  Offset offset;
  std::int64_t timestamp_ms = kNoTimestampMs;
};

// `range`: of a replay job, else nullptr.
StatusOr<Found> FindPlace(const Target& target, const ReplicaHandle& replica, const ReplayRange* range, std::optional<Offset> committed) {
  CORDWOOD_ASSIGN_OR_RETURN(const ReplicaSnapshot snapshot, ReadableSnapshot(replica));
  const Offset end = range == nullptr ? snapshot.high_watermark : std::min(range->to, snapshot.high_watermark);
  const Offset start = range == nullptr ? snapshot.log_start : std::min(std::max(range->from, snapshot.log_start), end);
  Found found{end, kNoTimestampMs};
  switch (target.to_case()) {
    case Target::kStart: found.offset = start; break;
    case Target::kOffset: found.offset = std::clamp(Offset(target.offset()), start, end); break;
    case Target::kBeforeEnd: found.offset = target.before_end() >= end - start ? start : end - target.before_end(); break;
    case Target::kShift: {
      const Offset from = std::clamp(*committed, start, end);
      if (target.shift() >= 0) found.offset = target.shift() >= end - from ? end : from + target.shift();
      if (target.shift() < 0) found.offset = target.shift() <= start - from ? start : from + target.shift();
      break;
    }
    case Target::kTimestampMs: {
      CORDWOOD_ASSIGN_OR_RETURN(const std::optional<TimestampHit> hit, LogReader(replica.driver.store()).FindTimestamp(replica.id, start, end, target.timestamp_ms()));
      if (hit.has_value()) return Found{hit->offset, hit->timestamp_ms};
      return found;
    }
    default: break;  // the end
  }
  CORDWOOD_ASSIGN_OR_RETURN(found.timestamp_ms, TimestampAt(replica, found.offset, end));
  return found;
}

void AddEntry(const Place& place, const TopicPartition& at, const Found& found, std::optional<Offset> before, ResetPlan* plan) {
  plan->entries.push_back({at, found.offset, kNoLeaderEpoch});
  auto& answer = *plan->response.add_answers();
  answer.set_topic(place.partition.topic->name);
  answer.set_topic_id(std::string(at.topic.raw()));
  answer.set_partition(at.partition.value());
  if (before.has_value()) answer.set_before(before->value());
  answer.set_after(found.offset.value());
  answer.set_timestamp_ms(found.timestamp_ms);
}

}  // namespace

StatusOr<ResetPlan> PlanReset(const cordwood::v1::ResetOffsetsRequest& request, const FetchedOffsets& committed, const ReplayJob* replay, const ClusterImage& image,
                              const PartitionTable& table) {
  if (request.targets().empty()) return Error(Reason::kInvalidRequest, "nothing to reset: no target is named");
  Places places;
  for (const Target& target : request.targets()) CORDWOOD_RETURN_IF_ERROR(AddPlaces(target, replay, image, table, &places));
  std::vector<ReplicaHandlePtr> replicas;
  for (const auto& [name, place] : places) replicas.push_back(place.partition.replica);
  OpenUnopened(replicas);
  std::map<TopicPartition, const CommittedOffset*> known;
  for (const FetchedOffset& offset : committed) known[offset.at] = &offset.committed;
  ResetPlan plan;
  for (const auto& [name, place] : places) {
    const TopicPartition at{place.partition.topic->id, place.partition.index};
    const auto before = known.find(at);
    const bool is_shift = place.target->to_case() == Target::kShift;
    if (is_shift && before == known.end()) {
      if (!place.named) continue;
      return Error(Reason::kInvalidRequest, NameOf(name) + ": group " + request.group() + " has committed nothing there that could be shifted");
    }
    const std::optional<Offset> offset = before == known.end() ? std::nullopt : std::optional(before->second->offset);
    const StatusOr<Found> found = FindPlace(*place.target, *place.partition.replica, replay == nullptr ? nullptr : replay->RangeAt(at), offset);
    if (!found.ok()) return Annotate(found.status(), NameOf(name));
    AddEntry(place, at, *found, offset, &plan);
    plan.response.mutable_answers()->rbegin()->set_position_epoch(before == known.end() ? 0 : before->second->position_epoch.value());
  }
  if (plan.entries.empty()) return Error(Reason::kInvalidRequest, "group " + request.group() + " has committed nothing that could be shifted");
  return plan;
}

}  // namespace cordwood::broker
