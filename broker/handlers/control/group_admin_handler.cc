// SPDX-License-Identifier: Apache-2.0
// The groups' driver answers on its own thread; the caller waits.
#include "broker/handlers/control/group_admin_handler.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "broker/handlers/control/group_answers.h"
#include "broker/handlers/control/reset_plan.h"
#include "storage/base/names.h"
#include "storage/base/threads/awaited.h"

namespace cordwood::broker {
namespace {

absl::Duration ConfirmWithin(std::int32_t asked_ms) {
  if (asked_ms == 0) return kResetConfirmDefault;
  return std::clamp(absl::Milliseconds(asked_ms), absl::ZeroDuration(), kResetConfirmMax);
}

}  // namespace

Status GroupAdminHandler::CheckGroupId(const std::string& group) {
  if (!group.empty() && group.size() <= kGroupIdBytesMax) return absl::OkStatus();
  return Error(Reason::kInvalidGroupId, group.empty() ? "the group id is empty" : "a group id of " + std::to_string(group.size()) + " bytes, at most 255");
}

Status GroupAdminHandler::WithNearestName(const Status& status, const std::string& group) const {
  if (ReasonOf(status) != Reason::kGroupIdNotFound) return status;
  std::string message = "no group \"" + group + "\"";
  std::vector<std::string> names;
  if (groups_.measures().groups.value() <= kGroupsSuggestedFromMax) {
    const auto groups = lag_.List();
    for (const GroupSummary& known : groups.ok() ? *groups : std::vector<GroupSummary>()) names.push_back(known.group);
  }
  if (const auto nearest = NearestName(group, names)) message += "; did you mean \"" + *nearest + "\"?";
  return Error(Reason::kGroupIdNotFound, std::move(message));
}

// Logs that were not opened since a crash are opened, so that their ends are known.
StatusOr<GroupSnapshot> GroupAdminHandler::Look(const std::string& group) const {
  CORDWOOD_RETURN_IF_ERROR(CheckGroupId(group));
  StatusOr<GroupSnapshot> snapshot = lag_.Look(group);
  if (!snapshot.ok()) return WithNearestName(snapshot.status(), group);
  std::vector<ReplicaHandlePtr> unopened;
  for (const PartitionSnapshot& partition : snapshot->partitions) {
    if (!partition.ends.has_value()) unopened.push_back(table_.Find(partition.at.topic, partition.at.partition));
  }
  if (unopened.empty()) return snapshot;
  OpenUnopened(unopened);
  return lag_.Look(group);
}

StatusOr<cordwood::v1::ListGroupsResponse> GroupAdminHandler::ListGroups(const cordwood::v1::ListGroupsRequest&) const {
  CORDWOOD_ASSIGN_OR_RETURN(const std::vector<GroupSummary> groups, lag_.List());
  cordwood::v1::ListGroupsResponse response;
  for (const GroupSummary& group : groups) {
    auto& listing = *response.add_groups();
    listing.set_group(group.group);
    listing.set_state(group.state);
    listing.set_members(static_cast<std::uint32_t>(group.members));
    listing.set_committed_partitions(static_cast<std::uint32_t>(group.committed_partitions));
  }
  return response;
}

StatusOr<cordwood::v1::DescribeGroupResponse> GroupAdminHandler::DescribeGroup(const cordwood::v1::DescribeGroupRequest& request) const {
  CORDWOOD_ASSIGN_OR_RETURN(const GroupSnapshot group, Look(request.group()));
  return DescribeSnapshot(group, self_);
}

StatusOr<cordwood::v1::ExplainGroupResponse> GroupAdminHandler::ExplainGroup(const cordwood::v1::ExplainGroupRequest& request) const {
  CORDWOOD_ASSIGN_OR_RETURN(const GroupSnapshot group, Look(request.group()));
  return ExplainSnapshot(group);
}

StatusOr<cordwood::v1::DeleteGroupResponse> GroupAdminHandler::DeleteGroup(const cordwood::v1::DeleteGroupRequest& request) const {
  CORDWOOD_RETURN_IF_ERROR(CheckGroupId(request.group()));
  const Awaited<Status> done;
  groups_.Delete(request.group(), [done](Status status) { done.Set(std::move(status)); });
  CORDWOOD_RETURN_IF_ERROR(WithNearestName(done.Wait(), request.group()));
  return cordwood::v1::DeleteGroupResponse();
}

StatusOr<cordwood::v1::ResetOffsetsResponse> GroupAdminHandler::ResetOffsets(const cordwood::v1::ResetOffsetsRequest& request) const {
  CORDWOOD_RETURN_IF_ERROR(CheckGroupId(request.group()));
  const Awaited<StatusOr<FetchedOffsets>> fetched;
  groups_.Fetch(request.group(), AskedOffsets(), [fetched](StatusOr<FetchedOffsets> offsets) { fetched.Set(std::move(offsets)); });
  CORDWOOD_ASSIGN_OR_RETURN(const FetchedOffsets committed, fetched.Wait());
  const Awaited<std::optional<ReplayJob>> looked;
  groups_.Look(request.group(), [looked](StatusOr<GroupView> view) { looked.Set(view.ok() ? view->core.state().replay() : std::nullopt); });  // unknown: none yet
  const std::optional<ReplayJob> replay = looked.Wait();
  CORDWOOD_ASSIGN_OR_RETURN(ResetPlan plan, PlanReset(request, committed, replay.has_value() ? &*replay : nullptr, *image_(), table_));
  if (request.dry_run()) return std::move(plan.response);
  const Awaited<StatusOr<ResetOutcome>> done;
  const bool may_wait = resets_waiting_.fetch_add(1) < kResetsWaitingMax;
  groups_.Reset(request.group(), std::move(plan.entries), may_wait ? ConfirmWithin(request.confirm_timeout_ms()) : absl::ZeroDuration(),
                [done](StatusOr<ResetOutcome> outcome) { done.Set(std::move(outcome)); });
  StatusOr<ResetOutcome> waited = done.Wait();
  resets_waiting_.fetch_sub(1);
  CORDWOOD_ASSIGN_OR_RETURN(const ResetOutcome outcome, std::move(waited));
  for (std::size_t i = 0; i < outcome.size(); ++i) {
    auto& answer = *plan.response.mutable_answers(static_cast<int>(i));
    answer.clear_before();
    if (outcome[i].before.has_value()) answer.set_before(outcome[i].before->value());
    answer.set_position_epoch(outcome[i].position_epoch.value());
    answer.set_unconfirmed_member(outcome[i].unconfirmed_member);
  }
  return std::move(plan.response);
}

}  // namespace cordwood::broker
