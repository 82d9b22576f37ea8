// SPDX-License-Identifier: Apache-2.0
// Limits, names, counts and configurations of topics.
#include "broker/metadata/topic_rules.h"

#include <algorithm>
#include <cstdint>

#include "storage/base/names.h"

namespace cordwood::broker {
namespace {

Status CheckPartitionLimit(const ClusterImage& image, std::int64_t added, const MetadataLimits& limits) {
  std::int64_t present = 0;
  for (const auto& topic : image.topics()) present += topic->partition_count;
  if (present + added <= limits.partitions_max) return absl::OkStatus();
  return Error(Reason::kLimitExceeded, "this broker has " + std::to_string(present) + " of at most " +
                                           std::to_string(limits.partitions_max) + " partitions (partitions.max); " +
                                           std::to_string(added) + " more do not fit");
}

char WithoutDot(char c) { return c == '.' ? '_' : c; }

// Kafka's rule: its metrics and many a tool write '_' for '.', so that two such topics would be one there.
Status CheckCollision(const ClusterImage& image, const std::string& name) {
  if (name.find_first_of("._") == std::string::npos) return absl::OkStatus();
  const auto same = [](char a, char b) { return WithoutDot(a) == WithoutDot(b); };
  for (const auto& topic : image.topics()) {
    if (!std::equal(name.begin(), name.end(), topic->name.begin(), topic->name.end(), same)) continue;
    return Error(Reason::kInvalidTopic, "topic \"" + name + "\" collides with the existing topic \"" + topic->name +
                                            "\": names must differ in more than '.' and '_', which metrics write alike");
  }
  return absl::OkStatus();
}

Status ConfigureTopic(TopicImage& topic, std::int64_t replicas) {
  CORDWOOD_ASSIGN_OR_RETURN(topic.config, ParseTopicConfig(topic.configs));
  if (topic.config.min_insync_replicas <= replicas) return absl::OkStatus();
  return Error(Reason::kInvalidConfig, "min.insync.replicas: must be at most the number of replicas, " + std::to_string(replicas) + ", not \"" +
                                           std::to_string(topic.config.min_insync_replicas) + "\"");
}

}  // namespace

StatusOr<TopicImage> PlanTopic(const ClusterImage& image, const TopicSpec& spec, const MetadataLimits& limits) {
  CORDWOOD_RETURN_IF_ERROR(CheckTopicName(spec.name));
  if (image.FindTopic(spec.name) != nullptr) {
    return Error(Reason::kTopicAlreadyExists, "topic \"" + spec.name + "\" already exists");
  }
  CORDWOOD_RETURN_IF_ERROR(CheckCollision(image, spec.name));
  if (spec.partitions < 1) {
    return Error(Reason::kInvalidPartitions, "partitions must be 1 or more, not " + std::to_string(spec.partitions));
  }
  const auto brokers = static_cast<std::int64_t>(image.brokers().size());
  const std::int64_t replicas = spec.replication_factor == 0 ? std::min<std::int64_t>(3, brokers) : spec.replication_factor;
  if (replicas < 1 || replicas > brokers) {
    return Error(Reason::kInvalidReplicationFactor,
                 "replication factor must be from 1 to the number of brokers, " + std::to_string(brokers) + ", not " + std::to_string(replicas));
  }
  TopicImage topic;
  topic.name = spec.name;
  topic.configs = spec.configs;
  topic.partition_count = spec.partitions;
  topic.only_broker = image.controller();
  CORDWOOD_RETURN_IF_ERROR(ConfigureTopic(topic, replicas));
  if (static_cast<std::int64_t>(image.topics().size()) >= limits.topics_max) {
    return Error(Reason::kLimitExceeded, "there are topics.max = " + std::to_string(limits.topics_max) + " topics, and no more are allowed");
  }
  CORDWOOD_RETURN_IF_ERROR(CheckPartitionLimit(image, spec.partitions, limits));
  return topic;
}

StatusOr<TopicImage> PlanPartitions(const ClusterImage& image, const std::string& name, std::int32_t total, const MetadataLimits& limits) {
  const auto topic = image.FindTopic(name);
  if (topic == nullptr) return image.UnknownTopicAndNearest(name);
  if (total <= topic->partition_count) {
    return Error(Reason::kInvalidPartitions, "topic \"" + name + "\" has " + std::to_string(topic->partition_count) +
                                                 " partitions; the new total must be more, not " + std::to_string(total));
  }
  CORDWOOD_RETURN_IF_ERROR(CheckPartitionLimit(image, std::int64_t{total} - topic->partition_count, limits));
  TopicImage planned = *topic;
  planned.partition_count = total;
  return planned;
}

StatusOr<TopicImage> PlanConfig(const ClusterImage& image, const std::string& name, const ConfigMap& set,
                                const std::vector<std::string>& reset) {
  const auto topic = image.FindTopic(name);
  if (topic == nullptr) return image.UnknownTopicAndNearest(name);
  TopicImage planned = *topic;
  for (const std::string& key : reset) {
    CORDWOOD_RETURN_IF_ERROR(CheckTopicConfigKey(key));
    if (set.contains(key)) return Error(Reason::kInvalidConfig, key + ": cannot be set and reset at once");
    planned.configs.erase(key);
  }
  for (const auto& [key, value] : set) planned.configs[key] = value;
  CORDWOOD_RETURN_IF_ERROR(ConfigureTopic(planned, static_cast<std::int64_t>(topic->AssignmentOf(PartitionIndex(0)).replicas.size())));
  if (planned.config.compacts() != topic->config.compacts()) {
    return Error(Reason::kInvalidConfig, "cleanup.policy: a topic is compacted or not from its creation on; \"" + name + "\" has cleanup.policy=" +
                                             TopicConfigValue(topic->config, "cleanup.policy") + "; create another topic and copy the records");
  }
  return planned;
}

StatusOr<ClusterImage::TopicPtr> PlanDeletion(const ClusterImage& image, const std::string& name, const std::optional<TopicId>& id) {
  const auto topic = image.FindTopic(name);
  if (topic == nullptr) return image.UnknownTopicAndNearest(name);
  if (id.has_value() && *id != topic->id) {
    return Error(Reason::kUnknownTopicId, "topic \"" + name + "\" has the id " + topic->id.ToString() + ", not " + id->ToString());
  }
  return topic;
}

}  // namespace cordwood::broker
