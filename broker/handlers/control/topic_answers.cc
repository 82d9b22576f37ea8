// SPDX-License-Identifier: Apache-2.0
// From images and snapshots to messages.
#include "broker/handlers/control/topic_answers.h"

#include <string>
#include <vector>

#include "broker/handlers/control/partition_access.h"
#include "broker/replication/shard_driver.h"
#include "broker/replication/upkeep/cleaner_driver.h"
#include "storage/shard/compaction/log_cleaner.h"

namespace cordwood::broker {
namespace {

std::string StateOf(const ReplicaHandle* replica) {
  if (replica == nullptr) return "offline: not on this broker";
  const StatusOr<ReplicaSnapshot> snapshot = ReadableSnapshot(*replica);
  if (!snapshot.ok()) return "offline: " + MessageOf(snapshot.status());
  const ShardStore& store = replica->driver.store();
  if (store.poisoned()) return "offline: " + MessageOf(store.poison_status());
  return "online";
}

// What cannot be read is left out; whoever reads the records will be told.
void FillCleaning(const ReplicaHandle& replica, const ReplicaSnapshot& snapshot, cordwood::v1::PartitionDescription& partition) {
  const StatusOr<CleaningState> state = ReadCleaningState(replica.driver.store(), replica.id);
  if (!state.ok()) return;
  const CleaningFacts facts = CleaningFactsOf(snapshot);
  partition.set_size_bytes(BytesLeft(*state, facts));  // what is left, not what was appended
  cordwood::v1::CleaningDescription& cleaning = *partition.mutable_cleaning();
  cleaning.set_dirty_ratio(DirtyRatio(*state, facts));
  cleaning.set_dirty_bytes(DirtyBytes(*state, facts));
  cleaning.set_clean_end(state->clean_end.value());
  cleaning.set_runs(state->runs);
  cleaning.set_last_ended_ms(state->last_run.ended_ms);
  cleaning.set_last_took_ms(state->last_run.took_ms);
  cleaning.set_last_read_bytes(state->last_run.read_bytes);
  cleaning.set_last_removed_bytes(state->last_run.removed_bytes);
  cleaning.set_last_removed_records(state->last_run.removed_records);
}

void FillPartition(const TopicImage& topic, PartitionIndex index, const ReplicaHandle* replica, cordwood::v1::PartitionDescription& partition) {
  const PartitionAssignment assignment = topic.AssignmentOf(index);
  partition.set_partition(index.value());
  partition.set_leader(assignment.leader.value());
  partition.set_leader_epoch(assignment.leader_epoch.value());
  for (const BrokerId broker : assignment.replicas) partition.add_replicas(broker.value());
  for (const BrokerId broker : assignment.isr) partition.add_isr(broker.value());
  partition.set_state(StateOf(replica));
  if (replica == nullptr) return;
  const ReplicaSnapshot snapshot = replica->snapshot();
  partition.set_leader_epoch(snapshot.leader_epoch.value());
  partition.set_log_start(snapshot.log_start.value());
  partition.set_high_watermark(snapshot.high_watermark.value());
  partition.set_log_end(snapshot.log_end.value());
  partition.set_size_bytes(snapshot.size_bytes);
  if (topic.config.compacts()) FillCleaning(*replica, snapshot, partition);
}

}  // namespace

void FillTopicConfigs(const TopicImage& topic, google::protobuf::RepeatedPtrField<cordwood::v1::ConfigEntry>& configs) {
  for (const TopicConfigKey& key : TopicConfigKeys()) {
    cordwood::v1::ConfigEntry& entry = *configs.Add();
    entry.set_key(std::string(key.name));
    entry.set_value(TopicConfigValue(topic.config, key.name));
    entry.set_source(topic.configs.contains(std::string(key.name)) ? cordwood::v1::ConfigEntry::TOPIC : cordwood::v1::ConfigEntry::DEFAULT);
    entry.set_documentation(std::string(key.documentation));
  }
}

void FillTopicDescription(const TopicImage& topic, const PartitionTable& table, cordwood::v1::TopicDescription& description) {
  description.set_name(topic.name);
  description.set_topic_id(std::string(topic.id.raw()));
  description.set_created_ms(topic.created_ms);
  std::vector<ReplicaHandlePtr> replicas = table.FindAll(topic.id);
  replicas.resize(static_cast<std::size_t>(topic.partition_count));
  OpenUnopened(replicas);
  for (std::int32_t i = 0; i < topic.partition_count; ++i) {
    FillPartition(topic, PartitionIndex(i), replicas[static_cast<std::size_t>(i)].get(), *description.add_partitions());
  }
  FillTopicConfigs(topic, *description.mutable_configs());
}

}  // namespace cordwood::broker
