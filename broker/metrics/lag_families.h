// SPDX-License-Identifier: Apache-2.0
// Series of consumer groups: how far behind, how many members, what keeps them from going on.
#pragma once

#include <cstddef>

#include "broker/groups/lag/group_round.h"
#include "broker/metrics/families.h"

namespace cordwood::broker {

struct GroupSeriesLimits {
  std::size_t groups = 500;
  std::size_t partitions = 5000;  // over all groups; a group has all of its partitions or none
};

// In the round's order groups have series of their own up to the limits; all others together are group="(other)".
void AddLagFamilies(Families& families, const GroupRound& round, const GroupSeriesLimits& limits = {});

}  // namespace cordwood::broker
