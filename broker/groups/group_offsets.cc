// SPDX-License-Identifier: Apache-2.0
// Which commits count, resets of a group's positions, and the end of a group.
#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "broker/groups/group_core.h"
#include "storage/base/check.h"

namespace cordwood::broker {

void GroupCore::On(const CommitOffsets& event) {
  std::string member;
  const Status committer = CheckCommitter(event, &member);
  CommitDone done{event.request, {}};
  for (const CommitEntry& entry : event.entries) {
    Status status = committer;
    if (status.ok()) status = CheckEntry(entry, member, event.epoch);
    if (status.ok()) {
      CountSkipped(entry);
      state_.SetOffset(entry.at, {entry.offset, entry.leader_epoch, now_.wall_ms, entry.position_epoch, topics_->names.at(entry.at.topic), entry.metadata});
      awaiting_positions_.erase(entry.at);  // under the present position epoch, so the owner has heard of it
      NoteReplay(entry.at);
    }
    done.entries.push_back(std::move(status));
  }
  Say(std::move(done));
}

// Sets `member`; empty for a manual commit.
Status GroupCore::CheckCommitter(const CommitOffsets& commit, std::string* member) const {
  *member = commit.member;
  if (commit.stream != StreamId(0)) {
    const auto stream = streams_.find(commit.stream);
    if (stream == streams_.end()) return Refusal(Reason::kUnknownMemberId, "this stream has no member");
    *member = stream->second;
  }
  if (member->empty()) {
    if (state_.members().empty()) return absl::OkStatus();
    return Refusal(Reason::kUnknownMemberId, absl::StrCat("has ", state_.members().size(), " members; only they commit"));
  }
  const GroupState::Member* known = state_.Find(*member);
  if (known == nullptr) {
    const std::string holder = state_.HolderOfInstance(commit.instance_id);
    if (holder.empty()) return Refusal(Reason::kUnknownMemberId, absl::StrCat("has no member ", *member));
    return Refusal(Reason::kFencedInstanceId, absl::StrCat("member ", holder, " has group.instance.id ", commit.instance_id, " now"));
  }
  if (commit.epoch < known->record.joined_epoch || commit.epoch > known->current.epoch) {
    return Refusal(Reason::kStaleMemberEpoch, absl::StrCat("member ", *member, " is at epoch ", known->current.epoch.value(), ", the commit says ",
                                                          commit.epoch.value()));
  }
  return absl::OkStatus();
}

Status GroupCore::CheckEntry(const CommitEntry& entry, const std::string& member, MemberEpoch epoch) const {
  auto refuse = [&](Reason reason, const std::string& why) { return Refusal(reason, absl::StrCat(NameOf(entry.at), ": ", why)); };
  if (!topics_->Has(entry.at)) {
    return refuse(topics_->names.contains(entry.at.topic) ? Reason::kUnknownTopicOrPartition : Reason::kUnknownTopicId, "there is no such partition");
  }
  if (entry.offset < Offset(0)) return refuse(Reason::kOffsetOutOfRange, absl::StrCat("offset ", entry.offset.value(), " is below 0"));
  if (entry.log_end.has_value() && entry.offset > *entry.log_end) {
    return refuse(Reason::kOffsetOutOfRange, absl::StrCat("offset ", entry.offset.value(), " is beyond the end, ", entry.log_end->value()));
  }
  CORDWOOD_RETURN_IF_ERROR(CheckInRange(entry.at, entry.offset));
  if (entry.leader_epoch < kNoLeaderEpoch) return refuse(Reason::kInvalidRequest, "a leader epoch is not below -1");
  if (entry.metadata.size() > kCommitMetadataBytesMax) {
    return refuse(Reason::kOffsetMetadataTooLarge, absl::StrCat("metadata of ", entry.metadata.size(), " bytes, at most ", kCommitMetadataBytesMax));
  }
  if (!member.empty()) {
    const auto& held = state_.Find(member)->current.held;
    const auto mine = held.find(entry.at);
    if (mine == held.end()) return refuse(Reason::kStaleMemberEpoch, absl::StrCat("member ", member, " does not own it"));
    if (epoch < mine->second.since) {
      return refuse(Reason::kStaleMemberEpoch, absl::StrCat("owned since epoch ", mine->second.since.value(), ", the commit says ", epoch.value()));
    }
  }
  const PositionEpoch position_epoch = PositionOf(entry.at).position_epoch;
  if (entry.position_epoch < position_epoch) {
    return refuse(Reason::kStalePositionEpoch, absl::StrCat("the group was reset; position epoch ", position_epoch.value(), ", the commit says ",
                                                            entry.position_epoch.value()));
  }
  if (entry.position_epoch > position_epoch) {
    return refuse(Reason::kInvalidRequest, absl::StrCat("position epoch ", entry.position_epoch.value(), " is yet to come"));
  }
  return absl::OkStatus();
}

// Log order decides: commits before it are overwritten, later ones with the old position epoch refused. Nothing is reassigned.
void GroupCore::On(const ResetOffsets& event) {
  ResetDone done{event.request, CheckReset(event), {}};
  if (!done.status.ok()) return Say(std::move(done));
  std::map<StreamId, std::vector<AssignedPartition>> told;
  for (const ResetEntry& entry : event.entries) {
    CommittedOffset offset;
    if (const CommittedOffset* before = state_.OffsetAt(entry.at)) offset.position_epoch = before->position_epoch;
    offset.position_epoch = offset.position_epoch + 1;
    offset.offset = entry.offset;
    offset.leader_epoch = entry.leader_epoch;
    offset.commit_ms = now_.wall_ms;
    offset.topic = topics_->names.at(entry.at.topic);
    state_.SetOffset(entry.at, offset);
    NoteReplay(entry.at);
    const std::string& owner = state_.HolderOf(entry.at);
    if (owner.empty()) continue;
    awaiting_positions_[entry.at] = offset.position_epoch;
    done.owners.emplace_back(entry.at, owner);
    if (const StreamId stream = sessions_.at(owner).stream; stream != StreamId(0)) told[stream].push_back(PositionOf(entry.at));
  }
  for (auto& [stream, positions] : told) Say(TellPositions{stream, std::move(positions)});
  Say(std::move(done));
}

Status GroupCore::CheckReset(const ResetOffsets& reset) const {
  std::set<TopicPartition> seen;
  for (const ResetEntry& entry : reset.entries) {
    auto refuse = [&](Reason reason, const std::string& why) { return Refusal(reason, absl::StrCat(NameOf(entry.at), ": ", why)); };
    if (!topics_->Has(entry.at)) return refuse(Reason::kUnknownTopicOrPartition, "there is no such partition");
    if (entry.offset < Offset(0)) return refuse(Reason::kOffsetOutOfRange, absl::StrCat("offset ", entry.offset.value(), " is below 0"));
    CORDWOOD_RETURN_IF_ERROR(CheckInRange(entry.at, entry.offset));
    if (entry.leader_epoch < kNoLeaderEpoch) return refuse(Reason::kInvalidRequest, "a leader epoch is not below -1");
    if (!seen.insert(entry.at).second) return refuse(Reason::kInvalidRequest, "named twice");
  }
  return absl::OkStatus();
}

void GroupCore::On(const ConfirmPositions& event) {
  const auto stream = streams_.find(event.stream);
  if (stream == streams_.end()) return;
  for (const auto& [at, position_epoch] : event.positions) {
    const auto awaited = awaiting_positions_.find(at);
    if (awaited != awaiting_positions_.end() && state_.HolderOf(at) == stream->second && position_epoch >= awaited->second) awaiting_positions_.erase(awaited);
  }
}

void GroupCore::On(const DeleteGroup& event) {
  if (!state_.members().empty()) {
    return Say(DeleteDone{event.request, Refusal(Reason::kNonEmptyGroup, absl::StrCat("still has ", state_.members().size(), state_.members().size() == 1 ? " member" : " members"))});
  }
  std::vector<TopicPartition> all;
  for (const auto& [at, offset] : state_.offsets()) all.push_back(at);
  for (const TopicPartition& at : all) state_.EraseOffset(at);
  state_.EraseReplay();
  NoteReplays();
  state_.EraseHeader();
  Say(DeleteDone{event.request, absl::OkStatus()});
}

Status GroupCore::Invariants() const {
  CORDWOOD_RETURN_IF_ERROR(state_.Invariants());
  auto broken = [&](const char* rule) { return absl::InternalError(absl::StrCat("group ", state_.group(), ": not ", rule)); };
  if (topics_ == nullptr) return absl::OkStatus();
  if (sessions_.size() != state_.members().size()) return broken("one session for each member");
  for (const auto& [id, member] : state_.members()) {
    const auto session = sessions_.find(id);
    if (session == sessions_.end()) return broken("one session for each member");
    std::size_t revoking = 0;
    for (const auto& [at, held] : member.current.held) {
      revoking += held.revoking;
      if (held.revoking && !session->second.revocations.contains(at)) return broken("a deadline for each revocation");
    }
    if (revoking != session->second.revocations.size()) return broken("a revocation for each deadline");
    if (revoking > 0 && !session->second.revocation_timer_ms.has_value()) return broken("a timer while revocations wait");
  }
  for (const auto& [stream, member] : streams_) {
    if (!sessions_.contains(member) || sessions_.at(member).stream != stream) return broken("streams of members");
  }
  for (const auto& [at, position_epoch] : awaiting_positions_) {
    if (state_.HolderOf(at).empty()) return broken("positions awaited from owners");
  }
  return absl::OkStatus();
}

}  // namespace cordwood::broker
