// SPDX-License-Identifier: Apache-2.0
// Join: between the bytes of a membership stream and the group driver.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "broker/grpc/call.h"
#include "broker/grpc/groups/group_doors.h"
#include "cordwood/v1/groups.pb.h"

namespace cordwood::broker {

// What is wrong with a commit is in its CommitDone; what is wrong with any other message ends the stream. A commit's bytes are unanswered until its CommitDone.
class MemberDoor final : public CallDoor {
 public:
  MemberDoor(Call& call, GroupDoors& doors);

  void OnMessage(grpc::ByteBuffer message, ByteCharge charge) override;
  void OnRefused(const Status& status) override { EndWith(status); }
  void OnHalfClose() override;
  void OnStop() override;
  void OnEnd() override;
  void OnTell(const StreamTell& tell, const TopicView& topics);

 private:
  Status Take(grpc::ByteBuffer bytes, ByteCharge& charge);
  StatusOr<GroupEvent> EventOf(const v1::MemberMessage& message, GroupInput& input);
  StatusOr<GroupEvent> Beat(const v1::Heartbeat& heartbeat, GroupInput& input);
  void RefuseCommit(const v1::OffsetCommit& commit, const Status& why);
  void PopCommit();
  void EndWith(const Status& status);
  void EndIfIdle();

  Call& call_;
  GroupDoors& doors_;
  const StreamId stream_;
  bool joined_ = false;                // the driver has heard of the stream
  bool left_ = false;                  // Leave was sent: nothing follows
  std::vector<TopicPartition> owned_;  // as last heard
  std::vector<ByteCharge> commits_;    // that wait for their CommitDone, from first_commit_ on, oldest first
  std::size_t first_commit_ = 0;
  std::optional<Status> end_;          // how the stream ends once its commits are answered
};

}  // namespace cordwood::broker
