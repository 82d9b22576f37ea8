// SPDX-License-Identifier: Apache-2.0
// A ring of points a partition; rates are between its oldest point and now.
#include "broker/groups/lag/progress_core.h"

#include <algorithm>
#include <set>

namespace cordwood::broker {
namespace {

constexpr std::int64_t kRateSpanMinMs = 1000;  // over less a rate says nothing

double PerSecond(Offset from, Offset to, std::int64_t ms) { return static_cast<double>(std::max<std::int64_t>(to - from, 0)) * 1000 / static_cast<double>(ms); }

std::optional<Offset> CommittedOf(const PartitionSnapshot& partition) {
  return partition.committed.has_value() ? std::optional(partition.committed->offset) : std::nullopt;
}

// Where the owner stands: where it says, or, of one that never says, what it has committed.
std::optional<Offset> StandOf(const PartitionSnapshot& partition) { return partition.position.has_value() ? partition.position : CommittedOf(partition); }

// Nothing waits for the owner, so it has no reason to move.
bool AtEnd(const PartitionSnapshot& partition) {
  const std::optional<Offset> stand = StandOf(partition);
  return stand.has_value() && partition.ends.has_value() && *stand >= partition.ends->high_watermark;
}

}  // namespace

bool ProgressCore::SameStand(const Track& track, const PartitionSnapshot& partition) {
  return track.owner == partition.owner && track.stand == StandOf(partition) && track.position_epoch == partition.position_epoch;
}

std::int64_t ProgressCore::AheadOf(const Track& track, const PartitionSnapshot& partition) {
  if (!partition.position.has_value()) return 0;
  const Offset from = partition.committed.has_value() ? partition.committed->offset : track.taken_up.value_or(*partition.position);
  return std::max<std::int64_t>(*partition.position - from, 0);
}

void ProgressCore::Fill(GroupSnapshot& group, std::int64_t monotonic_ms) const {
  const auto known = groups_.find(group.group);
  if (known == groups_.end()) return;
  for (PartitionSnapshot& partition : group.partitions) {
    const auto found = known->second.tracks.find(partition.at);
    if (found == known->second.tracks.end()) continue;
    const Track& track = found->second;
    if (!partition.owner.empty() && SameStand(track, partition) && !AtEnd(partition)) {
      partition.progress.still_ms = std::max<std::int64_t>(monotonic_ms - track.still_since_ms, 0);
    }
    FillAhead(track, partition, monotonic_ms);
    if (!partition.committed.has_value() || !partition.ends.has_value()) continue;
    const Offset first = std::max(partition.committed->offset, partition.ends->log_start);
    if (track.first_waiting.has_value() && track.first_waiting->first == first && first < partition.ends->high_watermark) {
      partition.first_waiting_ms = track.first_waiting->second;
    }
    if (track.count == 0 || track.position_epoch != partition.position_epoch) continue;
    const Point& oldest = track.oldest();
    const std::int64_t span = monotonic_ms - oldest.monotonic_ms;
    if (span < kRateSpanMinMs || partition.committed->offset < oldest.committed) continue;
    partition.progress.consume_rate = PerSecond(oldest.committed, partition.committed->offset, span);
    partition.progress.produce_rate = PerSecond(oldest.high_watermark, partition.ends->high_watermark, span);
  }
}

void ProgressCore::FillAhead(const Track& track, PartitionSnapshot& partition, std::int64_t monotonic_ms) {
  if (track.owner != partition.owner || track.position_epoch != partition.position_epoch || track.committed != CommittedOf(partition)) return;
  partition.progress.ahead = AheadOf(track, partition);
  if (partition.progress.ahead > 0 && track.ahead_since_ms.has_value()) {
    partition.progress.ahead_ms = std::max<std::int64_t>(monotonic_ms - *track.ahead_since_ms, 0);
  }
}

void ProgressCore::NoteOwner(Track& track, const PartitionSnapshot& partition, std::int64_t monotonic_ms) {
  const bool anew = track.owner != partition.owner || track.position_epoch != partition.position_epoch;
  if (anew) track.taken_up.reset();
  if (!track.taken_up.has_value()) track.taken_up = partition.position;
  if (anew || track.committed != CommittedOf(partition) || AheadOf(track, partition) == 0) track.ahead_since_ms.reset();
  if (AheadOf(track, partition) > 0 && !track.ahead_since_ms.has_value()) track.ahead_since_ms = monotonic_ms;
  if (!SameStand(track, partition) || AtEnd(partition)) track.still_since_ms = monotonic_ms;
  track.owner = partition.owner;
  track.stand = StandOf(partition);
  track.position_epoch = partition.position_epoch;
  track.committed = CommittedOf(partition);
}

void ProgressCore::AddPoint(Track& track, const PartitionSnapshot& partition, std::int64_t monotonic_ms) {
  const Offset committed = partition.committed->offset;
  if (track.count > 0 && (track.position_epoch != partition.position_epoch || committed < track.newest().committed)) track.count = 0;
  track.points[track.count++ % kProgressPointsMax] = {monotonic_ms, committed, partition.ends->high_watermark};
  const Offset first = std::max(committed, partition.ends->log_start);
  track.first_waiting.reset();
  if (partition.first_waiting_ms.has_value()) track.first_waiting.emplace(first, *partition.first_waiting_ms);
}

void ProgressCore::Note(const GroupSnapshot& group, std::int64_t monotonic_ms) {
  Group& known = groups_[group.group];
  known.noted_ms = monotonic_ms;
  std::set<TopicPartition> present;
  for (const PartitionSnapshot& partition : group.partitions) present.insert(partition.at);
  partitions_ -= std::erase_if(known.tracks, [&](const auto& track) { return !present.contains(track.first); });
  for (const PartitionSnapshot& partition : group.partitions) {
    auto found = known.tracks.find(partition.at);
    if (found == known.tracks.end()) {
      if (partitions_ >= partitions_max_) continue;
      ++partitions_;
      found = known.tracks.emplace(partition.at, Track()).first;
      found->second.still_since_ms = monotonic_ms;
    }
    Track& track = found->second;
    if (partition.committed.has_value() && partition.ends.has_value()) AddPoint(track, partition, monotonic_ms);
    NoteOwner(track, partition, monotonic_ms);
  }
}

void ProgressCore::ForgetOlderThan(std::int64_t monotonic_ms) {
  for (auto group = groups_.begin(); group != groups_.end();) {
    if (group->second.noted_ms >= monotonic_ms) {
      ++group;
      continue;
    }
    partitions_ -= group->second.tracks.size();
    group = groups_.erase(group);
  }
}

}  // namespace cordwood::broker
