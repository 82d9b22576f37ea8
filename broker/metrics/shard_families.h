// SPDX-License-Identifier: Apache-2.0
// What the shards say of themselves: records in, stages of an append, and RocksDB's vital signs.
#pragma once

#include <vector>

#include "broker/metrics/families.h"
#include "broker/replication/shard_driver.h"

namespace cordwood::broker {

void AddShardFamilies(Families& families, const std::vector<ShardDriver*>& shards);

}  // namespace cordwood::broker
