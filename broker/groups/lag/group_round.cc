// SPDX-License-Identifier: Apache-2.0
// From a snapshot to its numbers.
#include "broker/groups/lag/group_round.h"

#include <algorithm>
#include <numeric>
#include <tuple>
#include <utility>

namespace cordwood::broker {

GroupMeasure MeasureOf(const GroupSnapshot& group) {
  GroupMeasure measure;
  measure.group = group.group;
  measure.members = group.members.size();
  for (const PartitionSnapshot& partition : group.partitions) {
    measure.lag.Add(partition, group.wall_ms);
    if (!partition.committed.has_value()) continue;
    measure.partitions.push_back({partition.topic, partition.at.partition, LagOf(partition), LagMsOf(partition, group.wall_ms)});
  }
  for (const GroupFinding& finding : Explain(group)) {
    measure.problems += finding.severity == FindingSeverity::kProblem;
    ++measure.findings[static_cast<std::size_t>(finding.kind)];
  }
  return measure;
}

const GroupMeasure* GroupRound::Find(const std::string& group) const {
  const auto place = places.find(group);
  return place == places.end() ? nullptr : &groups[place->second];
}

void GroupRound::Add(GroupMeasure measure) {
  places[measure.group] = groups.size();
  groups.push_back(std::move(measure));
}

std::vector<std::size_t> ChooseMeasured(const std::vector<GroupSummary>& groups, std::size_t partitions_max) {
  std::vector<std::size_t> order(groups.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    const bool a_empty = groups[a].members == 0;
    const bool b_empty = groups[b].members == 0;
    return std::tie(a_empty, groups[a].group) < std::tie(b_empty, groups[b].group);
  });
  std::vector<std::size_t> chosen;
  for (const std::size_t i : order) {
    const std::size_t partitions = std::max<std::size_t>(groups[i].committed_partitions, 1);
    if (partitions > partitions_max) continue;
    partitions_max -= partitions;
    chosen.push_back(i);
  }
  return chosen;
}

}  // namespace cordwood::broker
