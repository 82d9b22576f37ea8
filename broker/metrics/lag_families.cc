// SPDX-License-Identifier: Apache-2.0
// Gauges alone, so that nothing has to be remembered from one scrape to the next.
#include "broker/metrics/lag_families.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>

namespace cordwood::broker {
namespace {

constexpr const char* kOtherGroups = "(other)";

double SecondsOf(std::int64_t ms) { return static_cast<double>(ms) / 1000; }

struct GroupSeries {
  explicit GroupSeries(Families& families)
      : members(families.Gauge("cordwood_group_size", "Members of the group")),
        lag_records(families.Gauge("cordwood_group_lag_records", "Records from the committed offsets to the ends, over the group's partitions")),
        lag_seconds(families.Gauge("cordwood_group_lag_seconds", "Age of the first record not committed, the longest over the group's partitions")),
        problems(families.Gauge("cordwood_group_problems", "Findings of cord group explain that are problems")) {}

  void Add(const std::string& name, const GroupMeasure& group) {
    const MetricLabels labels = {{"group", name}};
    members.Add(static_cast<double>(group.members), labels);
    if (group.lag.records.has_value()) lag_records.Add(static_cast<double>(*group.lag.records), labels);
    if (group.lag.ms.has_value()) lag_seconds.Add(SecondsOf(*group.lag.ms), labels);
    problems.Add(static_cast<double>(group.problems), labels);
  }

  Families::Family members;
  Families::Family lag_records;
  Families::Family lag_seconds;
  Families::Family problems;
};

void AddToOthers(const GroupMeasure& group, GroupMeasure* others) {
  others->members += group.members;
  others->problems += group.problems;
  if (group.lag.records.has_value()) others->lag.records = others->lag.records.value_or(0) + *group.lag.records;
  if (group.lag.ms.has_value()) others->lag.ms = std::max(others->lag.ms.value_or(0), *group.lag.ms);
}

}  // namespace

void AddLagFamilies(Families& families, const GroupRound& round, const GroupSeriesLimits& limits) {
  GroupSeries series(families);
  Families::Family lag_records = families.Gauge("cordwood_group_partition_lag_records", "Records from the committed offset to the end of the partition");
  Families::Family lag_seconds = families.Gauge("cordwood_group_partition_lag_seconds", "Age of the partition's first record not committed");
  GroupMeasure others;
  std::array<std::size_t, kFindingKinds> findings{};
  std::size_t partitions_left = limits.partitions;
  for (std::size_t i = 0; i < round.groups.size(); ++i) {
    const GroupMeasure& group = round.groups[i];
    for (std::size_t kind = 0; kind < kFindingKinds; ++kind) findings[kind] += group.findings[kind];
    if (i >= limits.groups) {
      AddToOthers(group, &others);
      continue;
    }
    series.Add(group.group, group);
    if (group.partitions.size() > partitions_left) continue;
    partitions_left -= group.partitions.size();
    for (const PartitionMeasure& partition : group.partitions) {
      const MetricLabels labels = {{"group", group.group}, {"topic", partition.topic}, {"partition", ToString(partition.partition)}};
      if (partition.lag.has_value()) lag_records.Add(static_cast<double>(*partition.lag), labels);
      if (partition.lag_ms.has_value()) lag_seconds.Add(SecondsOf(*partition.lag_ms), labels);
    }
  }
  if (round.groups.size() > limits.groups) series.Add(kOtherGroups, others);
  Families::Family by_kind = families.Gauge("cordwood_group_findings", "Findings of cord group explain over all groups, notes included");
  for (std::size_t kind = 0; kind < kFindingKinds; ++kind) {
    by_kind.Add(static_cast<double>(findings[kind]), {{"code", std::string(FindingName(static_cast<FindingKind>(kind)))}});
  }
  families.Gauge("cordwood_groups_unmeasured", "Groups whose lag is not measured: there are too many partitions, or they cannot be seen")
      .Add(static_cast<double>(round.unmeasured));
}

}  // namespace cordwood::broker
