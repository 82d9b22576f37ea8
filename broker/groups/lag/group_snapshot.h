// SPDX-License-Identifier: Apache-2.0
// What is known of one group at one moment, as a value: what operators are told is computed from this alone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "broker/groups/group_records.h"
#include "broker/groups/group_state.h"
#include "broker/groups/group_types.h"
#include "storage/base/ids.h"

namespace cordwood::broker {

struct MemberSnapshot {
  std::string id;
  std::string instance_id;  // empty: dynamic
  std::string client;       // empty: it gave no name
  std::string address;      // of its stream; empty: lost, or unknown
  bool attached = false;    // its stream is there
  MemberEpoch epoch;
  std::vector<std::string> topics;  // subscribed by name, ascending
  std::string pattern;              // empty: none
  bool has_topics = true;           // some topic that it subscribes to exists
  AssignorKind assignor = AssignorKind::kUniform;
  std::int64_t rebalance_timeout_ms = 0;
  std::vector<TopicPartition> held;      // what it has, those it is to give up apart; ascending
  std::vector<TopicPartition> revoking;  // told to give up, and has not yet; ascending
  std::vector<TopicPartition> target;    // what it will have; ascending
  std::int64_t since_heard_ms = 0;       // since its last message
};

struct LogEnds {
  Offset log_start;       // inclusive
  Offset high_watermark;  // exclusive
};

// What only watching for a while tells.
struct PartitionProgress {
  std::int64_t still_ms = 0;                // for so long its owner's position (not told: its commits) has not moved while records waited; 0: just seen
  std::int64_t ahead = 0;                   // records its owner has gone on by since the committed offset, or, with none, since it was first seen
  std::int64_t ahead_ms = 0;                // for so long it has been ahead and has not committed anything
  std::optional<double> consume_rate;       // records/s by which the committed offset moves; absent: not known yet
  std::optional<double> produce_rate;       // records/s by which the high watermark moves; likewise
};

struct PartitionSnapshot {
  TopicPartition at;
  std::string topic;
  std::optional<CommittedOffset> committed;
  PositionEpoch position_epoch;
  bool awaiting_position = false;  // reset, and its owner has not yet said that it reads from there
  std::string owner;               // member id; empty: nobody. Also of one that is giving it up
  bool revoking = false;           // the owner was told to give it up
  std::string next_owner;          // member id of the target's; empty: nobody's
  std::optional<Offset> position;  // of the next record the application gets, as the owner says; absent: not told
  bool paused = false;
  std::optional<ReplayRange> range;                // of a replay job
  // Absent: not known, since the log was not opened yet or cannot be read here. For a replay job the log ends where its range does.
  std::optional<LogEnds> ends;
  bool log_unavailable = false;                    // it cannot be read here
  std::optional<std::int64_t> first_waiting_ms;    // timestamp of the first record not committed; absent: none waits, or unknown
  PartitionProgress progress;
};

// A member that is one no more, and not by its own wish.
struct FencedMember {
  std::string id;
  std::string instance_id;
  std::string client;
  std::string why;
  std::int64_t ago_ms = 0;
};

struct GroupSnapshot {
  std::string group;
  AssignorKind assignor = AssignorKind::kUniform;
  MemberEpoch group_epoch;
  MemberEpoch assignment_epoch;
  std::int64_t wall_ms = 0;                   // when it was taken
  std::vector<MemberSnapshot> members;        // in order of instance id, then id
  std::vector<PartitionSnapshot> partitions;  // committed, held or in a target; by topic name and partition
  std::vector<FencedMember> fenced;           // the latest first; a bounded number
  std::optional<ReplayJob> replay;            // the group is a replay job
  bool replay_done = false;                   // all of it is committed
  std::vector<std::string> missing_topics;    // subscribed by name, and do not exist; ascending
};

// "empty", "stable", or "reconciling": some member does not yet have what it will have, or has what it will not. Both say the same of the same group.
std::string GroupStateName(const GroupSnapshot& group);
std::string GroupStateName(const GroupState& group);

}  // namespace cordwood::broker
