// SPDX-License-Identifier: Apache-2.0
// Topics and their configurations.
#pragma once

#include <cstdint>

#include "broker/metadata/metadata_strand.h"
#include "broker/replication/partition_table.h"
#include "cordwood/v1/admin.pb.h"
#include "storage/base/reason.h"

namespace cordwood::broker {

// Errors are the strand's, and INVALID_REQUEST (a key twice, both set and reset).
// Threading: safe from any thread that may block: never a network or shard thread.
class AdminHandler {
 public:
  AdminHandler(MetadataStrand& strand, const PartitionTable& table, std::int32_t default_partitions)
      : strand_(strand), table_(table), default_partitions_(default_partitions) {}

  StatusOr<cordwood::v1::CreateTopicResponse> CreateTopic(const cordwood::v1::CreateTopicRequest& request) const;
  StatusOr<cordwood::v1::DeleteTopicResponse> DeleteTopic(const cordwood::v1::DeleteTopicRequest& request) const;
  StatusOr<cordwood::v1::ListTopicsResponse> ListTopics(const cordwood::v1::ListTopicsRequest& request) const;
  StatusOr<cordwood::v1::DescribeTopicResponse> DescribeTopic(const cordwood::v1::DescribeTopicRequest& request) const;
  StatusOr<cordwood::v1::CreatePartitionsResponse> CreatePartitions(const cordwood::v1::CreatePartitionsRequest& request) const;
  StatusOr<cordwood::v1::AlterTopicConfigResponse> AlterTopicConfig(const cordwood::v1::AlterTopicConfigRequest& request) const;

 private:
  MetadataStrand& strand_;
  const PartitionTable& table_;
  const std::int32_t default_partitions_;
};

}  // namespace cordwood::broker
