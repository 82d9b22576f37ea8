// SPDX-License-Identifier: Apache-2.0
// Groups as the control plane shows them: from a snapshot to the wire.
#pragma once

#include "broker/groups/lag/group_findings.h"
#include "broker/groups/lag/group_snapshot.h"
#include "cordwood/v1/group_admin.pb.h"

namespace cordwood::broker {

cordwood::v1::DescribeGroupResponse DescribeSnapshot(const GroupSnapshot& group, BrokerId coordinator);
cordwood::v1::ExplainGroupResponse ExplainSnapshot(const GroupSnapshot& group);

}  // namespace cordwood::broker
