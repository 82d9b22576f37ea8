// SPDX-License-Identifier: Apache-2.0
// Snapshots for tests, a few words each.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "broker/groups/lag/group_snapshot.h"

namespace cordwood::broker {

inline constexpr std::int64_t kWallMs = 1'700'000'000'000;

inline TopicPartition PlaceAt(std::int32_t partition, const std::string& topic = "orders") {
  TopicPartition at;
  at.topic.bytes[0] = static_cast<std::uint8_t>(topic[0]);
  at.partition = PartitionIndex(partition);
  return at;
}

inline PartitionSnapshot PartitionOf(std::int32_t partition, std::optional<std::int64_t> committed, std::int64_t start, std::int64_t end, const std::string& owner = "",
                                     const std::string& topic = "orders") {
  PartitionSnapshot snapshot;
  snapshot.at = PlaceAt(partition, topic);
  snapshot.topic = topic;
  if (committed.has_value()) {
    snapshot.committed.emplace();
    snapshot.committed->offset = Offset(*committed);
  }
  snapshot.ends = LogEnds{Offset(start), Offset(end)};
  snapshot.owner = owner;
  return snapshot;
}

inline MemberSnapshot MemberOf(const std::string& id) {
  MemberSnapshot member;
  member.id = id;
  member.attached = true;
  member.topics = {"orders"};
  member.rebalance_timeout_ms = 300'000;
  return member;
}

// Of members that have all partitions they own, at rest.
inline GroupSnapshot GroupOf(std::vector<MemberSnapshot> members, std::vector<PartitionSnapshot> partitions) {
  GroupSnapshot group;
  group.group = "billing";
  group.wall_ms = kWallMs;
  group.members = std::move(members);
  group.partitions = std::move(partitions);
  for (MemberSnapshot& member : group.members) {
    for (PartitionSnapshot& partition : group.partitions) {
      if (partition.owner != member.id) continue;
      partition.next_owner = member.id;
      member.held.push_back(partition.at);
      member.target.push_back(partition.at);
    }
  }
  return group;
}

}  // namespace cordwood::broker
