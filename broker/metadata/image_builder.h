// SPDX-License-Identifier: Apache-2.0
// Keys and values of the metadata store, and the cluster image that they make up.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "broker/metadata/cluster_image.h"
#include "broker/metadata/metadata_store.h"
#include "cordwood/v1/metadata_state.pb.h"

namespace cordwood::broker {

// persisted: never rename.
inline constexpr std::string_view kMetadataPrefix = "/cordwood/";
inline constexpr std::string_view kMetadataEnd = "/cordwood0";  // '0' follows '/'
inline constexpr std::string_view kClusterKey = "/cordwood/cluster";                // ClusterState
inline constexpr std::string_view kProducerIdsKey = "/cordwood/producer_ids";       // ProducerIdState
inline constexpr std::string_view kTopicsPrefix = "/cordwood/topics/";              // + name: TopicState
inline constexpr std::string_view kDeletedPrefix = "/cordwood/deleted_topics/";     // + topic id: the TopicState that was
inline constexpr std::string_view kDeletedEnd = "/cordwood/deleted_topics0";
std::string TopicKey(std::string_view name);
std::string DeletedTopicKey(const TopicId& id);

cordwood::v1::TopicState EncodeTopic(const TopicImage& topic);

// Keeps what the entries say; each Build() shares the topics that did not change with the one before. Not thread-safe.
class ImageBuilder {
 public:
  explicit ImageBuilder(const BrokerImage& self) : self_(self) {}

  // Entries of other keys are ignored. STORAGE_ERROR names a key whose value cannot be read; nothing changes then.
  Status Put(const MetadataEntry& entry);
  void Delete(const std::string& key);
  void Clear();

  // Whether Build() would give anything else than it last did, revision aside.
  bool changed() const { return changed_; }
  ClusterImagePtr Build(Revision revision);
  std::size_t deleted_topics() const { return deleted_.size(); }

 private:
  Status PutTopic(const MetadataEntry& entry);

  const BrokerImage self_;
  bool changed_ = false;
  Uuid cluster_id_;
  std::map<std::string, ClusterImage::TopicPtr> topics_;  // by name
  std::map<std::string, TopicId> deleted_;                // by key
};

}  // namespace cordwood::broker
