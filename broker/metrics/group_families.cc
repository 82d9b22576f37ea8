// SPDX-License-Identifier: Apache-2.0
#include "broker/metrics/group_families.h"

namespace cordwood::broker {

void AddGroupFamilies(Families& families, const GroupMeasures& measures) {
  auto gauge = [&](const char* name, const char* help, const Gauge& value) { families.Gauge(name, help).Add(static_cast<double>(value.value())); };
  auto counter = [&](const char* name, const char* help, const Counter& value) { families.Counter(name, help).Add(static_cast<double>(value.value())); };
  auto histogram = [&](const char* name, const char* help, const LatencyHistogram& measured) {
    LatencyTotals totals;
    totals.Add(measured);
    families.Histogram(name, help).Add(totals);
  };
  gauge("cordwood_groups", "Consumer groups that are coordinated here", measures.groups);
  gauge("cordwood_group_members", "Their members", measures.members);
  gauge("cordwood_group_streams", "Membership streams that are attached to a member", measures.streams);
  gauge("cordwood_group_offsets", "Partitions for which a group has a committed offset", measures.offsets);
  gauge("cordwood_group_partitions_loading", "Partitions of __consumer_offsets that are being read: their groups wait", measures.loading);
  gauge("cordwood_group_partitions_unavailable", "Partitions of __consumer_offsets that could not be read or written: their groups are refused", measures.unavailable);
  counter("cordwood_group_loads_total", "Partitions of __consumer_offsets that were read into memory", measures.loads);
  counter("cordwood_group_rebalances_total", "Assignments computed", measures.rebalances);
  counter("cordwood_group_fenced_total", "Membership streams ended with an error: refused joins, and members that were put out or replaced", measures.fenced);
  counter("cordwood_group_commits_total", "Partitions whose offset was committed", measures.commits);
  counter("cordwood_group_commits_refused_total", "Partitions whose commit was refused", measures.commits_refused);
  counter("cordwood_group_resets_total", "Partitions whose committed offset was moved by an operator", measures.resets);
  counter("cordwood_group_records_total", "Records written to __consumer_offsets", measures.records);
  counter("cordwood_group_appends_total", "Appends to __consumer_offsets that came back; each has all that waited", measures.appends);
  histogram("cordwood_group_append_seconds", "One append to __consumer_offsets, until it is as safe as the topic asks", measures.append);
  histogram("cordwood_group_load_seconds", "One partition of __consumer_offsets, from the first read until its groups are served", measures.load);
}

}  // namespace cordwood::broker
