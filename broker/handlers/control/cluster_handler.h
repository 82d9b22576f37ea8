// SPDX-License-Identifier: Apache-2.0
// Brokers, leaders, disks, producer ids: GetMetadata, InitProducer, DescribeBroker, DescribeCluster.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "broker/metadata/metadata_strand.h"
#include "broker/replication/partition_table.h"
#include "broker/replication/shard_driver.h"
#include "broker/replication/upkeep/shard_list.h"
#include "cordwood/v1/admin.pb.h"
#include "cordwood/v1/log.pb.h"
#include "storage/base/reason.h"
#include "storage/shard/disk_ladder.h"

namespace cordwood::broker {

// What this broker says of itself; fixed once it runs.
struct BrokerFacts {
  BrokerId id;
  std::string version;
  std::int64_t started_ms = 0;
  std::string data_dir;
  std::vector<cordwood::v1::ConfigEntry> configs;  // effective
};

inline constexpr int kMetadataTopicsMax = 100'000;  // names and ids in one GetMetadata
inline constexpr int kSuggestedNamesMax = 16;       // up to so many names in one GetMetadata: unknown ones are answered with the nearest

// Threading: safe from any thread that may block: never a network or shard thread.
class ClusterHandler {
 public:
  ClusterHandler(MetadataStrand& strand, const PartitionTable& table, ShardList shards, std::function<DiskLevel()> disk_level,
                 std::function<bool()> draining, BrokerFacts facts);

  // RECORD_LIST_TOO_LARGE; unknown topics have their error in their entry. A topic asked for twice, by name or id, is answered once.
  StatusOr<cordwood::v1::GetMetadataResponse> GetMetadata(const cordwood::v1::GetMetadataRequest& request) const;
  // INVALID_REQUEST with a transactional id.
  StatusOr<cordwood::v1::InitProducerResponse> InitProducer(const cordwood::v1::InitProducerRequest& request) const;
  // INVALID_REQUEST for another broker.
  StatusOr<cordwood::v1::DescribeBrokerResponse> DescribeBroker(const cordwood::v1::DescribeBrokerRequest& request) const;
  StatusOr<cordwood::v1::DescribeClusterResponse> DescribeCluster(const cordwood::v1::DescribeClusterRequest& request) const;

 private:
  MetadataStrand& strand_;
  const PartitionTable& table_;
  const ShardList shards_;
  const std::function<DiskLevel()> disk_level_;
  const std::function<bool()> draining_;
  const BrokerFacts facts_;
};

}  // namespace cordwood::broker
