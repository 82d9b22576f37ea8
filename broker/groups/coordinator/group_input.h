// SPDX-License-Identifier: Apache-2.0
// Between network threads and the group driver: what members say, what they are told.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "broker/groups/coordinator/group_view.h"
#include "broker/groups/group_events.h"
#include "broker/replication/outbox.h"

namespace cordwood::broker {

// A network thread's number. Stream ids of that thread carry it, so that answers find their way without a table.
struct GroupPort {
  static constexpr std::uint64_t kPortsMax = 256;
  std::uint64_t index = 0;

  // `n` from 1 on, never twice on one port.
  StreamId Stream(std::uint64_t n) const { return StreamId(n * kPortsMax + index); }
  static std::size_t Of(StreamId stream) { return stream.value() % kPortsMax; }
};

class GroupLoop;

// One message of a member.
struct GroupInput final : OutboxMessage {
  void Run() override;  // of the driver's thread

  StreamId stream;
  GroupEvent event;     // JoinGroup, ChangeSubscription, MemberHeartbeat, ConfirmPositions, LeaveGroup, LoseStream, CommitOffsets
  std::string group;    // of a join
  std::string address;  // of a join
  std::vector<std::pair<TopicPartition, MemberProgress>> progress;  // of a heartbeat; where the client leaves some out, they are as before
  std::size_t bytes = 0;  // of the message: counted while it waits
  GroupLoop* loop = nullptr;  // the driver's
};

// What a stream is told: TellWelcome, TellTarget, TellPositions, TellReplay, EndStream, CommitDone of a commit on a stream.
struct StreamTell {
  StreamId stream;
  decltype(GroupTell::what) what;
};

// A network thread's ear. Called on that thread, in order for each stream; nothing comes for a stream after its EndStream.
class GroupListener {
 public:
  virtual ~GroupListener() = default;
  // Of one turn of the driver. `topics` has the names; a topic that is not there was deleted meanwhile.
  virtual void OnTells(const std::vector<StreamTell>& tells, const TopicView& topics) = 0;
};

}  // namespace cordwood::broker
