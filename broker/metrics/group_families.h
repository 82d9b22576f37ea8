// SPDX-License-Identifier: Apache-2.0
// What the coordinator of consumer groups says of itself.
#pragma once

#include "broker/groups/coordinator/group_view.h"
#include "broker/metrics/families.h"

namespace cordwood::broker {

void AddGroupFamilies(Families& families, const GroupMeasures& measures);

}  // namespace cordwood::broker
