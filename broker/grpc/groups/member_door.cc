// SPDX-License-Identifier: Apache-2.0
#include "broker/grpc/groups/member_door.h"

#include <utility>

#include "broker/grpc/groups/group_wire.h"

namespace cordwood::broker {
namespace {

using What = v1::MemberMessage::WhatCase;

constexpr std::size_t kAnsweredKeptMax = 64;

}  // namespace

MemberDoor::MemberDoor(Call& call, GroupDoors& doors) : call_(call), doors_(doors), stream_(doors.Add(*this)) {}

void MemberDoor::OnMessage(grpc::ByteBuffer message, ByteCharge charge) {
  const std::size_t bytes = charge.bytes();
  const Status status = end_.has_value() ? absl::OkStatus() : Take(std::move(message), charge);
  if (charge.bytes() > 0) call_.Answered(bytes);  // else it is a commit's
  if (!status.ok()) EndWith(status);
}

Status MemberDoor::Take(grpc::ByteBuffer bytes, ByteCharge& charge) {
  v1::MemberMessage message;
  const std::size_t size = bytes.Length();
  CORDWOOD_RETURN_IF_ERROR(ParseMessage(std::move(bytes), message));
  if (left_) return Error(Reason::kInvalidRequest, "a message after Leave");
  auto input = std::make_unique<GroupInput>();
  input->stream = stream_;
  input->bytes = size;
  CORDWOOD_ASSIGN_OR_RETURN(input->event, EventOf(message, *input));
  const Status sent = doors_.driver().Send(input);
  const bool is_commit = message.what_case() == What::kCommit;
  if (!sent.ok() && is_commit && ReasonOf(sent) == Reason::kThrottled) {
    RefuseCommit(message.commit(), sent);
    return absl::OkStatus();
  }
  CORDWOOD_RETURN_IF_ERROR(sent);
  if (is_commit) commits_.push_back(std::move(charge));
  joined_ = true;
  left_ = message.what_case() == What::kLeave;
  return absl::OkStatus();
}

StatusOr<GroupEvent> MemberDoor::EventOf(const v1::MemberMessage& message, GroupInput& input) {
  if (joined_ == (message.what_case() == What::kJoin)) {
    return Error(Reason::kInvalidRequest, joined_ ? "a stream joins once" : "the first message of a stream is Join");
  }
  switch (message.what_case()) {
    case What::kJoin: {
      input.group = message.join().group();
      input.address = call_.context().peer;
      CORDWOOD_ASSIGN_OR_RETURN(JoinGroup join, JoinOf(message.join(), stream_));
      owned_ = join.owned;
      return join;
    }
    case What::kHeartbeat: return Beat(message.heartbeat(), input);
    case What::kCommit: return CommitOf(message.commit(), stream_);
    case What::kSubscribe: {
      CORDWOOD_ASSIGN_OR_RETURN(GroupSubscription subscription, SubscriptionOf(message.subscribe()));
      return ChangeSubscription{stream_, std::move(subscription)};
    }
    case What::kPositionsTaken: return ConfirmationOf(message.positions_taken(), stream_);
    case What::kLeave: return LeaveGroup{stream_, message.leave().keep_slot()};
    case What::WHAT_NOT_SET: break;
  }
  return Error(Reason::kMalformedRequest, "a message that says nothing known");
}

StatusOr<GroupEvent> MemberDoor::Beat(const v1::Heartbeat& heartbeat, GroupInput& input) {
  if (heartbeat.has_owned()) {
    CORDWOOD_ASSIGN_OR_RETURN(owned_, PartitionsOf(heartbeat.owned()));
  }
  CORDWOOD_ASSIGN_OR_RETURN(input.progress, ProgressOf(heartbeat));
  return MemberHeartbeat{stream_, MemberEpoch(heartbeat.member_epoch()), owned_};
}

// Nothing of it was done.
void MemberDoor::RefuseCommit(const v1::OffsetCommit& commit, const Status& why) {
  v1::CoordinatorMessage refusal;
  refusal.mutable_commit_done()->set_seq(commit.seq());
  for (int i = 0; i < commit.entries_size(); ++i) AddCommitError(static_cast<std::uint32_t>(i), why, *refusal.mutable_commit_done()->mutable_errors());
  call_.Write(SerializeMessage(refusal));
}

void MemberDoor::OnTell(const StreamTell& tell, const TopicView& topics) {
  if (const auto* end = std::get_if<EndStream>(&tell.what)) {
    joined_ = false;  // the driver has forgotten it
    return call_.Finish(end->status);
  }
  call_.Write(SerializeMessage(MessageOf(tell, topics, doors_.options().heartbeat_interval_ms, doors_.options().session_timeout_ms)));
  if (std::holds_alternative<CommitDone>(tell.what)) PopCommit();
}

void MemberDoor::PopCommit() {
  const std::size_t bytes = commits_[first_commit_].bytes();
  commits_[first_commit_++] = ByteCharge();
  if (first_commit_ == commits_.size() || first_commit_ >= kAnsweredKeptMax) {
    commits_.erase(commits_.begin(), commits_.begin() + static_cast<std::ptrdiff_t>(first_commit_));
    first_commit_ = 0;
  }
  call_.Answered(bytes);
  EndIfIdle();
}

void MemberDoor::OnHalfClose() {
  if (left_) return;  // its end is coming
  EndWith(Error(Reason::kInvalidRequest, "the stream was closed without Leave: the member stays one until its session times out"));
}

void MemberDoor::OnStop() { EndWith(Error(Reason::kShuttingDown, "the broker is stopping; join again")); }

void MemberDoor::EndWith(const Status& status) {
  if (!end_.has_value()) end_ = status;
  EndIfIdle();
}

void MemberDoor::EndIfIdle() {
  if (end_.has_value() && first_commit_ == commits_.size()) call_.Finish(*end_);
}

void MemberDoor::OnEnd() {
  doors_.Forget(stream_);
  commits_.clear();
  first_commit_ = 0;
  if (!joined_) return;
  auto input = std::make_unique<GroupInput>();
  input->stream = stream_;
  input->event = LoseStream{stream_};
  (void)doors_.driver().Send(input);  // refused only when the driver has stopped
}

}  // namespace cordwood::broker
