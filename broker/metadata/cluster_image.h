// SPDX-License-Identifier: Apache-2.0
// The cluster as one broker sees it at one revision: immutable, shared, swapped whole.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "broker/metadata/metadata_store.h"
#include "broker/metadata/topic_config.h"
#include "storage/base/ids.h"
#include "storage/base/strings.h"

namespace cordwood::broker {

struct PartitionAssignment {
  BrokerId leader{-1};
  LeaderEpoch leader_epoch{0};
  std::vector<BrokerId> replicas;
  std::vector<BrokerId> isr;
};

struct TopicImage {
  std::string name;
  TopicId id;
  std::int64_t created_ms = 0;
  ConfigMap configs;    // only what was set
  TopicConfig config;   // in force
  std::int32_t partition_count = 0;
  Revision revision = 0;
  // Of one partition; index in [0, partition_count).
  PartitionAssignment AssignmentOf(PartitionIndex index) const;
  BrokerId only_broker{0};  // the assignment of every partition while there is one broker
};

struct BrokerImage {
  BrokerId id;
  std::string host;  // advertised
  std::uint16_t port = 0;
  std::string rack;
};

// Threading: immutable after construction.
class ClusterImage {
 public:
  using TopicPtr = std::shared_ptr<const TopicImage>;
  ClusterImage(Uuid cluster_id, Revision revision, std::vector<BrokerImage> brokers, std::vector<TopicPtr> topics,
               std::vector<TopicId> deleted_topics = {});

  const Uuid& cluster_id() const { return cluster_id_; }
  Revision revision() const { return revision_; }
  BrokerId controller() const { return brokers_.empty() ? BrokerId(-1) : brokers_.front().id; }
  const std::vector<BrokerImage>& brokers() const { return brokers_; }
  const std::vector<TopicPtr>& topics() const { return topics_; }  // in order of name
  TopicPtr FindTopic(std::string_view name) const;                 // nullptr if unknown
  TopicPtr FindTopic(const TopicId& id) const;
  // Deleted, and not yet known to be gone from every disk. Only what stands here may be removed as an orphan: logs whose topic is merely unknown are
  // kept, since it may be the metadata that was lost.
  bool WasDeleted(const TopicId& id) const { return deleted_topics_.contains(id); }
  // UNKNOWN_TOPIC_OR_PARTITION.
  static Status UnknownTopic(std::string_view name);
  // The same, and suggests the nearest name: a comparison with every topic there is, so not for each of many names, nor where a network thread would stand still.
  Status UnknownTopicAndNearest(std::string_view name) const;

 private:
  Uuid cluster_id_;
  Revision revision_;
  std::vector<BrokerImage> brokers_;
  std::vector<TopicPtr> topics_;
  StringMap<TopicPtr> by_name_;
  absl::flat_hash_map<TopicId, TopicPtr> by_id_;
  absl::flat_hash_set<TopicId> deleted_topics_;
};

using ClusterImagePtr = std::shared_ptr<const ClusterImage>;

}  // namespace cordwood::broker
