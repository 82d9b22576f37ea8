// SPDX-License-Identifier: Apache-2.0
// What a partition holds against what its producers were promised.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/integration/kill_plan.h"
#include "tests/integration/kill_producer.h"

namespace cordwood::testing {

// By producer's name, what it made for this partition.
using Promises = std::map<std::string, KillProducer::Lane>;

// Counts found, lost, reordered and doubled of `records`, which are all of the partition from offset 0 on. `exact`: nothing is in flight, so
// everything made must be there; otherwise what was acknowledged, and of the rest perhaps some.
KillCounts CheckPartition(const std::vector<v1::Record>& records, const Promises& promises, bool exact);

}  // namespace cordwood::testing
