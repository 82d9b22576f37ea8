// SPDX-License-Identifier: Apache-2.0
// What a change of topics must satisfy: pure checks against an image.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "broker/metadata/cluster_image.h"

namespace cordwood::broker {

struct TopicSpec {
  std::string name;
  std::int32_t partitions = 1;
  std::int32_t replication_factor = 0;  // 0: min(3, brokers)
  ConfigMap configs;
};

struct MetadataLimits {
  std::int32_t topics_max = 100'000;
  std::int32_t partitions_max = 200'000;  // of this broker, over all topics
};

// The topic that would come of it, without id and revision. Errors as MetadataStrand's calls of the same purpose.
StatusOr<TopicImage> PlanTopic(const ClusterImage& image, const TopicSpec& spec, const MetadataLimits& limits);
StatusOr<TopicImage> PlanPartitions(const ClusterImage& image, const std::string& name, std::int32_t total, const MetadataLimits& limits);
StatusOr<TopicImage> PlanConfig(const ClusterImage& image, const std::string& name, const ConfigMap& set, const std::vector<std::string>& reset);
StatusOr<ClusterImage::TopicPtr> PlanDeletion(const ClusterImage& image, const std::string& name, const std::optional<TopicId>& id);

}  // namespace cordwood::broker
