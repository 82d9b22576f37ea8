// SPDX-License-Identifier: Apache-2.0
// The assignors by name, and `range`: neighbouring partitions of each topic to members in their order.
#include <algorithm>
#include <cstddef>

#include "broker/groups/assignor.h"
#include "storage/base/check.h"

namespace cordwood::broker {

std::string_view AssignorName(AssignorKind kind) {
  switch (kind) {
    case AssignorKind::kUniform: return "uniform";
    case AssignorKind::kRange: return "range";
  }
  return "";
}

std::optional<AssignorKind> AssignorFromName(std::string_view name) {
  for (const AssignorKind kind : {AssignorKind::kUniform, AssignorKind::kRange}) {
    if (AssignorName(kind) == name) return kind;
  }
  return std::nullopt;
}

Assignment Assign(AssignorKind kind, const AssignorInput& input) {
  return kind == AssignorKind::kRange ? AssignRange(input) : AssignUniform(input);
}

Assignment AssignRange(const AssignorInput& input) {
  std::vector<std::vector<std::size_t>> subscribers(input.topics.size());
  for (std::size_t m = 0; m < input.members.size(); ++m) {
    for (const std::uint32_t t : input.members[m].topics) subscribers[t].push_back(m);
  }
  Assignment assignment(input.members.size());
  for (std::size_t t = 0; t < input.topics.size(); ++t) {
    const auto members = static_cast<std::int32_t>(subscribers[t].size());
    if (members == 0) continue;
    const std::int32_t share = input.topics[t].partitions / members, rest = input.topics[t].partitions % members;
    std::int32_t next = 0;
    for (std::int32_t i = 0; i < members; ++i) {
      const std::int32_t end = next + share + (i < rest ? 1 : 0);
      auto& mine = assignment[subscribers[t][static_cast<std::size_t>(i)]];
      for (; next < end; ++next) mine.push_back({input.topics[t].id, PartitionIndex(next)});
    }
    CORDWOOD_CHECK(next == input.topics[t].partitions);
  }
  return assignment;  // topics ascend by id, so each member's part ascends
}

}  // namespace cordwood::broker
