// SPDX-License-Identifier: Apache-2.0
// The numbers and small values that groups are made of.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "storage/base/ids.h"

namespace cordwood::broker {

using MemberEpoch = StrongInt<struct MemberEpochTag, std::int32_t, true>;      // of a group, its assignment or a member; from 1, 0: not yet
using PositionEpoch = StrongInt<struct PositionEpochTag, std::uint32_t, true>;  // resets of a group at a partition, from 0
using StreamId = StrongInt<struct StreamIdTag, std::uint64_t>;                 // of a membership stream in one process, never reused, from 1; 0: none

inline constexpr MemberEpoch kMemberEpochMax{INT32_MAX - 1'000'000};  // a group that is loaded has room for a million changes

inline constexpr std::size_t kGroupIdBytesMax = 255;
inline constexpr std::size_t kMemberIdBytesMax = 255;    // member ids, instance ids, names of clients
inline constexpr std::size_t kPatternBytesMax = 4096;
inline constexpr std::size_t kCommitMetadataBytesMax = 4096;
inline constexpr std::int64_t kWallMsMax = 253'402'300'800'000;  // the year 10000
inline constexpr std::int64_t kRebalanceTimeoutMsMax = 365LL * 24 * 3600 * 1000;  // a longer one is taken as this

// By id, so that a topic deleted and created again under its name is another one.
struct TopicPartition {
  TopicId topic;
  PartitionIndex partition;

  friend auto operator<=>(const TopicPartition&, const TopicPartition&) = default;
};

struct GroupTopic {
  TopicId id;
  std::int32_t partitions = 0;  // >= 0; only grows while the id lives
  friend bool operator==(const GroupTopic&, const GroupTopic&) = default;
};

// All topics that exist, by name; one for all groups of a coordinator.
struct TopicView {
  std::map<std::string, GroupTopic> by_name;
  std::map<TopicId, std::string> names;  // the same topics

  void Add(const std::string& name, GroupTopic topic) {
    names[topic.id] = name;
    by_name[name] = topic;
  }
  const GroupTopic* Find(const std::string& name) const {
    const auto topic = by_name.find(name);
    return topic == by_name.end() ? nullptr : &topic->second;
  }
  bool Has(const TopicPartition& at) const {
    const auto name = names.find(at.topic);
    return name != names.end() && at.partition.value() >= 0 && at.partition.value() < by_name.at(name->second).partitions;
  }
};

// What is different between two views; one for all groups that go from one to the other.
struct TopicChanges {
  std::shared_ptr<const TopicView> before;
  std::shared_ptr<const TopicView> after;
  std::vector<std::string> names;          // ascending: of topics that came, went, or are others
  std::map<TopicId, std::string> deleted;  // with the names they had

  TopicChanges(std::shared_ptr<const TopicView> from, std::shared_ptr<const TopicView> to);
};

}  // namespace cordwood::broker
