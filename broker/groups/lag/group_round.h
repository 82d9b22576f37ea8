// SPDX-License-Identifier: Apache-2.0
// What a look at all groups measured: small enough to be kept, and given to the metrics.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "broker/groups/lag/group_findings.h"
#include "broker/groups/lag/group_lag.h"

namespace cordwood::broker {

struct PartitionMeasure {
  std::string topic;
  PartitionIndex partition;
  std::optional<std::int64_t> lag;     // as LagOf
  std::optional<std::int64_t> lag_ms;  // as LagMsOf
};

struct GroupMeasure {
  std::string group;
  std::size_t members = 0;
  LagTotals lag;
  std::size_t problems = 0;                     // findings
  std::array<std::size_t, kFindingKinds> findings{};
  std::vector<PartitionMeasure> partitions;     // where something is committed
};

struct GroupRound {
  std::vector<GroupMeasure> groups;  // those with members first, then in order of id
  std::size_t unmeasured = 0;        // groups beyond the bound, or that could not be seen
  absl::flat_hash_map<std::string, std::size_t> places = {};  // in `groups`, of those that were added

  void Add(GroupMeasure measure);
  const GroupMeasure* Find(const std::string& group) const;  // nullptr: it was not measured
};

GroupMeasure MeasureOf(const GroupSnapshot& group);

// A group as lists show it.
struct GroupSummary {
  std::string group;
  std::string state;  // as GroupStateName
  std::size_t members = 0;
  std::size_t committed_partitions = 0;
  bool replay = false;  // it is a replay job
};

// Which groups are measured, by index, in order: those with members first, as long as all together have at most `partitions_max` partitions committed. One that has more
// than are left is passed over.
std::vector<std::size_t> ChooseMeasured(const std::vector<GroupSummary>& groups, std::size_t partitions_max);

}  // namespace cordwood::broker
