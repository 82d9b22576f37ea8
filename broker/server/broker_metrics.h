// SPDX-License-Identifier: Apache-2.0
// Which parts of the broker the page of metrics asks, in the order of the page.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "broker/grpc/grpc_server.h"
#include "broker/grpc/log_doors.h"
#include "broker/metrics/metrics_page.h"
#include "broker/metrics/topic_families.h"
#include "broker/replication/upkeep/shard_list.h"
#include "broker/server/config/config_schema.h"
#include "storage/shard/disk_ladder.h"

namespace cordwood::broker {

class ControlCalls;
class LagDriver;
struct CleanerMeasures;
struct GroupMeasures;

// All of it outlives the page's last scrape.
struct MeasuredParts {
  ShardList shards;
  const PartitionTable& partitions;
  std::function<ClusterImagePtr()> image;
  const std::vector<std::unique_ptr<LogDoors>>& doors;
  const ReaderPool& readers;
  const ByteBudget& budget;
  NetworkThreads& network;
  const GrpcServer& grpc;
  const ControlCalls& control;
  std::function<DiskLevel()> disk_level;
  const GroupMeasures& groups;
  const CleanerMeasures& cleaner;
  const LagDriver& lag;
};
void AddMetrics(MetricsPage& page, const BrokerConfig& config, const MeasuredParts& parts);

}  // namespace cordwood::broker
