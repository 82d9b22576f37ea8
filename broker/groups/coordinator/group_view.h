// SPDX-License-Identifier: Apache-2.0
// What others may see of a group, and what its driver says when something is done.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "broker/groups/group_core.h"
#include "storage/base/measures.h"

namespace cordwood::broker {

struct MemberProgress {
  Offset position;  // of the next record handed to the application
  bool paused = false;
};

// What is known of a member and is in no record; of one whose stream was lost it is as it was then.
struct MemberFacts {
  bool attached = false;      // a stream is there
  std::string address;        // of its stream, as the door names it; empty: lost
  absl::Duration last_heard;  // its last message, by Clock::Monotonic(); when the coordinator started, if it has not been heard since
  std::map<TopicPartition, MemberProgress> progress;  // as told in heartbeats; of partitions it has
};

// Valid during the call it is given to.
struct GroupView {
  const GroupCore& core;
  const std::map<std::string, MemberFacts>& members;  // of every member
  const TopicView& topics;
  absl::Duration now;  // Clock::Monotonic()
};

// Which of a group's committed offsets: all of them, or those of whole topics and of single partitions.
struct AskedOffsets {
  bool all = true;
  std::vector<TopicId> topics;
  std::vector<TopicPartition> partitions;
};
struct FetchedOffset {
  TopicPartition at;
  CommittedOffset committed;
};
using FetchedOffsets = std::vector<FetchedOffset>;  // in order of what was asked; of all, by topic id and partition

struct ResetPlace {
  TopicPartition at;
  std::optional<Offset> before;  // committed so far; nullopt: none
  Offset after;
  PositionEpoch position_epoch;    // from now on
  std::string unconfirmed_member;  // the owner that has not yet said that it reads from there; empty: none
};
using ResetOutcome = std::vector<ResetPlace>;  // in order of the entries

// The driver's thread writes.
struct GroupMeasures {
  Gauge groups;
  Gauge members;
  Gauge streams;            // attached
  Gauge offsets;            // committed partitions
  Gauge loading;            // partitions of the offsets topic
  Gauge unavailable;        // the same: could not be read or written
  Counter loads;            // done
  Counter rebalances;       // targets computed
  Counter fenced;           // members put out: silence, partitions not given up, a newer incarnation
  Counter commits;          // partitions committed
  Counter commits_refused;  // the same: refused
  Counter resets;           // partitions reset
  Counter records;          // appended to the offsets topic
  Counter appends;          // that came back; commits / appends is how well they are grouped
  LatencyHistogram append;  // from the turn that made it until it is back
  LatencyHistogram load;
};

}  // namespace cordwood::broker
