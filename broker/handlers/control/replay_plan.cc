// SPDX-License-Identifier: Apache-2.0
// Both ends of each range are resolved as a reset's places are, once.
#include "broker/handlers/control/replay_plan.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "broker/groups/lag/group_lag.h"
#include "broker/handlers/control/reset_plan.h"

namespace cordwood::broker {
namespace {

using cordwood::v1::CreateReplayRequest;
using cordwood::v1::ReplayPosition;
using cordwood::v1::ResetOffsetsRequest;

void SetPosition(const ReplayPosition& position, ResetOffsetsRequest::Target* target) {
  switch (position.to_case()) {
    case ReplayPosition::kStart: target->set_start(true); break;
    case ReplayPosition::kEnd: target->set_end(true); break;
    case ReplayPosition::kOffset: target->set_offset(position.offset()); break;
    case ReplayPosition::kTimestampMs: target->set_timestamp_ms(position.timestamp_ms()); break;
    case ReplayPosition::kBeforeEnd: target->set_before_end(position.before_end()); break;
    case ReplayPosition::TO_NOT_SET: break;  // PlanReset refuses it
  }
}

StatusOr<ResetPlan> PlanEnds(const CreateReplayRequest& request, const ReplayPosition& (CreateReplayRequest::Range::*position)() const, const ClusterImage& image,
                             const PartitionTable& table) {
  ResetOffsetsRequest ends;
  for (const auto& range : request.ranges()) {
    auto& target = *ends.add_targets();
    target.set_topic(range.topic());
    *target.mutable_partitions() = range.partitions();
    SetPosition((range.*position)(), &target);
  }
  return PlanReset(ends, {}, nullptr, image, table);
}

Status CheckPace(const CreateReplayRequest& request) {
  if (request.bytes_per_second() < 0) return Error(Reason::kInvalidRequest, "a rate of " + std::to_string(request.bytes_per_second()) + " bytes/s is below 0");
  if (request.bytes_per_second() > 0 && request.original_pace()) return Error(Reason::kInvalidRequest, "a rate, or the original pace: not both");
  return request.ranges().empty() ? Error(Reason::kInvalidRequest, "nothing to replay: no topic is named") : absl::OkStatus();
}

}  // namespace

StatusOr<ReplayJob> PlanReplay(const CreateReplayRequest& request, const ClusterImage& image, const PartitionTable& table) {
  CORDWOOD_RETURN_IF_ERROR(CheckPace(request));
  CORDWOOD_ASSIGN_OR_RETURN(const ResetPlan from, PlanEnds(request, &CreateReplayRequest::Range::from, image, table));
  CORDWOOD_ASSIGN_OR_RETURN(const ResetPlan to, PlanEnds(request, &CreateReplayRequest::Range::to, image, table));
  ReplayJob job;
  job.source = request.source();
  job.bytes_per_second = request.bytes_per_second();
  std::optional<std::int64_t> first_ms;
  bool any = false;
  for (std::size_t i = 0; i < from.entries.size(); ++i) {
    const ReplayRange range{from.entries[i].offset, to.entries[i].offset, 0};
    const auto& begin = from.response.answers(static_cast<int>(i));
    if (range.to < range.from) {
      return Error(Reason::kInvalidRequest, begin.topic() + "/" + std::to_string(begin.partition()) + ": the range ends before it begins: from offset " + ToString(range.from) +
                                                " to " + ToString(range.to));
    }
    job.ranges[from.entries[i].at] = range;
    any = any || range.to > range.from;
    if (range.to > range.from && begin.timestamp_ms() >= 0) first_ms = std::min(first_ms.value_or(begin.timestamp_ms()), begin.timestamp_ms());
  }
  if (!any) return Error(Reason::kInvalidRequest, "no record lies in the range");
  if (request.original_pace()) job.clock = ReplayClock{first_ms.value_or(-1), 0, -1};
  return job;
}

cordwood::v1::DescribeReplayResponse DescribeReplayOf(const GroupSnapshot& group) {
  const ReplayJob& job = *group.replay;
  cordwood::v1::DescribeReplayResponse response;
  auto& listing = *response.mutable_replay();
  listing.set_group(group.group);
  listing.set_source(job.source);
  listing.set_created_ms(job.created_ms);
  listing.set_bytes_per_second(job.bytes_per_second);
  listing.set_original_pace(job.clock.has_value());
  listing.set_members(static_cast<std::uint32_t>(group.members.size()));
  if (job.clock.has_value()) listing.set_clock_ms(job.clock->At(group.wall_ms));
  std::map<std::string, std::string> clients;
  for (const MemberSnapshot& member : group.members) clients[member.id] = member.client;
  std::int64_t total = 0, done = 0, skipped = 0;
  std::optional<double> rate;
  std::optional<std::int64_t> next_due_ms;
  for (const PartitionSnapshot& partition : group.partitions) {
    if (!partition.range.has_value()) continue;
    const ReplayRange& range = *partition.range;
    const Offset committed = partition.committed.has_value() ? partition.committed->offset : range.from;
    auto& answer = *response.add_partitions();
    answer.set_topic(partition.topic);
    answer.set_topic_id(std::string(partition.at.topic.raw()));
    answer.set_partition(partition.at.partition.value());
    answer.set_from(range.from.value());
    answer.set_to(range.to.value());
    answer.set_committed(committed.value());
    answer.set_skipped(range.skipped);
    if (const auto& known = partition.progress.consume_rate; known.has_value() && committed < range.to) {
      answer.set_rate(*known);
      rate = rate.value_or(0) + *known;
    }
    answer.set_member_id(partition.owner);
    if (const auto client = clients.find(partition.owner); client != clients.end()) answer.set_client(client->second);
    total += range.to - range.from;
    done += committed - range.from;
    skipped += range.skipped;
    if (const auto due_ms = NextDueMsOf(group, partition)) next_due_ms = std::min(next_due_ms.value_or(*due_ms), *due_ms);
    if (committed >= range.to) listing.set_partitions_done(listing.partitions_done() + 1);
  }
  listing.set_partitions(static_cast<std::uint32_t>(response.partitions_size()));
  listing.set_state(std::string(ReplayStateName(job.state, group.replay_done)));
  listing.set_total(total);
  listing.set_done(done);
  listing.set_skipped(skipped);
  if (listing.state() != "running") return response;
  if (next_due_ms.has_value()) listing.set_next_due_ms(*next_due_ms);
  if (rate.has_value()) listing.set_rate(*rate);
  if (rate.value_or(0) > 0) {
    const auto left_ms = static_cast<std::int64_t>(std::ceil(std::min(static_cast<double>(total - done) / *rate * 1000, 1e15)));
    listing.set_eta_ms(std::max(left_ms, next_due_ms.value_or(0)));
  }
  return response;
}

}  // namespace cordwood::broker
