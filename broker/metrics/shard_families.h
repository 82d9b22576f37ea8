// SPDX-License-Identifier: Apache-2.0
// What the shards and their cleaner say of themselves: records in, stages of an append, and RocksDB's vital signs.
#pragma once

#include "broker/metrics/families.h"
#include "broker/replication/shard_driver.h"
#include "broker/replication/upkeep/cleaner_driver.h"
#include "broker/replication/upkeep/shard_list.h"

namespace cordwood::broker {

void AddCleanerFamilies(Families& families, const CleanerMeasures& measures);
void AddShardFamilies(Families& families, const ShardList& shards);

}  // namespace cordwood::broker
