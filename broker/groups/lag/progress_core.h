// SPDX-License-Identifier: Apache-2.0
// Remembers how groups moved over about the last minute: committed offsets, ends of logs, positions of owners.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "broker/groups/group_types.h"
#include "broker/groups/lag/group_snapshot.h"

namespace cordwood::broker {

inline constexpr std::size_t kProgressPointsMax = 8;  // of one partition: with a look every 10 s the last 70 s

// A look at a group adds a point for each of its partitions. Only so many partitions are remembered; of those beyond, nothing is known.
// A reset, another owner, or an offset that went back begins anew.
// Threading: owned by one thread, or under its owner's lock. No clock.
class ProgressCore {
 public:
  explicit ProgressCore(std::size_t partitions_max) : partitions_max_(partitions_max) {}

  // Fills `progress` and, where its offset is still the first that is not committed, `first_waiting_ms`; adds nothing.
  void Fill(GroupSnapshot& group, std::int64_t monotonic_ms) const;
  // A point for each partition; what the group no longer has is forgotten.
  void Note(const GroupSnapshot& group, std::int64_t monotonic_ms);
  // Forgets groups that were not noted since.
  void ForgetOlderThan(std::int64_t monotonic_ms);

  bool knows(const std::string& group) const { return groups_.contains(group); }
  std::size_t partitions() const { return partitions_; }

 private:
  struct Point {
    std::int64_t monotonic_ms = 0;
    Offset committed;
    Offset high_watermark;
  };
  struct Track {
    std::array<Point, kProgressPointsMax> points;  // a ring
    std::size_t count = 0;                         // ever, since it began
    PositionEpoch position_epoch;
    std::string owner;
    std::optional<Offset> stand;                   // its position, or what it has committed
    std::int64_t still_since_ms = 0;
    std::optional<Offset> taken_up;                // the first position seen of this owner
    std::optional<Offset> committed;
    std::optional<std::int64_t> ahead_since_ms;    // of the position, with `committed` as it is
    std::optional<std::pair<Offset, std::int64_t>> first_waiting;  // the offset, and the timestamp of the record there

    const Point& oldest() const { return points[count <= kProgressPointsMax ? 0 : count % kProgressPointsMax]; }
    const Point& newest() const { return points[(count - 1) % kProgressPointsMax]; }
  };
  struct Group {
    std::int64_t noted_ms = 0;
    std::map<TopicPartition, Track> tracks;
  };
  // Records; 0 also if unknown.
  static std::int64_t AheadOf(const Track& track, const PartitionSnapshot& partition);
  static void FillAhead(const Track& track, PartitionSnapshot& partition, std::int64_t monotonic_ms);
  static void NoteOwner(Track& track, const PartitionSnapshot& partition, std::int64_t monotonic_ms);
  static bool SameStand(const Track& track, const PartitionSnapshot& partition);
  static void AddPoint(Track& track, const PartitionSnapshot& partition, std::int64_t monotonic_ms);

  const std::size_t partitions_max_;
  std::size_t partitions_ = 0;  // of all groups
  std::map<std::string, Group> groups_;
};

}  // namespace cordwood::broker
