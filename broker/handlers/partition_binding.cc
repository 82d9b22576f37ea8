// SPDX-License-Identifier: Apache-2.0
// A binding outlives the image it was made from: its topic is looked up again, by id, once the image is another.
#include "broker/handlers/partition_binding.h"

#include <utility>

#include "storage/base/names.h"

namespace cordwood::broker {
LeaderHint LeaderOf(const ClusterImage& image, const TopicImage& topic, PartitionIndex index) {
  const PartitionAssignment assignment = topic.AssignmentOf(index);
  LeaderHint hint;
  hint.broker = assignment.leader;
  hint.epoch = assignment.leader_epoch;
  for (const BrokerImage& broker : image.brokers()) {
    if (broker.id != assignment.leader) continue;
    hint.host = broker.host;
    hint.port = broker.port;
  }
  return hint;
}

StatusOr<ClusterImage::TopicPtr> PartitionBindings::FindTopic(const PartitionRef& ref, const ClusterImage& image) {
  if (!ref.topic_id.empty()) {
    TopicId id;
    if (!TopicId::FromBytes(ref.topic_id, &id)) return Error(Reason::kInvalidRequest, "a topic id has 16 bytes, this one " + std::to_string(ref.topic_id.size()));
    ClusterImage::TopicPtr topic = image.FindTopic(id);
    if (topic == nullptr) return Error(Reason::kUnknownTopicId, "no topic has the id " + id.ToString());
    return topic;
  }
  ClusterImage::TopicPtr topic = image.FindTopic(std::string_view(ref.topic));
  if (topic != nullptr) return topic;
  CORDWOOD_RETURN_IF_ERROR(CheckTopicName(ref.topic));
  const bool suggest = image.topics().size() <= kSuggestedFromMax && suggestions_ < kSuggestionsMax;
  suggestions_ += suggest;
  return suggest ? image.UnknownTopicAndNearest(ref.topic) : ClusterImage::UnknownTopic(ref.topic);
}

StatusOr<const PartitionBindings::Binding*> PartitionBindings::Find(const PartitionRef& ref, const ClusterImage& image) {
  const bool named = !ref.topic.empty() || !ref.topic_id.empty();
  if (ref.handle != 0 && !is_stream_) return Error(Reason::kInvalidRequest, "handles are for streams");
  if (ref.handle > kHandleMax) return Error(Reason::kInvalidRequest, "handle " + std::to_string(ref.handle) + " is above 65535");
  if (named) {
    Binding fresh;
    CORDWOOD_ASSIGN_OR_RETURN(fresh.topic, FindTopic(ref, image));
    if (ref.partition.has_value()) fresh.index = PartitionIndex(*ref.partition);
    Binding& binding = ref.handle == 0 ? unbound_ : by_handle_[ref.handle];
    binding = std::move(fresh);
    return &binding;
  }
  if (ref.handle == 0) return Error(Reason::kInvalidRequest, "neither a topic nor a handle");
  const auto found = by_handle_.find(ref.handle);
  if (found == by_handle_.end()) return Error(Reason::kUnknownHandle, "handle " + std::to_string(ref.handle) + " was never bound on this stream");
  Binding& binding = found->second;
  ClusterImage::TopicPtr topic = image.FindTopic(binding.topic->id);
  if (topic == nullptr) return Error(Reason::kUnknownTopicId, "topic " + binding.topic->name + " was deleted");
  binding.topic = std::move(topic);
  return &binding;
}

ReplicaHandlePtr PartitionBindings::Bound(std::uint32_t handle, const PartitionTable& table) const {
  const auto found = by_handle_.find(handle);
  if (found == by_handle_.end() || !found->second.index.has_value()) return nullptr;
  return table.Find(found->second.topic->id, *found->second.index);
}

PartitionRef PartitionBindings::WithoutHandle(const PartitionRef& ref) const {
  const bool named = !ref.topic.empty() || !ref.topic_id.empty();
  const auto found = named ? by_handle_.end() : by_handle_.find(ref.handle);
  if (found == by_handle_.end()) return ref;
  const Binding& binding = found->second;
  PartitionRef result;
  result.topic_id = binding.topic->id.raw();
  result.partition = ref.partition;
  if (!result.partition.has_value() && binding.index.has_value()) result.partition = binding.index->value();
  return result;
}

StatusOr<BoundPartition> PartitionBindings::Locate(const Binding& binding, PartitionIndex index, const PartitionTable& table) {
  const TopicImage& topic = *binding.topic;
  if (index.value() < 0 || index.value() >= topic.partition_count) {
    return Error(Reason::kUnknownTopicOrPartition, "no partition " + ToString(index) + ": topic " + topic.name + " has " +
                                                       std::to_string(topic.partition_count));
  }
  ReplicaHandlePtr replica = table.Find(topic.id, index);
  if (replica == nullptr) return Error(Reason::kLeaderNotAvailable, topic.name + "-" + ToString(index) + " is not here yet");
  return BoundPartition{binding.topic, index, std::move(replica)};
}

}  // namespace cordwood::broker
