// SPDX-License-Identifier: Apache-2.0
// From messages to the strand's calls and back.
#include "broker/handlers/control/admin_handler.h"

#include <optional>
#include <string>
#include <vector>

#include "broker/handlers/control/topic_answers.h"
#include "broker/metadata/internal_topics.h"
#include "storage/base/names.h"

namespace cordwood::broker {
namespace {

StatusOr<std::optional<TopicId>> TopicIdOf(const std::string& raw) {
  if (raw.empty()) return std::optional<TopicId>();
  TopicId id;
  if (!TopicId::FromBytes(raw, &id)) return Error(Reason::kInvalidRequest, "a topic id has 16 bytes, this one " + std::to_string(raw.size()));
  return std::optional<TopicId>(id);
}

StatusOr<ConfigMap> ConfigMapOf(const google::protobuf::RepeatedPtrField<cordwood::v1::ConfigEntry>& entries) {
  ConfigMap configs;
  for (const auto& entry : entries) {
    if (!configs.emplace(entry.key(), entry.value()).second) return Error(Reason::kInvalidRequest, "config " + entry.key() + " is given twice");
  }
  return configs;
}

StatusOr<ClusterImage::TopicPtr> FindTopic(const ClusterImage& image, const std::string& name, const std::string& raw_id) {
  CORDWOOD_ASSIGN_OR_RETURN(const std::optional<TopicId> id, TopicIdOf(raw_id));
  if (id.has_value()) {
    ClusterImage::TopicPtr topic = image.FindTopic(*id);
    if (topic == nullptr) return Error(Reason::kUnknownTopicId, "no topic has the id " + id->ToString());
    return topic;
  }
  CORDWOOD_RETURN_IF_ERROR(CheckTopicName(name));
  ClusterImage::TopicPtr topic = image.FindTopic(std::string_view(name));
  if (topic == nullptr) return image.UnknownTopicAndNearest(name);
  return topic;
}

}  // namespace

StatusOr<cordwood::v1::CreateTopicResponse> AdminHandler::CreateTopic(const cordwood::v1::CreateTopicRequest& request) const {
  TopicSpec spec;
  spec.name = request.name();
  spec.partitions = request.partitions() == 0 ? default_partitions_ : request.partitions();
  spec.replication_factor = request.replication_factor();
  CORDWOOD_RETURN_IF_ERROR(CheckNotInternal(spec.name));
  CORDWOOD_ASSIGN_OR_RETURN(spec.configs, ConfigMapOf(request.configs()));
  CORDWOOD_ASSIGN_OR_RETURN(const ClusterImage::TopicPtr topic, strand_.CreateTopic(spec, request.validate_only()));
  cordwood::v1::CreateTopicResponse response;
  FillTopicDescription(*topic, table_, *response.mutable_topic());
  return response;
}

StatusOr<cordwood::v1::DeleteTopicResponse> AdminHandler::DeleteTopic(const cordwood::v1::DeleteTopicRequest& request) const {
  CORDWOOD_ASSIGN_OR_RETURN(const std::optional<TopicId> id, TopicIdOf(request.topic_id()));
  std::string name = request.name();
  if (name.empty() && id.has_value()) {
    CORDWOOD_ASSIGN_OR_RETURN(const ClusterImage::TopicPtr topic, FindTopic(*strand_.image(), name, request.topic_id()));
    name = topic->name;
  }
  CORDWOOD_RETURN_IF_ERROR(CheckNotInternal(name));
  CORDWOOD_RETURN_IF_ERROR(strand_.DeleteTopic(name, id));
  return cordwood::v1::DeleteTopicResponse();
}

StatusOr<cordwood::v1::ListTopicsResponse> AdminHandler::ListTopics(const cordwood::v1::ListTopicsRequest& request) const {
  cordwood::v1::ListTopicsResponse response;
  const ClusterImagePtr image = strand_.image();
  for (const ClusterImage::TopicPtr& topic : image->topics()) {
    if (topic->name.starts_with("__") && !request.include_internal()) continue;
    cordwood::v1::TopicListing& listing = *response.add_topics();
    listing.set_name(topic->name);
    listing.set_topic_id(std::string(topic->id.raw()));
    listing.set_partitions(topic->partition_count);
    listing.set_replication_factor(static_cast<std::int32_t>(topic->AssignmentOf(PartitionIndex(0)).replicas.size()));
    listing.set_durability(TopicConfigValue(topic->config, "durability"));
  }
  return response;
}

StatusOr<cordwood::v1::DescribeTopicResponse> AdminHandler::DescribeTopic(const cordwood::v1::DescribeTopicRequest& request) const {
  CORDWOOD_ASSIGN_OR_RETURN(const ClusterImage::TopicPtr topic, FindTopic(*strand_.image(), request.name(), request.topic_id()));
  cordwood::v1::DescribeTopicResponse response;
  FillTopicDescription(*topic, table_, *response.mutable_topic());
  return response;
}

StatusOr<cordwood::v1::CreatePartitionsResponse> AdminHandler::CreatePartitions(const cordwood::v1::CreatePartitionsRequest& request) const {
  CORDWOOD_RETURN_IF_ERROR(CheckNotInternal(request.name()));
  CORDWOOD_ASSIGN_OR_RETURN(const ClusterImage::TopicPtr topic, strand_.CreatePartitions(request.name(), request.total()));
  cordwood::v1::CreatePartitionsResponse response;
  FillTopicDescription(*topic, table_, *response.mutable_topic());
  return response;
}

StatusOr<cordwood::v1::AlterTopicConfigResponse> AdminHandler::AlterTopicConfig(const cordwood::v1::AlterTopicConfigRequest& request) const {
  CORDWOOD_RETURN_IF_ERROR(CheckNotInternal(request.name()));
  CORDWOOD_ASSIGN_OR_RETURN(const ConfigMap set, ConfigMapOf(request.set()));
  const std::vector<std::string> reset(request.reset().begin(), request.reset().end());
  for (const std::string& key : reset) {
    if (set.contains(key)) return Error(Reason::kInvalidRequest, "config " + key + " is both set and reset");
  }
  CORDWOOD_ASSIGN_OR_RETURN(const ClusterImage::TopicPtr topic, strand_.AlterTopicConfig(request.name(), set, reset));
  cordwood::v1::AlterTopicConfigResponse response;
  FillTopicConfigs(*topic, *response.mutable_configs());
  return response;
}

}  // namespace cordwood::broker
