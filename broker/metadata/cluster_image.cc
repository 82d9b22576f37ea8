// SPDX-License-Identifier: Apache-2.0
// Looking things up in the cluster image.
#include "broker/metadata/cluster_image.h"

#include <algorithm>
#include <utility>

#include "storage/base/names.h"

namespace cordwood::broker {

PartitionAssignment TopicImage::AssignmentOf(PartitionIndex) const {
  return PartitionAssignment{only_broker, LeaderEpoch(0), {only_broker}, {only_broker}};
}

ClusterImage::ClusterImage(Uuid cluster_id, Revision revision, std::vector<BrokerImage> brokers, std::vector<TopicPtr> topics,
                           std::vector<TopicId> deleted_topics)
    : cluster_id_(cluster_id),
      revision_(revision),
      brokers_(std::move(brokers)),
      topics_(std::move(topics)),
      deleted_topics_(deleted_topics.begin(), deleted_topics.end()) {
  const auto by_name = [](const TopicPtr& a, const TopicPtr& b) { return a->name < b->name; };
  if (!std::is_sorted(topics_.begin(), topics_.end(), by_name)) std::sort(topics_.begin(), topics_.end(), by_name);
  by_name_.reserve(topics_.size());
  by_id_.reserve(topics_.size());
  for (const TopicPtr& topic : topics_) {
    by_name_.emplace(topic->name, topic);
    by_id_.emplace(topic->id, topic);
  }
}

ClusterImage::TopicPtr ClusterImage::FindTopic(std::string_view name) const {
  const auto it = by_name_.find(name);
  return it == by_name_.end() ? nullptr : it->second;
}

ClusterImage::TopicPtr ClusterImage::FindTopic(const TopicId& id) const {
  const auto it = by_id_.find(id);
  return it == by_id_.end() ? nullptr : it->second;
}

Status ClusterImage::UnknownTopic(std::string_view name) {
  return Error(Reason::kUnknownTopicOrPartition, "no topic \"" + NameToShow(name) + "\"");
}

Status ClusterImage::UnknownTopicAndNearest(std::string_view name) const {
  std::vector<std::string_view> names;
  names.reserve(topics_.size());
  for (const TopicPtr& topic : topics_) names.push_back(topic->name);
  const Status unknown = UnknownTopic(name);
  const auto nearest = NearestName(name, names);
  return nearest.has_value() ? Error(Reason::kUnknownTopicOrPartition, MessageOf(unknown) + "; did you mean \"" + *nearest + "\"?") : unknown;
}

}  // namespace cordwood::broker
