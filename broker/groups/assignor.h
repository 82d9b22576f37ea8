// SPDX-License-Identifier: Apache-2.0
// Which member of a group shall own which partition: pure functions from members, topics and the present target to a new target.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "broker/groups/group_types.h"

namespace cordwood::broker {

enum class AssignorKind : std::uint8_t {  // persisted: never renumber
  kUniform = 0,  // balanced, sticky, fewest moves
  kRange = 1,    // per topic, neighbouring partitions; the same shares of topics that are alike
};
inline constexpr std::uint8_t kAssignorKindLast = 1;

std::string_view AssignorName(AssignorKind kind);
std::optional<AssignorKind> AssignorFromName(std::string_view name);

struct AssignorMember {
  std::vector<std::uint32_t> topics;       // indices into AssignorInput::topics, ascending, each once
  std::vector<TopicPartition> current;     // ascending; owned by no other member of the input
};

struct AssignorInput {
  std::vector<GroupTopic> topics;       // ascending by id, each once
  std::vector<AssignorMember> members;  // ties go to the first; range goes in their order
};

// Per member of the input, ascending: every partition of a topic that has a subscriber is in exactly one.
using Assignment = std::vector<std::vector<TopicPartition>>;

// A function of its input alone: equal inputs, equal answers.
//
// uniform: the loads (partitions per member) have the least possible sum of squares: no member could take a partition that it subscribes to from
// another, directly or through third members, and be nearer to it in load. Among equal subscriptions loads differ by at most 1. Of all such targets it
// takes one that moves the fewest partitions away from `current`. Both are exact for equal subscriptions, and for others while
// there are at most kExactSubscriptionsMax subscriptions (member, topic) and kExactRoundsMax improvements suffice; beyond, loads among equal subscriptions still differ by at most 1.
// range: per topic, the members that subscribe to it take neighbouring partitions in their order, the first ones one more. Not sticky.
Assignment Assign(AssignorKind kind, const AssignorInput& input);

Assignment AssignUniform(const AssignorInput& input);
Assignment AssignRange(const AssignorInput& input);

inline constexpr std::size_t kExactSubscriptionsMax = 1'000'000;
inline constexpr std::size_t kExactRoundsMax = 10'000;

}  // namespace cordwood::broker
