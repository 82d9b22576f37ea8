// SPDX-License-Identifier: Apache-2.0
// From configuration to shards and limits.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "broker/replication/shard_driver.h"
#include "broker/server/config/config_schema.h"
#include "storage/base/clock.h"
#include "storage/shard/data_dir.h"
#include "storage/shard/disk_ladder.h"

namespace cordwood::broker {

// As configured; 0 is replaced by what fits the machine.
int NetworkThreadCount(const BrokerConfig& config);
int ShardCount(const BrokerConfig& config);
DiskLadder DiskLadderOf(const BrokerConfig& config);  // its floor is that of one shard

std::string ShardLabel(ShardId shard);  // "shard-000"
std::string DescribeDisk(DiskLevel level, const std::string& data_dir);

// Opens what is there, at least ShardCount() of kind log; drivers are not started. Says in the log what each recovery found. Errors name the shard.
StatusOr<std::vector<std::unique_ptr<ShardDriver>>> OpenShards(const DataDir& data_dir, const BrokerConfig& config, Clock& clock);
// Makes the shard of kind compact under the next free id, or finishes making it, and notes it in the data directory; the driver is not started.
StatusOr<std::unique_ptr<ShardDriver>> MakeCompactShard(DataDir& data_dir, const BrokerConfig& config, Clock& clock);

}  // namespace cordwood::broker
