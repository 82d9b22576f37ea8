// SPDX-License-Identifier: Apache-2.0
// Field by field; the figures are from broker/groups/lag.
#include "broker/handlers/control/group_answers.h"

#include <map>
#include <string>
#include <vector>

#include "broker/groups/assignor.h"
#include "broker/groups/lag/group_lag.h"

namespace cordwood::broker {
namespace {

using TopicNames = std::map<TopicId, std::string>;

// `places` ascending.
void FillPartitions(const std::vector<TopicPartition>& places, const TopicNames& names, cordwood::v1::TopicPartitionList& list) {
  for (const TopicPartition& at : places) {
    const std::string id(at.topic.raw());
    if (list.topics().empty() || list.topics().rbegin()->topic_id() != id) {
      auto& topic = *list.add_topics();
      topic.set_topic_id(id);
      if (const auto name = names.find(at.topic); name != names.end()) topic.set_topic(name->second);
    }
    list.mutable_topics()->rbegin()->add_partitions(at.partition.value());
  }
}

void FillMember(const MemberSnapshot& member, const TopicNames& names, const LagTotals& lag, cordwood::v1::GroupMemberDescription& description) {
  description.set_member_id(member.id);
  description.set_instance_id(member.instance_id);
  description.set_client(member.client);
  description.set_address(member.address);
  description.set_member_epoch(member.epoch.value());
  for (const std::string& topic : member.topics) description.mutable_subscription()->add_topics(topic);
  description.mutable_subscription()->set_pattern(member.pattern);
  description.set_assignor(std::string(AssignorName(member.assignor)));
  FillPartitions(member.held, names, *description.mutable_assigned());
  FillPartitions(member.target, names, *description.mutable_target());
  FillPartitions(member.revoking, names, *description.mutable_revoking());
  description.set_since_heard_ms(member.since_heard_ms);
  if (lag.records.has_value()) description.set_lag(*lag.records);
  if (lag.ms.has_value()) description.set_lag_ms(*lag.ms);
}

void FillPartition(const PartitionSnapshot& partition, std::int64_t wall_ms, cordwood::v1::GroupPartitionDescription& description) {
  description.set_topic(partition.topic);
  description.set_topic_id(std::string(partition.at.topic.raw()));
  description.set_partition(partition.at.partition.value());
  if (partition.committed.has_value()) {
    description.set_committed(partition.committed->offset.value());
    description.set_commit_ms(partition.committed->commit_ms);
    description.set_metadata(partition.committed->metadata);
  }
  description.set_position_epoch(partition.position_epoch.value());
  if (partition.ends.has_value()) {
    description.set_log_start(partition.ends->log_start.value());
    description.set_high_watermark(partition.ends->high_watermark.value());
  }
  if (const auto lag = LagOf(partition)) description.set_lag(*lag);
  if (const auto lag_ms = LagMsOf(partition, wall_ms)) description.set_lag_ms(*lag_ms);
  if (partition.progress.consume_rate.has_value()) description.set_consume_rate(*partition.progress.consume_rate);
  if (const auto drain_ms = DrainMsOf(partition)) description.set_drain_ms(*drain_ms);
  description.set_member_id(partition.owner);
  if (partition.position.has_value()) description.set_position(partition.position->value());
  description.set_paused(partition.paused);
  if (partition.range.has_value()) description.set_end(partition.range->to.value());
}

}  // namespace

cordwood::v1::DescribeGroupResponse DescribeSnapshot(const GroupSnapshot& group, BrokerId coordinator) {
  TopicNames names;
  LagTotals all;
  std::map<std::string, LagTotals> by_member;
  for (const PartitionSnapshot& partition : group.partitions) {
    names[partition.at.topic] = partition.topic;
    all.Add(partition, group.wall_ms);
    by_member[partition.owner].Add(partition, group.wall_ms);
  }
  cordwood::v1::DescribeGroupResponse response;
  response.set_group(group.group);
  response.set_state(GroupStateName(group));
  response.set_assignor(std::string(AssignorName(group.assignor)));
  response.set_group_epoch(group.group_epoch.value());
  response.set_assignment_epoch(group.assignment_epoch.value());
  response.set_lag(all.records.value_or(0));
  response.set_lag_ms(all.ms.value_or(0));
  response.set_coordinator(coordinator.value());
  if (group.replay.has_value()) response.set_replay(std::string(ReplayStateName(group.replay->state, group.replay_done)));
  std::map<std::string, const std::string*> clients;
  for (const MemberSnapshot& member : group.members) {
    clients[member.id] = &member.client;
    FillMember(member, names, by_member[member.id], *response.add_members());
  }
  for (const PartitionSnapshot& partition : group.partitions) {
    auto& description = *response.add_partitions();
    FillPartition(partition, group.wall_ms, description);
    if (const auto client = clients.find(partition.owner); client != clients.end()) description.set_client(*client->second);
  }
  return response;
}

cordwood::v1::ExplainGroupResponse ExplainSnapshot(const GroupSnapshot& group) {
  cordwood::v1::ExplainGroupResponse response;
  response.set_group(group.group);
  response.set_state(GroupStateName(group));
  for (const GroupFinding& finding : Explain(group)) {
    auto& answer = *response.add_findings();
    answer.set_code(std::string(FindingName(finding.kind)));
    answer.set_severity(std::string(SeverityName(finding.severity)));
    answer.set_text(finding.text);
    answer.set_advice(finding.advice);
    answer.set_member_id(finding.member);
    answer.set_topic(finding.topic);
    for (const PartitionIndex partition : finding.partitions) answer.add_partitions(partition.value());
  }
  return response;
}

}  // namespace cordwood::broker
