// SPDX-License-Identifier: Apache-2.0
// The verbs of replay jobs.
#include <utility>

#include "broker/handlers/control/group_admin_handler.h"
#include "broker/handlers/control/replay_plan.h"
#include "storage/base/threads/awaited.h"

namespace cordwood::broker {

namespace v1 = cordwood::v1;

StatusOr<GroupSnapshot> GroupAdminHandler::LookAtReplay(const std::string& group) const {
  CORDWOOD_ASSIGN_OR_RETURN(GroupSnapshot snapshot, Look(group));
  if (!snapshot.replay.has_value()) return Error(Reason::kGroupIdNotFound, "group \"" + group + "\" is no replay job");
  return snapshot;
}

StatusOr<v1::CreateReplayResponse> GroupAdminHandler::CreateReplay(const v1::CreateReplayRequest& request) const {
  CORDWOOD_RETURN_IF_ERROR(CheckGroupId(request.source()));
  CORDWOOD_RETURN_IF_ERROR(CheckGroupId(request.group()));
  const Awaited<Status> exists;
  groups_.Look(request.source(), [exists](StatusOr<GroupView> view) { exists.Set(view.status()); });
  CORDWOOD_RETURN_IF_ERROR(WithNearestName(exists.Wait(), request.source()));
  CORDWOOD_ASSIGN_OR_RETURN(ReplayJob job, PlanReplay(request, *image_(), table_));
  const Awaited<Status> done;
  groups_.StartReplay(request.group(), std::move(job), [done](Status status) { done.Set(std::move(status)); });
  CORDWOOD_RETURN_IF_ERROR(done.Wait());
  CORDWOOD_ASSIGN_OR_RETURN(const GroupSnapshot group, LookAtReplay(request.group()));
  v1::DescribeReplayResponse described = DescribeReplayOf(group);
  v1::CreateReplayResponse response;
  *response.mutable_replay() = std::move(*described.mutable_replay());
  *response.mutable_partitions() = std::move(*described.mutable_partitions());
  return response;
}

StatusOr<v1::ListReplaysResponse> GroupAdminHandler::ListReplays(const v1::ListReplaysRequest&) const {
  CORDWOOD_ASSIGN_OR_RETURN(const std::vector<GroupSummary> groups, lag_.List());
  v1::ListReplaysResponse response;
  for (const GroupSummary& group : groups) {
    if (!group.replay) continue;
    const StatusOr<GroupSnapshot> snapshot = LookAtReplay(group.group);
    if (ReasonOf(snapshot.status()) == Reason::kGroupIdNotFound) continue;  // removed meanwhile
    CORDWOOD_RETURN_IF_ERROR(snapshot.status());
    *response.add_replays() = std::move(*DescribeReplayOf(*snapshot).mutable_replay());
  }
  return response;
}

StatusOr<v1::DescribeReplayResponse> GroupAdminHandler::DescribeReplay(const v1::DescribeReplayRequest& request) const {
  CORDWOOD_ASSIGN_OR_RETURN(const GroupSnapshot group, LookAtReplay(request.group()));
  return DescribeReplayOf(group);
}

StatusOr<v1::ChangeReplayResponse> GroupAdminHandler::ChangeReplay(const v1::ChangeReplayRequest& request) const {
  CORDWOOD_RETURN_IF_ERROR(CheckGroupId(request.group()));
  ReplayChange change = ReplayChange::kPause;
  switch (request.change()) {
    case v1::REPLAY_PAUSE: break;
    case v1::REPLAY_RESUME: change = ReplayChange::kResume; break;
    case v1::REPLAY_CANCEL: change = ReplayChange::kCancel; break;
    default: return Error(Reason::kInvalidRequest, "a replay job is paused, resumed or cancelled");
  }
  CORDWOOD_RETURN_IF_ERROR(LookAtReplay(request.group()).status());
  const Awaited<Status> done;
  groups_.ChangeReplay(request.group(), change, [done](Status status) { done.Set(std::move(status)); });
  CORDWOOD_RETURN_IF_ERROR(done.Wait());
  CORDWOOD_ASSIGN_OR_RETURN(const GroupSnapshot group, LookAtReplay(request.group()));
  v1::ChangeReplayResponse response;
  response.set_state(std::string(ReplayStateName(group.replay->state, group.replay_done)));
  return response;
}

}  // namespace cordwood::broker
