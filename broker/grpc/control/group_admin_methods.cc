// SPDX-License-Identifier: Apache-2.0
// One line a method.
#include "broker/grpc/control/group_admin_methods.h"

#include "cordwood/v1/group_admin.pb.h"

namespace cordwood::broker {

void AddGroupAdminMethods(ControlCalls& calls, const GroupAdminHandler& groups) {
  calls.Add<v1::ListGroupsRequest>("/cordwood.v1.GroupAdmin/ListGroups", [&groups](const auto& request) { return groups.ListGroups(request); });
  calls.Add<v1::DescribeGroupRequest>("/cordwood.v1.GroupAdmin/DescribeGroup", [&groups](const auto& request) { return groups.DescribeGroup(request); });
  calls.Add<v1::DeleteGroupRequest>("/cordwood.v1.GroupAdmin/DeleteGroup", [&groups](const auto& request) { return groups.DeleteGroup(request); });
  calls.Add<v1::ResetOffsetsRequest>("/cordwood.v1.GroupAdmin/ResetOffsets", [&groups](const auto& request) { return groups.ResetOffsets(request); });
  calls.Add<v1::ExplainGroupRequest>("/cordwood.v1.GroupAdmin/ExplainGroup", [&groups](const auto& request) { return groups.ExplainGroup(request); });
  calls.Add<v1::CreateReplayRequest>("/cordwood.v1.GroupAdmin/CreateReplay", [&groups](const auto& request) { return groups.CreateReplay(request); });
  calls.Add<v1::ListReplaysRequest>("/cordwood.v1.GroupAdmin/ListReplays", [&groups](const auto& request) { return groups.ListReplays(request); });
  calls.Add<v1::DescribeReplayRequest>("/cordwood.v1.GroupAdmin/DescribeReplay", [&groups](const auto& request) { return groups.DescribeReplay(request); });
  calls.Add<v1::ChangeReplayRequest>("/cordwood.v1.GroupAdmin/ChangeReplay", [&groups](const auto& request) { return groups.ChangeReplay(request); });
}

}  // namespace cordwood::broker
