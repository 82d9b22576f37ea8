// SPDX-License-Identifier: Apache-2.0
// A partition of a topic as groups name it, and what a group sees of topics.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "storage/base/ids.h"

namespace cordwood::broker {

// By id, so that a topic deleted and created again under its name is another one.
struct TopicPartition {
  TopicId topic;
  PartitionIndex partition;

  friend auto operator<=>(const TopicPartition&, const TopicPartition&) = default;
  template <class H>
  friend H AbslHashValue(H h, const TopicPartition& p) { return H::combine(std::move(h), p.topic, p.partition); }
};

struct GroupTopic {
  TopicId id;
  std::int32_t partitions = 0;  // >= 0; only grows while the id lives
  friend bool operator==(const GroupTopic&, const GroupTopic&) = default;
};

// By name. Only what exists is in it.
using GroupTopics = std::map<std::string, GroupTopic>;

}  // namespace cordwood::broker
