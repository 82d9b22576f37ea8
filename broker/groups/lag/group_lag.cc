// SPDX-License-Identifier: Apache-2.0
// Arithmetic on a snapshot.
#include "broker/groups/lag/group_lag.h"

#include <algorithm>
#include <cmath>

namespace cordwood::broker {
namespace {

constexpr double kDrainSecondsMax = 10.0 * 365 * 24 * 3600;  // longer is never

}  // namespace

std::string GroupStateName(const GroupSnapshot& group) {
  if (group.members.empty()) return "empty";
  const bool stable = group.group_epoch == group.assignment_epoch && std::all_of(group.members.begin(), group.members.end(), [](const MemberSnapshot& member) {
    return member.revoking.empty() && member.held == member.target;
  });
  return stable ? "stable" : "reconciling";
}

std::string GroupStateName(const GroupState& group) {
  if (group.members().empty()) return "empty";
  const bool stable = group.header().group_epoch == group.header().assignment_epoch && std::all_of(group.members().begin(), group.members().end(), [](const auto& entry) {
    const GroupState::Member& member = entry.second;
    return std::equal(member.target.begin(), member.target.end(), member.current.held.begin(), member.current.held.end(),
                      [](const TopicPartition& at, const auto& held) { return at == held.first && !held.second.revoking; });
  });
  return stable ? "stable" : "reconciling";
}

std::optional<std::int64_t> LagOf(const PartitionSnapshot& partition) {
  if (!partition.committed.has_value() || !partition.ends.has_value()) return std::nullopt;
  const Offset from = std::max(partition.committed->offset, partition.ends->log_start);
  return std::max<std::int64_t>(partition.ends->high_watermark - from, 0);
}

std::optional<std::int64_t> LagMsOf(const PartitionSnapshot& partition, std::int64_t wall_ms) {
  const std::optional<std::int64_t> lag = LagOf(partition);
  if (!lag.has_value() || *lag == 0) return lag;
  if (!partition.first_waiting_ms.has_value()) return std::nullopt;
  return std::max<std::int64_t>(wall_ms - std::max<std::int64_t>(*partition.first_waiting_ms, 0), 0);  // a producer may say any time
}

std::optional<std::int64_t> DrainMsOf(const PartitionSnapshot& partition) {
  const std::optional<std::int64_t> lag = LagOf(partition);
  if (!lag.has_value() || *lag == 0) return lag;
  const PartitionProgress& progress = partition.progress;
  if (!progress.consume_rate.has_value() || !progress.produce_rate.has_value()) return std::nullopt;
  const double gain = *progress.consume_rate - *progress.produce_rate;
  if (gain <= 0) return std::nullopt;
  const double seconds = static_cast<double>(*lag) / gain;
  if (seconds > kDrainSecondsMax) return std::nullopt;
  return static_cast<std::int64_t>(std::ceil(seconds * 1000));
}

std::optional<std::int64_t> NextDueMsOf(const GroupSnapshot& group, const PartitionSnapshot& partition) {
  if (!group.replay.has_value() || !group.replay->clock.has_value() || LagOf(partition).value_or(0) == 0 || !partition.first_waiting_ms.has_value()) return std::nullopt;
  const std::int64_t clock_ms = group.replay->clock->At(group.wall_ms);  // >= 0; what producers say may be anything
  return *partition.first_waiting_ms <= clock_ms ? 0 : *partition.first_waiting_ms - clock_ms;
}

void LagTotals::Add(const PartitionSnapshot& partition, std::int64_t wall_ms) {
  if (const auto lag = LagOf(partition)) records = records.value_or(0) + *lag;
  if (const auto lag_ms = LagMsOf(partition, wall_ms)) ms = std::max(ms.value_or(0), *lag_ms);
}

}  // namespace cordwood::broker
