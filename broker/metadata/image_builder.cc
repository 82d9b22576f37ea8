// SPDX-License-Identifier: Apache-2.0
// Reading metadata entries into images. Format: proto/cordwood/v1/metadata_state.proto.
#include "broker/metadata/image_builder.h"

#include <utility>

namespace cordwood::broker {
namespace {

Status Unreadable(const MetadataEntry& entry, std::string_view why) {
  return Error(Reason::kStorageError, "metadata " + entry.key + ": " + std::string(why));
}

}  // namespace

std::string TopicKey(std::string_view name) { return std::string(kTopicsPrefix) += name; }

std::string DeletedTopicKey(const TopicId& id) { return std::string(kDeletedPrefix) += id.ToString(); }

cordwood::v1::TopicState EncodeTopic(const TopicImage& topic) {
  cordwood::v1::TopicState state;
  state.set_topic_id(std::string(topic.id.raw()));
  state.set_created_ms(topic.created_ms);
  state.set_partitions(topic.partition_count);
  for (const auto& [key, value] : topic.configs) (*state.mutable_configs())[key] = value;
  return state;
}

Status ImageBuilder::Put(const MetadataEntry& entry) {
  const std::string_view key = entry.key;
  if (key == kClusterKey) {
    cordwood::v1::ClusterState state;
    Uuid id;
    if (!state.ParseFromString(entry.value) || !Uuid::FromBytes(state.cluster_id(), &id)) return Unreadable(entry, "not a ClusterState");
    cluster_id_ = id;
    changed_ = true;
    return absl::OkStatus();
  }
  if (key.starts_with(kTopicsPrefix)) return PutTopic(entry);
  if (key.starts_with(kDeletedPrefix)) {
    cordwood::v1::TopicState state;
    TopicId id;
    if (!state.ParseFromString(entry.value) || !Uuid::FromBytes(state.topic_id(), &id)) return Unreadable(entry, "not a TopicState");
    deleted_[entry.key] = id;
    changed_ = true;
  }
  return absl::OkStatus();
}

Status ImageBuilder::PutTopic(const MetadataEntry& entry) {
  cordwood::v1::TopicState state;
  auto topic = std::make_shared<TopicImage>();
  if (!state.ParseFromString(entry.value) || !Uuid::FromBytes(state.topic_id(), &topic->id)) return Unreadable(entry, "not a TopicState");
  if (state.partitions() < 1) return Unreadable(entry, "no partitions");
  topic->name = entry.key.substr(kTopicsPrefix.size());
  topic->created_ms = state.created_ms();
  topic->configs = ConfigMap(state.configs().begin(), state.configs().end());
  auto config = ParseTopicConfig(topic->configs);
  if (!config.ok()) return Annotate(config.status(), "metadata " + entry.key);
  topic->config = *std::move(config);
  topic->partition_count = state.partitions();
  topic->revision = entry.mod_revision;
  topic->only_broker = self_.id;
  topics_[topic->name] = topic;
  changed_ = true;
  return absl::OkStatus();
}

void ImageBuilder::Delete(const std::string& key) {
  if (deleted_.erase(key) > 0) changed_ = true;
  if (!std::string_view(key).starts_with(kTopicsPrefix)) return;
  if (topics_.erase(key.substr(kTopicsPrefix.size())) > 0) changed_ = true;
}

void ImageBuilder::Clear() {
  topics_.clear();
  deleted_.clear();
  changed_ = true;
}

ClusterImagePtr ImageBuilder::Build(Revision revision) {
  changed_ = false;
  std::vector<ClusterImage::TopicPtr> topics;
  topics.reserve(topics_.size());
  for (const auto& [name, topic] : topics_) topics.push_back(topic);
  std::vector<TopicId> deleted;
  deleted.reserve(deleted_.size());
  for (const auto& [key, id] : deleted_) deleted.push_back(id);
  return std::make_shared<ClusterImage>(cluster_id_, revision, std::vector<BrokerImage>{self_}, std::move(topics), std::move(deleted));
}

}  // namespace cordwood::broker
