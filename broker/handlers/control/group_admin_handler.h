// SPDX-License-Identifier: Apache-2.0
// What operators ask of consumer groups and do to them: the verbs of the GroupAdmin service.
#pragma once

#include <atomic>
#include <string>

#include "broker/groups/coordinator/group_driver.h"
#include "broker/groups/lag/lag_driver.h"
#include "broker/handlers/control/partition_access.h"
#include "cordwood/v1/group_admin.pb.h"
#include "storage/base/reason.h"

namespace cordwood::broker {

inline constexpr absl::Duration kResetConfirmDefault = absl::Seconds(5);
inline constexpr absl::Duration kResetConfirmMax = absl::Seconds(60);
inline constexpr std::int64_t kGroupsSuggestedFromMax = 1'000;  // among more of them no near name is looked for: they are listed on the driver's thread
inline constexpr int kResetsWaitingMax = 4;  // for their owners; each holds one of the threads of all control calls

// Errors: INVALID_GROUP_ID; GROUP_ID_NOT_FOUND, with the nearest name where groups are few; as GroupDriver's and PlanReset's.
// Threading: safe from any thread that may block on the disk, on shards and on the groups' driver: never a network or shard thread.
class GroupAdminHandler {
 public:
  GroupAdminHandler(GroupDriver& groups, LagDriver& lag, ImageSource image, const PartitionTable& table, BrokerId self)
      : groups_(groups), lag_(lag), image_(std::move(image)), table_(table), self_(self) {}

  StatusOr<cordwood::v1::ListGroupsResponse> ListGroups(const cordwood::v1::ListGroupsRequest& request) const;
  StatusOr<cordwood::v1::DescribeGroupResponse> DescribeGroup(const cordwood::v1::DescribeGroupRequest& request) const;
  StatusOr<cordwood::v1::DeleteGroupResponse> DeleteGroup(const cordwood::v1::DeleteGroupRequest& request) const;
  // All or none of the partitions. What a shift counts from is read before the reset, so a commit in between is lost, as any commit before a reset is.
  // While kResetsWaitingMax wait for their owners, another one is done as well, but not waited for.
  StatusOr<cordwood::v1::ResetOffsetsResponse> ResetOffsets(const cordwood::v1::ResetOffsetsRequest& request) const;
  StatusOr<cordwood::v1::ExplainGroupResponse> ExplainGroup(const cordwood::v1::ExplainGroupRequest& request) const;

  // replay_admin.cc. Errors also as PlanReplay's; GROUP_ID_NOT_FOUND for a group that is no replay job, and for a source that does not exist.
  StatusOr<cordwood::v1::CreateReplayResponse> CreateReplay(const cordwood::v1::CreateReplayRequest& request) const;
  StatusOr<cordwood::v1::ListReplaysResponse> ListReplays(const cordwood::v1::ListReplaysRequest& request) const;
  StatusOr<cordwood::v1::DescribeReplayResponse> DescribeReplay(const cordwood::v1::DescribeReplayRequest& request) const;
  StatusOr<cordwood::v1::ChangeReplayResponse> ChangeReplay(const cordwood::v1::ChangeReplayRequest& request) const;

 private:
  static Status CheckGroupId(const std::string& group);
  StatusOr<GroupSnapshot> Look(const std::string& group) const;
  StatusOr<GroupSnapshot> LookAtReplay(const std::string& group) const;
  Status WithNearestName(const Status& status, const std::string& group) const;

  GroupDriver& groups_;
  LagDriver& lag_;
  const ImageSource image_;
  const PartitionTable& table_;
  const BrokerId self_;
  mutable std::atomic<int> resets_waiting_{0};
};

}  // namespace cordwood::broker
